#include "clock.h"

#include <stdio.h>
#include <string.h>

#include "sys.h"

namespace millrace {

namespace {

#ifdef MILLRACE_HAS_COUNTER

// An anchor holds for this long.
constexpr double kAnchorLifeNs = 1e6;

// The rate is good to some ten millionths after that long, with readings that
// are a few hundred nanoseconds apart at most.
constexpr int64_t kCalibrationNs = 10 * 1000000;

// Slewing changes the pace of the system's time by half of this at most
// (man 2 adjtimex).
constexpr double kRateSurplus = 1.001;

// Readings may be carried out out of order, some dozens of cycles apart.
constexpr int64_t kMarginNs = 500;

// Counts between two readings that belong together: half a microsecond to one
// on processors of today. More, and the thread was interrupted in between.
constexpr uint64_t kReadingCountsMax = 2000;

constexpr char kClockSource[] = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

bool reads_tsc() {
  FILE* const file = fopen(kClockSource, "re");
  if (file == nullptr) return false;
  char name[16] = "";
  const bool is_tsc = fgets(name, sizeof(name), file) != nullptr && strcmp(name, "tsc\n") == 0;
  fclose(file);
  return is_tsc;
}

#endif  // MILLRACE_HAS_COUNTER

double to_ms(int64_t time_ns) { return static_cast<double>(time_ns) / 1e6; }

}  // namespace

bool kernel_trusts_counter() {
#ifdef MILLRACE_HAS_COUNTER
  static const bool trusted = reads_tsc();
  return trusted;
#else
  return false;
#endif
}

DeadlineClock::DeadlineClock(bool trust_counter) : trust_counter_(trust_counter) {}

double DeadlineClock::read_anchor_ms() {
#ifdef MILLRACE_HAS_COUNTER
  span_ = 0;
  const uint64_t before = __rdtsc();
  const int64_t now_ns = sys::monotonic_ns();
  const uint64_t after = __rdtsc();
  if (!trust_counter_ || after - before > kReadingCountsMax) return to_ms(now_ns);
  if (first_ns_ == 0) {
    // The later count here and the earlier one below: what lies between makes
    // the rate too high, never too low.
    first_count_ = after;
    first_ns_ = now_ns;
  }
  const int64_t age_ns = now_ns - first_ns_;
  if (age_ns < kCalibrationNs || before <= first_count_) return to_ms(now_ns);
  const double rate = static_cast<double>(age_ns) / static_cast<double>(before - first_count_);
  anchor_count_ = before;
  anchor_ms_ = to_ms(now_ns + kMarginNs);
  ms_per_count_ = rate * kRateSurplus / 1e6;
  span_ = static_cast<uint64_t>(kAnchorLifeNs / rate);
  return to_ms(now_ns);
#else
  return to_ms(sys::monotonic_ns());
#endif
}

}  // namespace millrace
