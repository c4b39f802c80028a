// Descriptors in flight: released by one thread, and not yet acquired by
// another. The only place in which a descriptor belongs to no thread.
//
// Each has a generation, a number that is never used twice. Who acquires names
// all three of descriptor, generation and kind, so that a name that is stale,
// or made up, finds nothing: a descriptor's number alone is soon given away
// again. Generations are below 2^53, so that JavaScript can hold them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

using Generation = uint64_t;

// No descriptor ever has this generation.
constexpr Generation kNoGeneration = 0;

// Any thread, all of them.
class InFlight {
 public:
  // Every environment enters before its first call, and leaves after its last.
  // Whoever leaves last closes what is in flight, since nobody is left who
  // could acquire it.
  static void enter();
  static void leave();

  // From now on the descriptor belongs to whoever acquires it. `kind` is any
  // number of the caller's. kNoGeneration if it is in flight already.
  static Generation release(int fd, int kind);

  // True once for each release(): the descriptor belongs to the caller.
  static bool acquire(int fd, Generation generation, int kind);

  static bool has(int fd);
  static size_t count();
};

}  // namespace millrace
