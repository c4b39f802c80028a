// The contract of poller.h, on the backend that MILLRACE_POLL_BACKEND names.
#include "../core/poller.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "../core/backends.h"
#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

constexpr uint32_t kBoth = kReadable | kWritable;

#ifdef MILLRACE_HAS_EPOLL
constexpr Backend kForeignBackend = Backend::kKqueue;
#else
constexpr Backend kForeignBackend = Backend::kEpoll;
#endif

bool is_epoll() { return default_backend() == Backend::kEpoll; }

// The bits reported for a slot in the last batch; 0 when it was not reported.
uint32_t bits_of(const TestPoller& poller, int count, uint32_t slot) {
  for (int i = 0; i < count; i++) {
    if (poller.events[i].slot == slot) return poller.events[i].bits;
  }
  return 0;
}

// Fetches without waiting and returns the bits reported for slot 1.
uint32_t poll_bits(TestPoller& poller) { return bits_of(poller, poller.wait(0), 1); }

}  // namespace

TEST(open_refuses_a_capacity_of_nothing) {
  int error = 0;
  CHECK(Poller::open(default_backend(), 0, &error) == nullptr);
  CHECK_EQ(error, -EINVAL);
}

TEST(open_refuses_a_backend_that_was_not_compiled_in) {
  int error = 0;
  CHECK(Poller::open(kForeignBackend, 1, &error) == nullptr);
  CHECK_EQ(error, -ENOSYS);
}

TEST(adding_twice_is_EEXIST_and_changing_the_unknown_is_ENOENT) {
  TestPoller poller;
  SocketPair pair;
  const int fd = pair.a.get();
  CHECK_EQ(poller->modify(fd, {1, 1}, kReadable, kLevel), -ENOENT);
  CHECK_EQ(poller->remove(fd), -ENOENT);
  CHECK_EQ(poller->add(fd, {1, 1}, kReadable, kLevel), 0);
  CHECK_EQ(poller->add(fd, {2, 1}, kReadable, kLevel), -EEXIST);
  CHECK_EQ(poller->modify(fd, {1, 2}, kWritable, kLevel), 0);
  CHECK_EQ(poller->remove(fd), 0);
  CHECK_EQ(poller->remove(fd), -ENOENT);
  CHECK_EQ(poller->add(fd, {1, 3}, kReadable, kLevel), 0);
}

TEST(adding_what_is_not_open_is_EBADF) {
  TestPoller poller;
  CHECK_EQ(poller->add(9999, {1, 1}, kReadable, kLevel), -EBADF);
  CHECK_EQ(poller->add(-1, {1, 1}, kReadable, kLevel), -EBADF);
}

TEST(slot_and_generation_come_back_whole) {
  TestPoller poller;
  SocketPair pair;
  poller->add(pair.a.get(), {0xfffffffe, 0xfffffffd}, kWritable, kLevel);
  REQUIRE(poller.wait(0) == 1);
  CHECK_EQ(poller.events[0].slot, 0xfffffffeu);
  CHECK_EQ(poller.events[0].generation, 0xfffffffdu);
  poller->modify(pair.a.get(), {7, 0xffffffff}, kWritable, kLevel);
  REQUIRE(poller.wait(0) == 1);
  CHECK_EQ(poller.events[0].slot, 7u);
  CHECK_EQ(poller.events[0].generation, 0xffffffffu);
}

TEST(level_is_reported_as_long_as_it_holds) {
  for (const uint32_t opt : {0u, kLevel, kEdge | kLevel}) {
    TestPoller poller;
    SocketPair pair;
    poller->add(pair.a.get(), {1, 1}, kReadable, opt);
    CHECK_EQ(poll_bits(poller), 0u);
    put_byte(pair.b);
    for (int i = 0; i < 3; i++) CHECK_EQ(poll_bits(poller), kReadable);
    drain(pair.a);
    CHECK_EQ(poll_bits(poller), 0u);
  }
}

