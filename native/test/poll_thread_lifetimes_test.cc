// The poll thread and what it serves begin and end at any moment: loops,
// leases, the thread itself and the process.
#include "../core/poll_thread.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "poll_thread_support.h"
#include "support.h"

namespace millrace::test {

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
