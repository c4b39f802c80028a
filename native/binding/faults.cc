// The core's fault hook, for tests. Process-wide, as the hook is.

#include <cstring>

#include "../core/sys.h"
#include "addon.h"
#include "call.h"

namespace millrace {

namespace {

// Longer than the name of any call, and its end.
constexpr size_t kCallNameBytes = 64;

constexpr double kCountMax = 9007199254740991;  // Number.MAX_SAFE_INTEGER

// The next argument, one of faultCalls.
sys::Call call_argument(Call& call) {
  char name[kCallNameBytes] = "";
  call.text("call", name, sizeof name);
  for (int i = 0; i < sys::kCallCount; i++) {
    const sys::Call named = static_cast<sys::Call>(i);
    if (strcmp(name, sys::call_name(named)) == 0) return named;
  }
  call.refuse_range("call", "one of faultCalls");
  return sys::Call{};
}

napi_value inject_fault(Call& call) {
  const sys::Call faulty = call_argument(call);
  const double nth = call.number("nth");
  const double times = call.number("times");
  const int error = call.int32("errno");
  if (!(nth >= 1 && nth <= kCountMax)) call.refuse_range("nth", "a number from 1");
  if (!(times >= 0 && times <= kCountMax)) call.refuse_range("times", "a number from 0");
  if (error <= 0) call.refuse_range("errno", "a positive number");
  if (call.refused()) return call.refusal();
  sys::inject_fault(faulty, static_cast<uint64_t>(nth), static_cast<uint64_t>(times), error);
  return nullptr;
}

napi_value clear_faults(napi_env, napi_callback_info) {
  sys::clear_faults();
  return nullptr;
}

napi_value fault_count(Call& call) {
  const sys::Call counted = call_argument(call);
  if (call.refused()) return call.refusal();
  return call.answer_large(sys::fault_calls(counted));
}

constexpr Export kExports[] = {
    {"injectFault", entry<inject_fault>},
    {"clearFaults", clear_faults},
    {"faultCount", entry<fault_count>},
};

}  // namespace

void export_faults(EnvState* state, napi_value exports) {
  state->define(exports, kExports);
  napi_env env = state->env();
  napi_value names = nullptr;
  napi_create_array(env, &names);
  for (int i = 0; i < sys::kCallCount; i++) {
    napi_value name = nullptr;
    const char* text = sys::call_name(static_cast<sys::Call>(i));
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, static_cast<uint32_t>(i), name);
  }
  napi_set_named_property(env, exports, "faultCalls", names);
}

}  // namespace millrace
