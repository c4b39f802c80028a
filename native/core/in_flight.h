// Descriptors in flight: released by one thread, and not yet acquired by
// another. The only place in which a descriptor belongs to no thread.
//
// Each has a generation, a number that is never used twice. Who acquires names
// all three of descriptor, generation and kind, so that a name that is stale,
// or made up, finds nothing: a descriptor's number alone is soon given away
// again. Generations are below 2^53, so that JavaScript can hold them.
//
// A descriptor in flight may be entrusted to a thread: to the one that gave it
// away, and then to the one that a message with its name went to. It is closed
// when that thread ends, whatever queue the message was in. What is entrusted
// to nobody outlives both ends, and is closed with the last environment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "threads.h"

namespace millrace {

using Generation = uint64_t;

// No descriptor ever has this generation.
constexpr Generation kNoGeneration = 0;

// A descriptor in flight, as a message names it.
struct FlightName {
  int fd;
  Generation generation;
};

// Any thread, all of them.
class InFlight {
 public:
  // Every environment enters before its first call, and leaves after its last.
  // Whoever leaves closes what is entrusted to it, and the last one all that
  // is in flight, since nobody is left who could acquire it.
  static void enter(ThreadKey thread);
  static void leave(ThreadKey thread);

  // From now on the descriptor belongs to whoever acquires it. `kind` is any
  // number of the caller's; `trustee` may be kNoKey. kNoGeneration if it is in
  // flight already.
  static Generation release(int fd, int kind, ThreadKey trustee);

  // Publishes a message that names descriptors in flight: exchanges `word` for
  // `value`, and returns what was there. Unless that was `refusal` they are
  // entrusted to `receiver` in the same step, so that at no moment the end of
  // either thread finds them with the wrong one. kNoKey takes them from whoever
  // they are entrusted to. A receiver that has ended reads nothing any more:
  // they are closed. Names that are stale count for nothing.
  static int32_t publish(int32_t* word, int32_t value, int32_t refusal, const FlightName* names,
                         size_t count, ThreadKey receiver);

  // True once for each release(): the descriptor belongs to the caller.
  static bool acquire(int fd, Generation generation, int kind);

  static bool has(int fd);
  static size_t count();
};

}  // namespace millrace
