// The two clocks. Both write milliseconds of CLOCK_MONOTONIC into memory that
// JavaScript shares: returning a number would cost as much as reading one.
#include "../core/clock.h"

#include "../core/sys.h"
#include "addon.h"
#include "call.h"

namespace millrace {

namespace {

napi_value read_clock(napi_env env, napi_callback_info info) {
  *state_of(env, info)->clock() = static_cast<double>(sys::monotonic_ns()) / 1e6;
  return nullptr;
}

napi_value read_deadline_clock(napi_env env, napi_callback_info info) {
  EnvState* state = state_of(env, info);
  *state->clock() = state->deadline_clock.read_ms();
  return nullptr;
}

constexpr Export kExports[] = {
    {"readClock", read_clock},
    {"readDeadlineClock", read_deadline_clock},
};

}  // namespace

void export_clock(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
