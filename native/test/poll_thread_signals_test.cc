// The poll thread and signals: who hears of them, and who does not; what an
// interruption is to a loop.
#include "../core/poll_thread.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>

#include "check.h"
#include "poll_thread_support.h"
#include "support.h"

namespace millrace::test {

namespace {

// The mask of signals that a thread blocks.
uint64_t blocked_signals(const std::string& id) { return thread_status(id, "SigBlk:", 16); }

}  // namespace

TEST(the_thread_runs_no_signal_handlers) {
  const Lease lease;
  Loop loop;
  REQUIRE(eventually([] { return poll_threads().size() == 1; }));
  const uint64_t blocked = blocked_signals(poll_threads()[0]);
  for (const int number : {SIGHUP, SIGINT, SIGUSR1, SIGTERM, SIGCHLD, SIGRTMIN, SIGRTMAX}) {
    CHECK(blocked & uint64_t{1} << (number - 1));
  }
  CHECK_EQ(blocked_signals(std::to_string(getpid())), 0u);
}

TEST(a_signal_reaches_every_subscriber_and_nobody_else) {
  const Lease lease;
  Loop first;
  Loop second;
  Loop third;
  CHECK_EQ(PollThread::subscribe(first.entry, SIGUSR1), 0);
  CHECK_EQ(PollThread::subscribe(first.entry, SIGUSR1), 0);
  CHECK_EQ(PollThread::subscribe(second.entry, SIGUSR1), 0);
  CHECK_EQ(PollThread::subscribe(second.entry, SIGUSR2), 0);
  CHECK(!PollThread::has_news(first.entry));
  CHECK_EQ(PollThread::take_signal(first.entry), 0);
  third.arm();
  raise(SIGUSR1);
  CHECK(first.sleep());
  CHECK(second.sleep());
  CHECK(PollThread::has_news(first.entry));
  CHECK_EQ(PollThread::take_signal(first.entry), SIGUSR1);
  CHECK_EQ(PollThread::take_signal(first.entry), 0);
  CHECK(!PollThread::has_news(first.entry));
  CHECK_EQ(PollThread::take_signal(second.entry), SIGUSR1);
  CHECK(!PollThread::has_news(third.entry));
  CHECK_EQ(third.target.wakes(), 0);
  second.poller.wait(0);
  raise(SIGUSR2);
  CHECK(second.sleep());
  CHECK_EQ(PollThread::take_signal(second.entry), SIGUSR2);
  CHECK(!PollThread::has_news(first.entry));
}

TEST(a_signal_ends_the_blocking_wait_of_a_subscriber) {
  const Lease lease;
  Loop loop;
  CHECK_EQ(PollThread::subscribe(loop.entry, SIGUSR1), 0);
  std::thread sender([] {
    sleep_ms(5);
    kill(getpid(), SIGUSR1);
  });
  // -EINTR where the kernel chose this thread to run the handler.
  while (!PollThread::has_news(loop.entry)) loop.poller.wait(kForever);
  CHECK_EQ(PollThread::take_signal(loop.entry), SIGUSR1);
  sender.join();
}

TEST(no_kind_of_signal_is_lost_in_a_flood) {
  const Lease lease;
  Loop loop;
  const int numbers[] = {SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGTERM, SIGRTMIN, SIGRTMAX};
  for (const int number : numbers) CHECK_EQ(PollThread::subscribe(loop.entry, number), 0);
  for (int round = 0; round < 100; round++) {
    uint64_t wanted = 0;
    for (const int number : numbers) {
      for (int i = 0; i < 5; i++) raise(number);
      wanted |= uint64_t{1} << (number - 1);
    }
    uint64_t taken = 0;
    CHECK(eventually([&] {
      while (const int number = PollThread::take_signal(loop.entry)) {
        taken |= uint64_t{1} << (number - 1);
      }
      return taken == wanted;
    }));
  }
}

// The second signal falls into every moment of the first one's delivery.
TEST(a_signal_that_arrives_while_another_is_delivered_is_not_lost) {
  const Lease lease;
  Loop loop;
  PollThread::subscribe(loop.entry, SIGUSR1);
  PollThread::subscribe(loop.entry, SIGUSR2);
  std::mt19937 random(20240609);
  for (int round = 0; round < 5000; round++) {
    raise(SIGUSR1);
    const int64_t end_ns = sys::monotonic_ns() + random() % 30000;
    while (sys::monotonic_ns() < end_ns) {
    }
    raise(SIGUSR2);
    int sum = 0;
    const int64_t lost_ns = sys::monotonic_ns() + 5 * int64_t{1000000000};
    while (sum != SIGUSR1 + SIGUSR2 && sys::monotonic_ns() < lost_ns) {
      sum += PollThread::take_signal(loop.entry);
      std::this_thread::yield();
    }
    REQUIRE(sum == SIGUSR1 + SIGUSR2);
  }
}

TEST(signals_that_cannot_be_caught_are_EINVAL) {
  const Lease lease;
  Loop loop;
  for (const int number : {-1, 0, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
                           SIGSYS}) {
    CHECK_EQ(PollThread::subscribe(loop.entry, number), -EINVAL);
  }
}

namespace {
std::atomic<int> plain_calls{0};
std::atomic<int> info_calls{0};
void count_plain(int) { plain_calls++; }
void count_info(int, siginfo_t* info, void*) { info_calls += info->si_signo == SIGUSR2; }
}  // namespace

TEST(the_previous_handler_is_called_and_put_back) {
  struct sigaction action = {};
  action.sa_handler = count_plain;
  sigaction(SIGUSR1, &action, nullptr);
  action.sa_sigaction = count_info;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR2, &action, nullptr);
  signal(SIGHUP, SIG_IGN);
  const Lease lease;
  {
    Loop first;
    Loop second;
    for (const int number : {SIGUSR1, SIGUSR2, SIGHUP}) {
      CHECK_EQ(PollThread::subscribe(first.entry, number), 0);
      CHECK_EQ(PollThread::subscribe(second.entry, number), 0);
      raise(number);
    }
    CHECK_EQ(plain_calls.load(), 1);
    CHECK_EQ(info_calls.load(), 1);
    for (int i = 0; i < 3; i++) {
      CHECK(eventually([&] { return PollThread::take_signal(first.entry) != 0; }));
    }
  }
  struct sigaction now = {};
  sigaction(SIGUSR1, nullptr, &now);
  CHECK(now.sa_handler == count_plain);
  sigaction(SIGUSR2, nullptr, &now);
  CHECK(now.sa_sigaction == count_info && (now.sa_flags & SA_SIGINFO));
  sigaction(SIGHUP, nullptr, &now);
  CHECK(now.sa_handler == SIG_IGN);
  for (const int number : {SIGUSR1, SIGUSR2, SIGHUP}) signal(number, SIG_DFL);
}

