// Descriptors that move between environments; as TransferIo in
// src/poll/transfer-io.ts. At every moment one owner has the descriptor: the
// environment that releases it, the flight, or the one that acquires it.

#include <cerrno>

#include "../core/in_flight.h"
#include "addon.h"
#include "args.h"

namespace millrace {

namespace {

napi_value release_descriptor(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  int32_t fd;
  int32_t kind;
  if (!get_int(env, args[0], "handle", &fd) || !get_int(env, args[1], "kind", &kind)) {
    return nullptr;
  }
  Descriptors& descriptors = args.state->descriptors;
  if (!descriptors.has(fd)) return make_number(env, -EBADF);
  const Generation generation = InFlight::release(fd, kind);
  // Two environments have taken over the same foreign descriptor.
  if (generation == kNoGeneration) return make_number(env, -EEXIST);
  descriptors.release(fd);
  return make_double(env, static_cast<double>(generation));
}

napi_value acquire_descriptor(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  Generation generation;
  int32_t kind;
  if (!get_int(env, args[0], "handle", &fd) ||
      !get_key(env, args[1], "generation", &generation) ||
      !get_int(env, args[2], "kind", &kind)) {
    return nullptr;
  }
  if (!InFlight::acquire(fd, generation, kind)) return make_number(env, -ENOENT);
  // Taken over here by its number before it was given away elsewhere: it has an
  // owner, and two would close it twice, the second time somebody else's.
  if (args.state->descriptors.has(fd)) return make_number(env, -EEXIST);
  return make_number(env, args.state->descriptors.adopt(fd));
}

constexpr Export kExports[] = {
    {"release", release_descriptor},
    {"acquire", acquire_descriptor},
};

}  // namespace

void export_transfers(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
