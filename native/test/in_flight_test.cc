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
  Environment() { InFlight::enter(key); }
  ~Environment() { leave(); }
  void leave() {
    if (key != kNoKey) InFlight::leave(key);
    key = kNoKey;
  }
  ThreadKey key = Threads::enter();
};

// Given away, and entrusted to nobody.
Generation release(int fd) { return InFlight::release(fd, kKind, kNoKey); }

// Sends a message that names one descriptor, as a lane does. True if it was taken.
constexpr int32_t kRefusal = -1;
bool publish(int fd, Generation generation, ThreadKey receiver, int32_t word = 0) {
  const FlightName name{fd, generation};
  const int32_t before = word;
  CHECK_EQ(InFlight::publish(&word, 7, kRefusal, &name, 1, receiver), before);
  CHECK_EQ(word, 7);
  return before != kRefusal;
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST(a_descriptor_in_flight_is_acquired_once_and_stays_open) {
  const Environment environment;
  const SocketPair pair;
  const int fd = pair.a.get();
  const Generation generation = release(fd);
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
  const Generation generation = release(pair.a.get());
  CHECK_EQ(release(pair.a.get()), kNoGeneration);
  CHECK(InFlight::acquire(pair.a.get(), generation, kKind));
}

TEST(a_name_that_is_stale_or_made_up_acquires_nothing) {
  const Environment environment;
  const SocketPair pair;
  const int fd = pair.a.get();
  const Generation stale = release(fd);
  CHECK(InFlight::acquire(fd, stale, kKind));
  // The same number again, for what is something else now.
  const Generation generation = release(fd);
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
  Environment first;
  Environment last;
  SocketPair pair;
  const int fd = pair.a.release();
  const Generation generation = release(fd);
  first.leave();
  CHECK(is_open(fd));
  last.leave();
  CHECK(!is_open(fd));
  CHECK_EQ(InFlight::count(), 0u);
  const Environment next;
  CHECK(!InFlight::acquire(fd, generation, kKind));
  // The other end sees it.
  char byte;
  CHECK_EQ(sys::recv(pair.b.get(), &byte, 1), 0);
}

TEST(who_leaves_closes_what_is_entrusted_to_it) {
  const Environment other;
  Environment trustee;
  SocketPair pair;
  SocketPair stays;
  const int fd = pair.a.release();
  const Generation generation = InFlight::release(fd, kKind, trustee.key);
  const Generation staying = InFlight::release(stays.a.get(), kKind, other.key);
  trustee.leave();
  CHECK(!is_open(fd));
  CHECK(!InFlight::acquire(fd, generation, kKind));
  CHECK(InFlight::acquire(stays.a.get(), staying, kKind));
  char byte;
  CHECK_EQ(sys::recv(pair.b.get(), &byte, 1), 0);
}

TEST(a_message_takes_what_it_names_from_its_giver_to_its_receiver) {
  Environment giver;
  Environment receiver;
  SocketPair pair;
  const int fd = pair.a.release();
  const Generation generation = InFlight::release(fd, kKind, giver.key);
  CHECK(publish(fd, generation, receiver.key));
  giver.leave();
  CHECK(is_open(fd));
  receiver.leave();
  CHECK(!is_open(fd));
}

TEST(a_message_that_is_refused_leaves_what_it_names_with_its_giver) {
  const Environment giver;
  Environment receiver;
  SocketPair pair;
  const int fd = pair.a.get();
  const Generation generation = InFlight::release(fd, kKind, giver.key);
  CHECK(!publish(fd, generation, receiver.key, kRefusal));
  receiver.leave();
  CHECK(InFlight::acquire(fd, generation, kKind));
}

TEST(a_message_to_nobody_takes_what_it_names_from_its_giver) {
  const Environment other;
  Environment giver;
  SocketPair pair;
  const int fd = pair.a.get();
  const Generation generation = InFlight::release(fd, kKind, giver.key);
  CHECK(publish(fd, generation, kNoKey));
  giver.leave();
  CHECK(InFlight::acquire(fd, generation, kKind));
}

TEST(a_message_to_a_thread_that_has_ended_closes_what_it_names) {
  const Environment giver;
  Environment receiver;
  const ThreadKey gone = receiver.key;
  receiver.leave();
  SocketPair pair;
  const int fd = pair.a.release();
  CHECK(publish(fd, InFlight::release(fd, kKind, giver.key), gone));
  CHECK(!is_open(fd));
  CHECK_EQ(InFlight::count(), 0u);
}

TEST(a_message_with_a_stale_name_touches_nothing) {
  const Environment giver;
  Environment receiver;
  SocketPair pair;
  const int fd = pair.a.get();
  const Generation stale = InFlight::release(fd, kKind, giver.key);
  CHECK(InFlight::acquire(fd, stale, kKind));
  CHECK(publish(fd, stale, receiver.key));
  const Generation generation = InFlight::release(fd, kKind, giver.key);
  CHECK(publish(fd, stale, receiver.key));
  receiver.leave();
  CHECK(is_open(fd));
  CHECK(InFlight::acquire(fd, generation, kKind));
}

// Goal: whoever ends, and when, each descriptor is closed once or taken once.
// Method: givers send to receivers of which all end at some point, the givers in
// the middle of it as well; what is left is counted. Sanitizers judge the rest.
TEST(nothing_is_left_of_what_threads_sent_each_other_that_have_ended) {
  constexpr int kRounds = 300;
  constexpr int kPairs = 6;
  Environment home;
  const int descriptors_before = open_descriptors();
  for (int round = 0; round < kRounds; round++) {
    Environment receiver;
    const ThreadKey to = receiver.key;
    int32_t word = 0;
    std::vector<FlightName> sent;
    std::mutex mutex;
    std::thread giver([&] {
      const Environment environment;
      for (int i = 0; i < kPairs; i++) {
        SocketPair pair;
        for (const int fd : {pair.a.release(), pair.b.release()}) {
          const FlightName name{fd, InFlight::release(fd, kKind, environment.key)};
          // The last is given away, and not sent.
          if (i == kPairs - 1) continue;
          InFlight::publish(&word, i, kRefusal, &name, 1, to);
          const std::lock_guard<std::mutex> lock(mutex);
          sent.push_back(name);
        }
      }
    });
    std::thread taker([&] {
      for (int i = 0; i < kPairs; i++) {
        FlightName name{-1, kNoGeneration};
        {
          const std::lock_guard<std::mutex> lock(mutex);
          if (!sent.empty()) name = sent[static_cast<size_t>(round) % sent.size()];
        }
        if (InFlight::acquire(name.fd, name.generation, kKind)) sys::close(name.fd);
      }
      receiver.leave();
    });
    giver.join();
    taker.join();
  }
  CHECK_EQ(InFlight::count(), 0u);
  CHECK_EQ(open_descriptors(), descriptors_before);
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
    const Generation generations[] = {release(fds[0]),
                                      release(fds[1])};
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
  Environment main_environment;
  const int descriptors_before = open_descriptors();
  std::mutex mutex;
  std::vector<Name> fresh;
  std::vector<Name> used;
  std::set<int> held;
  for (int i = 0; i < kPairs; i++) {
    SocketPair pair;
    for (const int fd : {pair.a.release(), pair.b.release()}) {
      fresh.push_back({fd, release(fd)});
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
          if (other.fd == name.fd) other.generation = release(name.fd);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(passed.load() > kRounds / 10);
  CHECK_EQ(InFlight::count(), 2u * kPairs);
  main_environment.leave();
  CHECK_EQ(open_descriptors(), descriptors_before);
}

}  // namespace millrace::test
