// The poll thread: one-shot wake-ups, lifetimes, signals and interruptions.
#include "../core/poll_thread.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

constexpr std::chrono::seconds kWakeMax(5);

// Stands in for a loop: counts its wake-ups and can sleep until one comes.
class Target final : public WakeTarget {
 public:
  void on_ready() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    wakes_++;
    woken_.notify_one();
  }

  // False if there was none for five seconds.
  bool wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!woken_.wait_for(lock, kWakeMax, [&] { return wakes_ > taken_; })) return false;
    taken_ = wakes_;
    return true;
  }

  int wakes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return wakes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
  int taken_ = 0;
};

struct Lease {
  Lease() { PollThread::acquire(); }
  ~Lease() { PollThread::release(); }
};

// A poller, its target and its entry.
struct Loop {
  Loop() {
    int error = 0;
    entry = PollThread::attach(poller.poller.get(), &target, &error);
  }
  ~Loop() { PollThread::detach(entry); }

  int arm() { return PollThread::arm(entry); }

  // Arms and sleeps, as an idle loop does; false if nothing woke it.
  bool sleep() { return arm() == 0 && target.wait(); }

  TestPoller poller;
  Target target;
  PollThread::Entry* entry;
};

std::string task_file(const std::string& id, const char* name) {
  return "/proc/self/task/" + id + "/" + name;
}

// The thread ids of this process's poll threads.
std::vector<std::string> poll_threads() {
  std::vector<std::string> ids;
  DIR* const tasks = opendir("/proc/self/task");
  while (const dirent* const task = readdir(tasks)) {
    std::string name;
    std::getline(std::ifstream(task_file(task->d_name, "comm")), name);
    if (name == "millrace-poll") ids.push_back(task->d_name);
  }
  closedir(tasks);
  return ids;
}

// A number from the kernel's status of a thread.
uint64_t thread_status(const std::string& id, const std::string& field, int base) {
  std::ifstream status(task_file(id, "status"));
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(field, 0) == 0) return std::stoull(line.substr(field.size()), nullptr, base);
  }
  return 0;
}

// The mask of signals that a thread blocks.
uint64_t blocked_signals(const std::string& id) { return thread_status(id, "SigBlk:", 16); }

}  // namespace

TEST(an_armed_loop_is_woken_when_its_poller_becomes_ready) {
  const Lease lease;
  Loop loop;
  SocketPair pair;
  loop.poller->add(pair.a.get(), {1, 1}, kReadable, kLevel);
  CHECK_EQ(loop.arm(), 0);
  sleep_ms(5);
  CHECK_EQ(loop.target.wakes(), 0);
  put_byte(pair.b);
  CHECK(loop.target.wait());
  CHECK_EQ(loop.poller.wait(0), 1);
}

TEST(arming_a_ready_poller_wakes_at_once) {
  const Lease lease;
  Loop loop;
  SocketPair pair;
  loop.poller->add(pair.a.get(), {1, 1}, kReadable, kEdge);
  put_byte(pair.b);
  sleep_ms(2);
  CHECK_EQ(loop.target.wakes(), 0);
  CHECK(loop.sleep());
}

TEST(one_arm_is_one_wake) {
  const Lease lease;
  Loop loop;
  SocketPair pair;
  loop.poller->add(pair.a.get(), {1, 1}, kReadable, kLevel);
  put_byte(pair.b);
  CHECK(loop.sleep());
  for (int i = 0; i < 10; i++) {
    put_byte(pair.b);
    loop.poller->wake();
    sleep_ms(1);
  }
  CHECK_EQ(loop.target.wakes(), 1);
  CHECK(loop.sleep());
  CHECK_EQ(loop.target.wakes(), 2);
}

TEST(an_armed_loop_is_woken_by_its_deadline_and_by_wake) {
  const Lease lease;
  Loop loop;
  for (int i = 0; i < 50; i++) {
    const int64_t deadline_ns = sys::monotonic_ns() + 1000000;
    loop.poller->set_deadline(deadline_ns);
    CHECK(loop.sleep());
    CHECK(sys::monotonic_ns() >= deadline_ns);
    loop.poller.wait(0);
    REQUIRE(loop.arm() == 0);
    loop.poller->wake();
    CHECK(loop.target.wait());
    loop.poller.wait(0);
  }
}

TEST(an_idle_loop_costs_no_wake_ups) {
  const Lease lease;
  Loop loop;
  SocketPair pair;
  loop.poller->add(pair.a.get(), {1, 1}, kReadable, kLevel);
  loop.poller->set_deadline(sys::monotonic_ns() + 3600 * int64_t{1000000000});
  loop.poller.wait(0);
  loop.arm();
  REQUIRE(eventually([] { return poll_threads().size() == 1; }));
  const std::string id = poll_threads()[0];
  sleep_ms(20);
  const uint64_t sleeps = thread_status(id, "voluntary_ctxt_switches:", 10);
  CHECK(sleeps > 0);
  sleep_ms(100);
  CHECK_EQ(thread_status(id, "voluntary_ctxt_switches:", 10), sleeps);
  CHECK_EQ(loop.target.wakes(), 0);
}