TEST(edge_is_reported_once_until_would_block) {
  TestPoller poller;
  SocketPair pair;
  poller->add(pair.a.get(), {1, 1}, kBoth, kEdge);
  CHECK_EQ(poll_bits(poller), kWritable);
  CHECK_EQ(poll_bits(poller), 0u);
  put_byte(pair.b);
  CHECK(poll_bits(poller) & kReadable);
  CHECK_EQ(poll_bits(poller), 0u);
  drain(pair.a);
  poller->rearm(pair.a.get(), kReadable);
  CHECK_EQ(poll_bits(poller), 0u);
  put_byte(pair.b);
  CHECK(poll_bits(poller) & kReadable);
  CHECK_EQ(poll_bits(poller), 0u);
}

TEST(only_poll_needs_to_be_rearmed) {
  TestPoller poller;
  CHECK_EQ(poller->needs_rearm(), default_backend() == Backend::kPoll);
  CHECK_EQ(poller->fd() < 0, default_backend() == Backend::kPoll);
}

TEST(oneshot_is_disarmed_until_modify) {
  for (const uint32_t opt : {kOneshot, kOneshot | kEdge}) {
    TestPoller poller;
    SocketPair pair;
    poller->add(pair.a.get(), {1, 1}, kReadable, opt);
    put_byte(pair.b);
    CHECK_EQ(poll_bits(poller), kReadable);
    put_byte(pair.b);
    pair.b = Descriptor();  // Not even a hang-up.
    CHECK_EQ(poll_bits(poller), 0u);
    poller->modify(pair.a.get(), {1, 2}, kReadable, opt);
    CHECK_EQ(poll_bits(poller), kReadable | kHup);
    CHECK_EQ(poll_bits(poller), 0u);
  }
}

TEST(modify_evaluates_afresh_under_every_option) {
  for (const uint32_t opt : {kLevel, kEdge, kOneshot, kEdge | kOneshot}) {
    TestPoller poller;
    SocketPair pair;
    poller->add(pair.a.get(), {1, 1}, kReadable, opt);
    put_byte(pair.b);
    CHECK_EQ(poll_bits(poller), kReadable);
    poller->modify(pair.a.get(), {1, 2}, kReadable, opt);
    CHECK_EQ(poll_bits(poller), kReadable);
    poller->modify(pair.a.get(), {1, 3}, kWritable, opt);
    CHECK_EQ(poll_bits(poller), kWritable);
    CHECK_EQ(poller.events[0].generation, 3u);
  }
}

TEST(interest_0_is_silent_even_about_errors_and_hang_ups) {
  for (const uint32_t opt : {kLevel, kEdge}) {
    TestPoller poller;
    TcpPair pair;
    poller->add(pair.server.get(), {1, 1}, 0, opt);
    socket_set_option(pair.client.get(), SocketOption::kLingerMs, 0);
    pair.client = Descriptor();
    for (int i = 0; i < 3; i++) CHECK_EQ(poller.wait(i), 0);
    CHECK_EQ(poller->add(pair.server.get(), {2, 1}, kReadable, opt), -EEXIST);
    poller->modify(pair.server.get(), {1, 2}, kReadable, opt);
    CHECK(poll_bits(poller) & (kError | kHup));
    poller->modify(pair.server.get(), {1, 3}, 0, opt);
    for (int i = 0; i < 3; i++) CHECK_EQ(poller.wait(i), 0);
  }
}

TEST(a_silent_descriptor_does_not_cost_more_than_one_wait) {
  TestPoller poller;
  SocketPair pair;
  poller->add(pair.a.get(), {1, 1}, 0, kLevel);
  pair.b = Descriptor();
  const int64_t start_ns = sys::monotonic_ns();
  poller.wait(20);
  CHECK_EQ(poller.wait(20), 0);
  CHECK(sys::monotonic_ns() - start_ns >= 20 * 1000000);
}

