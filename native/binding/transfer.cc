// Descriptors that move between environments; as TransferIo in
// src/poll/transfer-io.ts. At every moment one owner has the descriptor: the
// environment that releases it, the flight, or the one that acquires it.

#include <cerrno>

#include "../core/in_flight.h"
#include "addon.h"
#include "call.h"

namespace millrace {

namespace {

napi_value release_descriptor(Call& call) {
  const int fd = call.handle();
  const int kind = call.int32("kind");
  if (!call.descriptors().has(fd)) call.refuse(-EBADF);
  if (call.refused()) return call.refusal();
  const Generation generation = InFlight::release(fd, kind);
  // Two environments have taken over the same foreign descriptor.
  if (generation == kNoGeneration) return call.answer(-EEXIST);
  call.descriptors().release(fd);
  return call.answer_large(generation);
}

napi_value acquire_descriptor(Call& call) {
  const int fd = call.handle();
  const Generation generation = call.key("generation");
  const int kind = call.int32("kind");
  if (call.refused()) return call.refusal();
  if (!InFlight::acquire(fd, generation, kind)) return call.answer(-ENOENT);
  // Taken over here by its number before it was given away elsewhere: it has an
  // owner, and two would close it twice, the second time somebody else's.
  if (call.descriptors().has(fd)) return call.answer(-EEXIST);
  return call.answer_opened(fd);
}

constexpr Export kExports[] = {
    {"release", entry<release_descriptor>},
    {"acquire", entry<acquire_descriptor>},
};

}  // namespace

void export_transfers(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
