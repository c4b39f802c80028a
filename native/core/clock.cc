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

// A thread that lost its processor between two readings shows a gap like this
// between them: such a pair is no anchor.
constexpr int64_t kReadingMaxNs = 1000;

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

DeadlineClock::DeadlineClock(bool trust_counter) : trust_counter_(trust_counter) {
#ifdef MILLRACE_HAS_COUNTER
  first_count_ = __rdtsc();
#endif
  first_ns_ = sys::monotonic_ns();
}

double DeadlineClock::read_anchor_ms() {
#ifdef MILLRACE_HAS_COUNTER
  const uint64_t before = __rdtsc();
  const int64_t now_ns = sys::monotonic_ns();
  const int64_t age_ns = now_ns - first_ns_;
  span_ = 0;
  if (!trust_counter_ || age_ns < kCalibrationNs || before <= first_count_) return to_ms(now_ns);
  const double rate = static_cast<double>(age_ns) / static_cast<double>(before - first_count_);
  if (static_cast<double>(__rdtsc() - before) * rate > kReadingMaxNs) return to_ms(now_ns);
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
