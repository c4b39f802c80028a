// The clock for deadlines against the system's own.
#include "../core/clock.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "../core/sys.h"
#include "check.h"

namespace millrace::test {

namespace {

constexpr int kReadings = 300000;

struct Worst {
  double behind_ms = 0;
  double ahead_ms = 0;
};

double now_ms() { return static_cast<double>(sys::monotonic_ns()) / 1e6; }

// Each reading between two of the system's: it must not be before the first,
// nor far beyond the second. A thread that is interrupted between them only
// widens the room.
Worst compare(DeadlineClock* clock) {
  Worst worst;
  for (int i = 0; i < kReadings; i++) {
    const double before_ms = now_ms();
    const double read_ms = clock->read_ms();
    const double after_ms = now_ms();
    worst.behind_ms = std::max(worst.behind_ms, before_ms - read_ms);
    worst.ahead_ms = std::max(worst.ahead_ms, read_ms - after_ms);
  }
  return worst;
}

void check_worst(const Worst& worst) {
  CHECK(worst.behind_ms == 0);
  CHECK(worst.ahead_ms <= kDeadlineClockAheadMs);
}

}  // namespace

TEST(the_deadline_clock_is_never_behind_and_hardly_ahead) {
  DeadlineClock clock;
  check_worst(compare(&clock));
}

TEST(nor_is_it_without_a_counter_to_trust) {
  DeadlineClock clock(false);
  const Worst worst = compare(&clock);
  CHECK(worst.behind_ms == 0);
  CHECK(worst.ahead_ms == 0);
}

TEST(nor_on_threads_that_move_between_processors) {
  std::vector<std::thread> threads;
  Worst results[4];
  for (Worst& result : results) {
    threads.emplace_back([&result] {
      DeadlineClock clock;
      result = compare(&clock);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Worst& result : results) check_worst(result);
}

TEST(nor_after_a_sleep) {
  DeadlineClock clock;
  for (int i = 0; i < 40; i++) {
    clock.read_ms();
    sys::poll(nullptr, 0, 700000);
    const double before_ms = now_ms();
    CHECK(clock.read_ms() >= before_ms);
  }
}

}  // namespace millrace::test
