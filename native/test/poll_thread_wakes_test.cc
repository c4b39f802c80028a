// The poll thread wakes a loop that sleeps: once for each arming, for whatever
// makes its poller ready, and for nothing else.
#include "../core/poll_thread.h"

#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "poll_thread_support.h"
#include "support.h"

namespace millrace::test {

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

}  // namespace millrace::test
