// Descriptors in flight: one owner at every moment, and names that fit or not.
#include "../core/in_flight.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

constexpr int kKind = 3;

// An environment for as long as the test takes.
struct Environment {
  Environment() { InFlight::enter(); }
  ~Environment() { InFlight::leave(); }
};

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST(a_descriptor_in_flight_is_acquired_once_and_stays_open) {
  const Environment environment;
  const SocketPair pair;
  const int fd = pair.a.get();
  const Generation generation = InFlight::release(fd, kKind);
  REQUIRE(generation != kNoGeneration);
  CHECK(InFlight::has(fd));
  CHECK_EQ(InFlight::count(), 1u);
  CHECK(InFlight::acquire(fd, generation, kKind));
  CHECK(!InFlight::acquire(fd, generation, kKind));
  CHECK(!InFlight::has(fd));
  CHECK_EQ(InFlight::count(), 0u);
  CHECK(is_open(fd));
}

TEST(a_descriptor_in_flight_is_not_released_again) {
  const Environment environment;
  const SocketPair pair;
  const Generation generation = InFlight::release(pair.a.get(), kKind);
  CHECK_EQ(InFlight::release(pair.a.get(), kKind), kNoGeneration);
  CHECK(InFlight::acquire(pair.a.get(), generation, kKind));
}

TEST(a_name_that_is_stale_or_made_up_acquires_nothing) {
  const Environment environment;
  const SocketPair pair;
  const int fd = pair.a.get();
  const Generation stale = InFlight::release(fd, kKind);
  CHECK(InFlight::acquire(fd, stale, kKind));
  // The same number again, for what is something else now.
  const Generation generation = InFlight::release(fd, kKind);
  CHECK(generation != stale);
  CHECK(!InFlight::acquire(fd, stale, kKind));
  CHECK(!InFlight::acquire(fd, kNoGeneration, kKind));
  CHECK(!InFlight::acquire(fd, generation + 1, kKind));
  CHECK(!InFlight::acquire(fd, generation, kKind + 1));
  CHECK(!InFlight::acquire(pair.b.get(), generation, kKind));
  CHECK(!InFlight::acquire(-1, generation, kKind));
  CHECK(InFlight::acquire(fd, generation, kKind));
}

TEST(who_leaves_last_closes_what_is_in_flight) {
  InFlight::enter();
  InFlight::enter();
  SocketPair pair;
  const int fd = pair.a.release();
  const Generation generation = InFlight::release(fd, kKind);
  InFlight::leave();
  CHECK(is_open(fd));
  InFlight::leave();
  CHECK(!is_open(fd));
  CHECK_EQ(InFlight::count(), 0u);
  const Environment next;
  CHECK(!InFlight::acquire(fd, generation, kKind));
  // The other end sees it.
  char byte;
  CHECK_EQ(sys::recv(pair.b.get(), &byte, 1), 0);
}

// Goal: however many threads reach for a descriptor, one gets it. Method: each
// round, all of them acquire the same few descriptors at once.
TEST(of_many_threads_that_acquire_one_descriptor_one_gets_it) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  const Environment environment;
  const SocketPair pair;
  for (int round = 0; round < kRounds; round++) {
    const int fds[] = {pair.a.get(), pair.b.get()};
    const Generation generations[] = {InFlight::release(fds[0], kKind),
                                      InFlight::release(fds[1], kKind)};
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; t++) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 2; i++) {
          const int at = (i + t) % 2;
          if (InFlight::acquire(fds[at], generations[at], kKind)) winners++;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(winners.load(), 2);
  }
  CHECK_EQ(InFlight::count(), 0u);
}

// Goal: no descriptor is lost or owned twice, whoever comes and goes. Method:
// threads that enter and leave pass descriptors around at random, and try
// names that have been used before; each checks that what it holds is open,
// and that nobody else does. The sanitizers judge the rest.
TEST(descriptors_pass_between_threads_that_come_and_go) {
  constexpr int kPairs = 8;
  constexpr int kThreads = 4;
  constexpr int kRounds = 2000;
  struct Name {
    int fd;
    Generation generation;
  };
  InFlight::enter();
  const int descriptors_before = open_descriptors();
  std::mutex mutex;
  std::vector<Name> fresh;
  std::vector<Name> used;
  std::set<int> held;
  for (int i = 0; i < kPairs; i++) {
    SocketPair pair;
    for (const int fd : {pair.a.release(), pair.b.release()}) {
      fresh.push_back({fd, InFlight::release(fd, kKind)});
    }
  }
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      std::mt19937 random(20240701 + t);
      for (int round = 0; round < kRounds; round++) {
        const Environment environment;
        Name name;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          const bool is_fresh = used.empty() || random() % 2 == 0;
          const std::vector<Name>& names = is_fresh ? fresh : used;
          name = names[random() % names.size()];
        }
        if (!InFlight::acquire(name.fd, name.generation, kKind)) continue;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          CHECK(held.insert(name.fd).second);
        }
        CHECK(is_open(name.fd));
        passed++;
        const std::lock_guard<std::mutex> lock(mutex);
        held.erase(name.fd);
        used.push_back(name);
        for (Name& other : fresh) {
          if (other.fd == name.fd) other.generation = InFlight::release(name.fd, kKind);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(passed.load() > kRounds / 10);
  CHECK_EQ(InFlight::count(), 2u * kPairs);
  InFlight::leave();
  CHECK_EQ(open_descriptors(), descriptors_before);
}

}  // namespace millrace::test