TEST(a_removed_descriptor_reports_nothing_though_a_duplicate_is_open) {
  TestPoller poller;
  SocketPair pair;
  const Descriptor duplicate(dup(pair.a.get()));
  poller->add(pair.a.get(), {1, 1}, kReadable, kLevel);
  put_byte(pair.b);
  CHECK_EQ(poll_bits(poller), kReadable);
  poller->remove(pair.a.get());
  pair.a = Descriptor();
  put_byte(pair.b);
  CHECK_EQ(poller.wait(1), 0);
}

TEST(removal_leaves_every_other_registration_alone) {
  TestPoller poller;
  SocketPair pairs[5];
  for (uint32_t i = 0; i < 5; i++) poller->add(pairs[i].a.get(), {i, i}, kReadable, kLevel);
  for (const SocketPair& pair : pairs) put_byte(pair.b);
  poller->remove(pairs[4].a.get());
  poller->remove(pairs[0].a.get());
  poller->remove(pairs[2].a.get());
  const int count = poller.wait(0);
  CHECK_EQ(count, 2);
  CHECK_EQ(bits_of(poller, count, 1), kReadable);
  CHECK_EQ(bits_of(poller, count, 3), kReadable);
  CHECK_EQ(poller->modify(pairs[3].a.get(), {9, 9}, kWritable, kLevel), 0);
  CHECK_EQ(bits_of(poller, poller.wait(0), 9), kWritable);
}

TEST(half_close_by_the_peer_is_readable_and_hup) {
  TestPoller poller;
  SocketPair pair;
  poller->add(pair.a.get(), {1, 1}, kReadable, kLevel);
  socket_shutdown(pair.b.get(), ShutdownHow::kWrite);
  CHECK_EQ(poll_bits(poller), kReadable | kHup);
}

TEST(a_mere_writer_is_not_told_of_a_half_close) {
  TestPoller poller;
  SocketPair pair;
  poller->add(pair.a.get(), {1, 1}, kWritable, kLevel);
  socket_shutdown(pair.b.get(), ShutdownHow::kWrite);
  CHECK_EQ(poll_bits(poller), kWritable);
}

TEST(hup_alone_can_be_asked_for) {
  TestPoller poller;
  SocketPair pair;
  poller->add(pair.a.get(), {1, 1}, kHup, kLevel);
  put_byte(pair.b);
  CHECK_EQ(poll_bits(poller), 0u);
  socket_shutdown(pair.b.get(), ShutdownHow::kWrite);
  CHECK_EQ(poll_bits(poller), kHup);
}

TEST(errors_and_hang_ups_on_edge_are_reported_once) {
  TestPoller poller;
  TcpPair pair;
  poller->add(pair.server.get(), {1, 1}, kReadable, kEdge);
  socket_set_option(pair.client.get(), SocketOption::kLingerMs, 0);
  pair.client = Descriptor();
  const uint32_t bits = poll_bits(poller);
  CHECK(bits & kReadable);
  CHECK(bits & (kError | kHup));
  CHECK_EQ(poller.wait(5), 0);
}

TEST(edge_hears_data_again_after_an_error_was_taken) {
  for (const bool reads_too : {true, false}) {
    TestPoller poller;
    Descriptor peer(udp_bind(loopback(), {}));
    const Address address = local_address(peer.get());
    peer = Descriptor();
    const Descriptor udp(udp_bind(loopback(), {}));
    poller->add(udp.get(), {1, 1}, kReadable, kEdge);
    // A connected socket hears of the port that nobody listens on.
    udp_connect(udp.get(), address);
    udp_send_to(udp.get(), "x", 1, address);
    CHECK(poller.wait(1000) == 1 && (poller.events[0].bits & kError));
    CHECK_EQ(socket_take_error(udp.get()), ECONNREFUSED);
    if (reads_too) {
      char buffer[8];
      CHECK_EQ(socket_read(udp.get(), buffer, sizeof(buffer)), -EAGAIN);
      poller->rearm(udp.get(), kReadable);
    }
    CHECK_EQ(poller.wait(0), 0);
    peer = Descriptor(udp_bind(address, {}));
    udp_send_to(peer.get(), "y", 1, local_address(udp.get()));
    CHECK(poller.wait(1000) == 1 && (poller.events[0].bits & kReadable));
  }
}

