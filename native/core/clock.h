// A clock for deadlines: never behind CLOCK_MONOTONIC, a little ahead of it at
// most, and several times cheaper to read.
//
// Arming a timeout takes some ten nanoseconds and asking the system for the
// time twenty, so the clock is most of the cost. Where the kernel itself takes
// the time from the processor's counter, this does the same in between: it
// asks the system once a millisecond and adds what the counter says has passed
// since. Elsewhere it asks the system each time.
//
//   system:   ├──────── 1 ms ────────┼──────── 1 ms ────────┼──
//             anchor                 anchor                 anchor
//   counter:   + + ++   +      +      +  +++    +            +
//
// Why it is never behind: the counter is read before the system at an anchor,
// the rate is measured over the clock's whole life and taken a thousandth too
// high (the system's time is slewed by half of that at most), and a margin
// covers readings that the processor moves ahead of others. Why it is hardly
// ahead: that thousandth of a millisecond, the margin, and that readings
// between which the thread was interrupted are thrown away.
//
// An instance belongs to one thread.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)
#define MILLRACE_HAS_COUNTER 1
#include <x86intrin.h>
#endif

namespace millrace {

// How far ahead a reading can be: the margin, a thousandth of an anchor's life,
// and what lies between the two readings of an anchor.
constexpr double kDeadlineClockAheadMs = 0.003;

// Whether the kernel takes the time from the processor's counter, and so
// vouches that it is steady and the same on all processors. Read once.
bool kernel_trusts_counter();

class DeadlineClock {
 public:
  // Without trust every reading asks the system.
  explicit DeadlineClock(bool trust_counter = kernel_trusts_counter());

  // Milliseconds of CLOCK_MONOTONIC, as JavaScript counts them.
  double read_ms() {
#ifdef MILLRACE_HAS_COUNTER
    // Unsigned: a counter that went back is far beyond the span as well.
    const uint64_t elapsed = __rdtsc() - anchor_count_;
    if (elapsed < span_) {
      // By way of a signed number, which the processor converts by itself.
      return anchor_ms_ + static_cast<double>(static_cast<int64_t>(elapsed)) * ms_per_count_;
    }
#endif
    return read_anchor_ms();
  }

 private:
  double read_anchor_ms();

  const bool trust_counter_;
  uint64_t span_ = 0;  // counts for which the anchor holds; 0: it does not
  uint64_t anchor_count_ = 0;
  double anchor_ms_ = 0;
  double ms_per_count_ = 0;
  uint64_t first_count_ = 0;
  int64_t first_ns_ = 0;  // 0: no pair of readings yet
};

}  // namespace millrace
