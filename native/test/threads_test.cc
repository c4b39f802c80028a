// Keys of threads and of loops: lifetimes, and wake-ups from any thread.
#include "../core/threads.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

// Stands in for a loop that waits in its poller.
struct Loop final : RemoteWakeTarget {
  Loop() : key(RemoteWakes::add(this)) {}
  ~Loop() { RemoteWakes::remove(key); }

  void on_remote_wake() override {
    wakes++;
    poller->wake();
  }

  std::atomic<int> wakes{0};
  TestPoller poller;
  const WakeKey key;
};

}  // namespace

TEST(a_thread_is_alive_from_enter_to_leave) {
  const ThreadKey first = Threads::enter();
  const ThreadKey second = Threads::enter();
  CHECK(first != kNoKey && first != second);
  CHECK(Threads::is_alive(first));
  Threads::leave(first);
  CHECK(!Threads::is_alive(first));
  CHECK(Threads::is_alive(second));
  Threads::leave(second);
  Threads::leave(second);
  CHECK(!Threads::is_alive(second));
  CHECK(!Threads::is_alive(kNoKey));
}

TEST(no_key_is_used_twice) {
  std::mutex mutex;
  std::set<uint64_t> keys;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; i++) {
        const ThreadKey thread = Threads::enter();
        const Loop loop;
        const std::lock_guard<std::mutex> lock(mutex);
        CHECK(keys.insert(thread).second);
        CHECK(keys.insert(loop.key).second);
        Threads::leave(thread);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(keys.size(), 1600u);
}

TEST(a_wake_from_another_thread_ends_a_wait) {
  Loop loop;
  for (int round = 0; round < 100; round++) {
    std::thread waker([&] { RemoteWakes::wake(loop.key); });
    CHECK_EQ(loop.poller.wait(5000), 0);
    waker.join();
    CHECK_EQ(loop.wakes.load(), round + 1);
  }
}

TEST(a_wake_for_a_key_of_nobody_does_nothing) {
  WakeKey gone;
  {
    const Loop loop;
    gone = loop.key;
  }
  Loop other;
  for (const WakeKey key : {gone, kNoKey, WakeKey{1} << 60}) RemoteWakes::wake(key);
  CHECK_EQ(other.wakes.load(), 0);
}

// As with detach(), the call lasts until remove() is on its way, and a little
// longer: however slow the machine is, a remove() that waits finds it over.
TEST(remove_waits_for_the_wake_that_is_under_way) {
  struct Slow final : RemoteWakeTarget {
    std::atomic<bool> inside{false};
    std::atomic<bool> removing{false};
    void on_remote_wake() override {
      inside = true;
      while (!removing) std::this_thread::yield();
      sleep_ms(20);
      inside = false;
    }
  };
  Slow target;
  const WakeKey key = RemoteWakes::add(&target);
  std::thread waker([=] { RemoteWakes::wake(key); });
  const bool has_begun = eventually([&] { return target.inside.load(); });
  target.removing = true;
  RemoteWakes::remove(key);
  CHECK(!target.inside);
  waker.join();
  REQUIRE(has_begun);
}

// Goal: whoever wakes a loop at whatever moment of its life never touches one
// that has gone. Method: threads open and close loops at random and wait in
// them for a moment, while others wake whatever keys they can see, those of
// closed loops among them; the sanitizers judge.
TEST(loops_that_come_and_go_are_woken_at_random) {
  constexpr int kSlots = 8;
  constexpr int kRounds = 1500;
  std::atomic<WakeKey> keys[kSlots] = {};
  std::atomic<bool> done{false};
  std::atomic<int> wakes{0};
  std::vector<std::thread> owners;
  for (int t = 0; t < 3; t++) {
    owners.emplace_back([&, t] {
      std::mt19937 random(20240610 + t);
      for (int round = 0; round < kRounds; round++) {
        Loop loop;
        // The key stays behind when the loop has gone.
        keys[random() % kSlots] = loop.key;
        if (random() % 4 != 0) loop.poller.wait(1);
        wakes += loop.wakes;
      }
    });
  }
  std::vector<std::thread> wakers;
  for (int t = 0; t < 3; t++) {
    wakers.emplace_back([&, t] {
      std::mt19937 random(20240620 + t);
      while (!done.load()) {
        RemoteWakes::wake(keys[random() % kSlots]);
        if (random() % 16 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& owner : owners) owner.join();
  done = true;
  for (std::thread& waker : wakers) waker.join();
  CHECK(wakes.load() > 0);
}

// Eight loops in a ring wake one another; each waits without end, so that one
// lost wake-up stops the ring.
TEST(loops_on_8_threads_wake_each_other_by_their_keys) {
  constexpr int kLoops = 8;
  constexpr int kRounds = 500;
  Loop loops[kLoops];
  std::atomic<int> turns[kLoops] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < kLoops; i++) {
    threads.emplace_back([&, i] {
      const int next = (i + 1) % kLoops;
      for (int round = 0; round < kRounds; round++) {
        while (turns[i] == 0) loops[i].poller.wait(kForever);
        turns[i]--;
        turns[next]++;
        RemoteWakes::wake(loops[next].key);
      }
    });
  }
  turns[0]++;
  RemoteWakes::wake(loops[0].key);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace millrace::test
