// Signals as a bitmask and a descriptor: what the poll thread needs to hand
// them to loops. Process-wide, because dispositions are.
//
// The handler does two things that are safe in a handler: it sets the bit of
// its signal, then makes the descriptor readable. The bits cannot overflow, so
// signals of one kind may merge but no kind is ever lost.
#pragma once

#include <cstdint>

namespace millrace::signals {

constexpr int kNumberMax = 64;

// The bit of a signal in a mask of 64.
constexpr uint64_t bit(int signal_number) { return uint64_t{1} << (signal_number - 1); }

// The descriptor that becomes readable when a watched signal has arrived; it
// is opened by the first call and stays open as long as the process, because
// a handler may be about to write to it at any time. -errno.
int descriptor();

// Counted: watch() installs the handler the first time, the last unwatch()
// puts the previous disposition back, unless somebody has replaced it since.
// Not thread-safe against each other; the poll thread's registry lock is held.
// -EINVAL for signals that cannot be caught or that the kernel raises for
// faults of the program itself.
int watch(int signal_number);
void unwatch(int signal_number);

// Takes the signals that arrived since the last call, and makes the
// descriptor unreadable. Called by the poll thread.
uint64_t take();

}  // namespace millrace::signals