TEST(a_handler_that_was_installed_over_ours_is_left_alone) {
  const Lease lease;
  {
    Loop loop;
    CHECK_EQ(PollThread::subscribe(loop.entry, SIGUSR1), 0);
    signal(SIGUSR1, count_plain);
  }
  struct sigaction now = {};
  sigaction(SIGUSR1, nullptr, &now);
  CHECK(now.sa_handler == count_plain);
  plain_calls = 0;
  {
    Loop loop;
    CHECK_EQ(PollThread::subscribe(loop.entry, SIGUSR1), 0);
    raise(SIGUSR1);
    CHECK(loop.sleep());
    CHECK_EQ(PollThread::take_signal(loop.entry), SIGUSR1);
    CHECK_EQ(plain_calls.load(), 1);
  }
  signal(SIGUSR1, SIG_DFL);
}

TEST(the_handler_leaves_errno_alone) {
  signal(SIGUSR1, [](int) { errno = ENOTTY; });
  const Lease lease;
  {
    Loop loop;
    CHECK_EQ(PollThread::subscribe(loop.entry, SIGUSR1), 0);
    errno = ENOENT;
    raise(SIGUSR1);
    CHECK_EQ(errno, ENOENT);
  }
  signal(SIGUSR1, SIG_DFL);
}

TEST(an_interrupted_sleep_is_news_to_every_loop) {
  const Lease lease;
  Loop first;
  Loop second;
  sys::inject_fault(wait_call(), 1, 1, EINTR);
  first.poller->wake();
  CHECK(first.sleep());
  CHECK(eventually([&] { return PollThread::has_news(second.entry); }));
  CHECK(second.sleep());
  CHECK(PollThread::take_interrupted(first.entry));
  CHECK(!PollThread::take_interrupted(first.entry));
  CHECK_EQ(PollThread::take_signal(second.entry), 0);
  CHECK(PollThread::take_interrupted(second.entry));
  CHECK(!PollThread::has_news(second.entry));
}

TEST(stopping_and_continuing_the_process_is_an_interruption) {
  // poll(2) is continued by the kernel as if nothing had been.
  if (default_backend() != Backend::kEpoll) return;
  const Lease lease;
  Loop loop;
  loop.arm();
  sleep_ms(5);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    kill(parent, SIGSTOP);
    usleep(20000);
    kill(parent, SIGCONT);
    _exit(0);
  }
  CHECK(loop.target.wait());
  CHECK(PollThread::take_interrupted(loop.entry));
  waitpid(child, nullptr, 0);
}

}  // namespace millrace::test