TEST(changes_to_an_armed_poller_reach_the_sleeping_thread) {
  const Lease lease;
  Loop loop;
  SocketPair pair;
  const int fd = pair.a.get();
  for (int i = 0; i < 50; i++) {
    const int wakes = loop.target.wakes();
    REQUIRE(loop.arm() == 0);
    if (i % 2 != 0) sleep_ms(1);
    // Registered while the thread sleeps.
    loop.poller->add(fd, {1, 1}, kWritable, kLevel);
    CHECK(loop.target.wait());
    // Changed: first into what is not ready, then into what is.
    loop.poller->modify(fd, {1, 2}, kReadable, kLevel);
    loop.poller.wait(0);
    REQUIRE(loop.arm() == 0);
    loop.poller->modify(fd, {1, 3}, kWritable, kLevel);
    CHECK(loop.target.wait());
    loop.poller->remove(fd);
    loop.poller.wait(0);
    // A deadline that is set, or brought forward.
    loop.poller->set_deadline(sys::monotonic_ns() + 3600 * int64_t{1000000000});
    REQUIRE(loop.arm() == 0);
    loop.poller->set_deadline(sys::monotonic_ns() + 100000);
    CHECK(loop.target.wait());
    loop.poller.wait(0);
    CHECK_EQ(loop.target.wakes(), wakes + 3);
  }
}

TEST(a_descriptor_removed_while_armed_is_free_when_remove_returns) {
  const Lease lease;
  Loop loop;
  Descriptor listener(tcp_listen(loopback(), {}));
  const Address address = local_address(listener.get());
  for (int i = 0; i < 100; i++) {
    REQUIRE(loop.poller->add(listener.get(), {1, 1}, kReadable, kLevel) == 0);
    REQUIRE(loop.arm() == 0);
    if (i % 4 == 0) sleep_ms(1);
    loop.poller->remove(listener.get());
    listener = Descriptor();
    listener = Descriptor(tcp_listen(address, {}));
    CHECK(listener.is_open());
  }
}

// Eight loops in a ring pass a byte on; each sleeps through the poll thread,
// so one lost wake-up stops the ring.
TEST(loops_on_8_threads_wake_each_other_without_a_loss) {
  constexpr int kLoops = 8;
  constexpr int kRounds = 300;
  const Lease lease;
  SocketPair links[kLoops];
  std::vector<std::thread> threads;
  for (int i = 0; i < kLoops; i++) {
    threads.emplace_back([&links, i] {
      const Lease own_lease;
      Loop loop;
      const Descriptor& in = links[i].a;
      const Descriptor& out = links[(i + 1) % kLoops].b;
      loop.poller->add(in.get(), {1, 1}, kReadable, kEdge);
      for (int round = 0; round < kRounds; round++) {
        while (loop.poller.wait(0) == 0) REQUIRE(loop.sleep());
        drain(in);
        loop.poller->rearm(in.get(), kReadable);
        put_byte(out);
      }
    });
  }
  put_byte(links[0].b);
  for (std::thread& thread : threads) thread.join();
}

// Goal: after detach() nothing touches the target or the poller. Method: both
// are freed at once, while four threads keep waking; the sanitizers judge.
TEST(detach_while_events_pour_in_leaves_nothing_behind) {
  constexpr int kRounds = 1000;
  const Lease lease;
  SocketPair pair;
  std::atomic<bool> done{false};
  std::thread pourer([&] {
    while (!done.load()) {
      put_byte(pair.b);
      std::this_thread::yield();
    }
  });
  int wakes = 0;
  for (int round = 0; round < kRounds; round++) {
    auto loop = std::make_unique<Loop>();
    loop->poller->add(pair.a.get(), {1, 1}, kReadable, kLevel);
    loop->arm();
    if (round % 3 == 0) CHECK(loop->target.wait());
    if (round % 3 == 1) std::this_thread::yield();
    wakes += loop->target.wakes();
    loop.reset();
    if (round % 16 == 0) drain(pair.a);
  }
  done = true;
  pourer.join();
  CHECK(wakes >= kRounds / 3);
}