TEST(full_is_reported_when_every_slot_was_taken) {
  for (const uint32_t capacity : {1u, 2u, 3u}) {
    TestPoller poller(capacity);
    SocketPair pairs[2];
    for (uint32_t i = 0; i < 2; i++) poller->add(pairs[i].a.get(), {i, 1}, kReadable, kLevel);
    CHECK_EQ(poller.wait(0), 0);
    CHECK(!poller.full);
    put_byte(pairs[0].b);
    CHECK_EQ(poller.wait(0), 1);
    CHECK_EQ(poller.full, capacity == 1);
    put_byte(pairs[1].b);
    CHECK_EQ(poller.wait(0), static_cast<int>(std::min(capacity, 2u)));
    CHECK_EQ(poller.full, capacity <= 2);
  }
}

TEST(full_is_noticed_before_internal_events_are_filtered_out) {
  if (!is_epoll()) return;  // Internal events take no slots of poll(2).
  TestPoller poller(2);
  SocketPair pair;
  poller->add(pair.a.get(), {1, 1}, kReadable, kLevel);
  poller->wake();
  poller->set_deadline(1);
  CHECK_EQ(poller.wait(0), 0);
  CHECK(poller.full);
  CHECK_EQ(poller.wait(0), 0);
  CHECK(!poller.full);
  put_byte(pair.b);
  poller->wake();
  CHECK_EQ(poller.wait(0), 1);
  CHECK(poller.full);
}

TEST(a_small_batch_starves_nobody) {
  constexpr int kPairs = 7;
  TestPoller poller(2);
  SocketPair pairs[kPairs];
  int seen[kPairs] = {};
  for (uint32_t i = 0; i < kPairs; i++) {
    poller->add(pairs[i].a.get(), {i, 1}, kWritable, kLevel);
  }
  for (int round = 0; round < 70; round++) {
    const int count = poller.wait(0);
    for (int i = 0; i < count; i++) seen[poller.events[i].slot]++;
  }
  for (const int times : seen) CHECK_EQ(times, 20);
}

TEST(a_deadline_ends_a_wait_never_early_and_soon_after) {
  TestPoller poller;
  std::mt19937 random(20240607);
  std::vector<int64_t> late_ns;
  for (int i = 0; i < 1000; i++) {
    const int64_t deadline_ns = sys::monotonic_ns() + random() % 2000000;
    poller->set_deadline(deadline_ns);
    CHECK_EQ(poller.wait(kForever), 0);
    late_ns.push_back(sys::monotonic_ns() - deadline_ns);
    CHECK(late_ns.back() >= 0);
  }
  std::sort(late_ns.begin(), late_ns.end());
  CHECK(late_ns[500] < 5 * 1000000);
}

TEST(a_deadline_in_the_past_makes_the_poller_ready_once) {
  TestPoller poller;
  for (const int64_t deadline_ns : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}}) {
    poller->set_deadline(deadline_ns);
    CHECK_EQ(poller.wait(kForever), 0);
    const int64_t start_ns = sys::monotonic_ns();
    poller.wait(5);
    CHECK(sys::monotonic_ns() - start_ns >= 5 * 1000000);
  }
}