// The call lasts until detach() is on its way, and a little longer, so that a
// detach() that does not wait is back before it. However slow the machine is,
// one that waits finds it over.
TEST(detach_waits_for_the_call_that_is_under_way) {
  struct Slow final : WakeTarget {
    std::atomic<bool> inside{false};
    std::atomic<bool> detaching{false};
    void on_ready() override {
      inside = true;
      while (!detaching) std::this_thread::yield();
      sleep_ms(20);
      inside = false;
    }
  };
  const Lease lease;
  TestPoller poller;
  Slow target;
  int error = 0;
  PollThread::Entry* const entry = PollThread::attach(poller.poller.get(), &target, &error);
  poller->wake();
  PollThread::arm(entry);
  const bool has_begun = eventually([&] { return target.inside.load(); });
  target.detaching = true;
  PollThread::detach(entry);
  REQUIRE(has_begun);
  CHECK(!target.inside);
}

// Goal: no call begins once detach() has returned. Method: a poller that is
// always ready is attached, armed and detached after a random few microseconds,
// so that detach() falls into every moment of a wake-up.
TEST(no_call_begins_after_detach) {
  struct Watchful final : WakeTarget {
    std::atomic<bool> detached{false};
    void on_ready() override { CHECK(!detached); }
  };
  const Lease lease;
  TestPoller poller;
  poller->wake();
  std::mt19937 random(20240608);
  std::vector<std::unique_ptr<Watchful>> targets;
  for (int round = 0; round < 20000; round++) {
    targets.push_back(std::make_unique<Watchful>());
    int error = 0;
    PollThread::Entry* const entry =
        PollThread::attach(poller.poller.get(), targets.back().get(), &error);
    REQUIRE(entry != nullptr);
    PollThread::arm(entry);
    const int64_t end_ns = sys::monotonic_ns() + random() % 30000;
    while (sys::monotonic_ns() < end_ns) {
    }
    PollThread::detach(entry);
    targets.back()->detached = true;
  }
}

TEST(loops_come_and_go_on_many_threads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([] {
      for (int i = 0; i < 40; i++) {
        const Lease lease;
        Loop loop;
        loop.poller->wake();
        CHECK(loop.sleep());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(the_thread_lives_from_the_first_attach_to_the_last_release) {
  for (int i = 0; i < 100; i++) {
    const Lease first;
    if (i == 0) CHECK(poll_threads().empty());
    const Lease second;
    Loop loop;
    loop.poller->wake();
    CHECK(loop.sleep());
    if (i == 0) CHECK(eventually([] { return poll_threads().size() == 1; }));
  }
  CHECK(eventually([] { return poll_threads().empty(); }));
}

TEST(a_thread_that_does_not_answer_is_given_up_after_100_ms) {
  struct Stuck final : WakeTarget {
    std::atomic<int> state{0};
    void on_ready() override {
      state = 1;
      while (state != 2) sleep_ms(1);
      state = 3;
    }
  };
  // Static: the thread that is given up on still comes back to it.
  static Stuck target;
  TestPoller poller;
  PollThread::acquire();
  int error = 0;
  PollThread::Entry* const entry = PollThread::attach(poller.poller.get(), &target, &error);
  poller->wake();
  PollThread::arm(entry);
  CHECK(eventually([] { return target.state == 1; }));
  const int64_t start_ns = sys::monotonic_ns();
  PollThread::release();
  CHECK(sys::monotonic_ns() - start_ns >= 90 * int64_t{1000000});
  CHECK(sys::monotonic_ns() - start_ns < 1000 * int64_t{1000000});
  target.state = 2;
  PollThread::detach(entry);
  CHECK(eventually([] { return poll_threads().empty(); }));
}

// Signals.

TEST(the_thread_runs_no_signal_handlers) {
  const Lease lease;
  Loop loop;
  // It takes its name itself, some time after it was started.
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

// Interruptions.

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

TEST(a_failing_wait_does_not_stop_the_thread) {
  const Lease lease;
  Loop loop;
  sys::inject_fault(wait_call(), 1, 3, ENOMEM);
  loop.poller->wake();
  CHECK(loop.sleep());
}

namespace {

// Leaves the process in the given way while the poll thread is busy.
[[noreturn]] void leave_while_busy(bool by_exit) {
  PollThread::acquire();
  struct Rearming final : WakeTarget {
    std::atomic<int> wakes{0};
    void on_ready() override { wakes++; }
  };
  auto* const target = new Rearming;
  auto* const poller = new TestPoller;
  int error = 0;
  PollThread::Entry* const entry = PollThread::attach(poller->poller.get(), target, &error);
  std::thread([=] {
    for (;;) {
      (*poller)->wake();
      PollThread::arm(entry);
    }
  }).detach();
  while (target->wakes < 10) std::this_thread::yield();
  if (by_exit) exit(7);
  _exit(7);
}

}  // namespace

TEST(a_process_may_exit_while_the_thread_is_busy) {
#ifdef __SANITIZE_THREAD__
  return;  // TSan does not support threads in the child of a threaded process.
#endif
  for (int i = 0; i < 20; i++) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(10);
      leave_while_busy(i % 4 != 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 7);
  }
}

}  // namespace millrace::test