TEST(a_deadline_replaces_the_one_before_and_can_be_taken_away) {
  TestPoller poller;
  const int64_t start_ns = sys::monotonic_ns();
  poller->set_deadline(start_ns + 1000000);
  poller->set_deadline(start_ns + 20 * 1000000);
  CHECK_EQ(poller.wait(kForever), 0);
  CHECK(sys::monotonic_ns() - start_ns >= 20 * 1000000);
  // Taken away when it has expired already, but was not fetched.
  poller->set_deadline(1);
  poller->set_deadline(kNoDeadline);
  const int64_t again_ns = sys::monotonic_ns();
  CHECK_EQ(poller.wait(10), 0);
  CHECK(sys::monotonic_ns() - again_ns >= 10 * 1000000);
}

TEST(a_wake_before_the_wait_ends_it_once) {
  TestPoller poller;
  poller->wake();
  poller->wake();
  CHECK_EQ(poller.wait(kForever), 0);
  const int64_t start_ns = sys::monotonic_ns();
  CHECK_EQ(poller.wait(5), 0);
  CHECK(sys::monotonic_ns() - start_ns >= 5 * 1000000);
}

// Goal: no wake-up is lost. Method: four threads wake the poller, each only
// when the waiter has answered its last one, so one lost wake-up is a hang.
TEST(wakes_from_4_threads_are_never_lost) {
  constexpr int kThreads = 4;
  constexpr int kWakes = 25000;
  TestPoller poller;
  std::atomic<int> asked[kThreads] = {};
  std::atomic<int> answered[kThreads] = {};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= kWakes; i++) {
        asked[t].store(i);
        poller->wake();
        while (answered[t].load() != i) std::this_thread::yield();
      }
    });
  }
  int total = 0;
  while (total < kThreads * kWakes) {
    poller.wait(kForever);
    total = 0;
    for (int t = 0; t < kThreads; t++) {
      answered[t].store(asked[t].load());
      total += answered[t].load();
    }
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(a_signal_ends_a_wait_with_EINTR) {
  TestPoller poller;
  struct sigaction action = {};
  struct sigaction previous = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, &previous);
  const pthread_t waiter = pthread_self();
  std::atomic<bool> done{false};
  std::thread sender([&] {
    while (!done.load()) {
      pthread_kill(waiter, SIGUSR1);
      sleep_ms(1);
    }
  });
  CHECK_EQ(poller.wait(kForever), -EINTR);
  done = true;
  sender.join();
  sigaction(SIGUSR1, &previous, nullptr);
}

TEST(a_watched_descriptor_ends_waits_without_an_event_and_without_spinning) {
  TestPoller poller;
  SocketPair pair;
  CHECK_EQ(poller->watch(pair.a.get()), 0);
  put_byte(pair.b);
  CHECK_EQ(poller.wait(kForever), 0);
  // It stays readable: 100 ms see a few more ends at most.
  int returns = 0;
  const int64_t end_ns = sys::monotonic_ns() + 100 * 1000000;
  while (sys::monotonic_ns() < end_ns) {
    CHECK_EQ(poller.wait(20), 0);
    returns++;
  }
  CHECK(returns <= 12);
  drain(pair.a);
  sleep_ms(11);
  put_byte(pair.b);
  CHECK_EQ(poller.wait(kForever), 0);
  CHECK_EQ(poller->watch(-1), 0);
  const int64_t start_ns = sys::monotonic_ns();
  put_byte(pair.b);
  CHECK_EQ(poller.wait(15), 0);
  CHECK(sys::monotonic_ns() - start_ns >= 15 * 1000000);
}

TEST(a_reused_descriptor_number_reports_under_its_new_key_only) {
  TestPoller poller;
  for (uint32_t generation = 1; generation <= 1000; generation++) {
    SocketPair pair;
    REQUIRE(poller->add(pair.a.get(), {1, generation}, kReadable, kLevel) == 0);
    put_byte(pair.b);
    REQUIRE(poller.wait(0) == 1);
    CHECK_EQ(poller.events[0].generation, generation);
    REQUIRE(poller->remove(pair.a.get()) == 0);
  }
}

}  // namespace millrace::test
