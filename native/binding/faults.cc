// The core's fault hook, for tests. Process-wide, as the hook is.

#include <napi.h>

#include <string>

#include "../core/sys.h"
#include "addon.h"
#include "args.h"

namespace millrace {

namespace {

// False, with an exception thrown, for a name that is none.
bool get_call(const Napi::CallbackInfo& info, sys::Call* call) {
  if (!info[0].IsString()) return throw_invalid_type(info.Env(), "call", "a string");
  std::string name = info[0].As<Napi::String>();
  for (int i = 0; i < sys::kCallCount; i++) {
    *call = static_cast<sys::Call>(i);
    if (name == sys::call_name(*call)) return true;
  }
  return throw_out_of_range(info.Env(), "call", "one of faultCalls");
}

napi_value inject_fault(napi_env env, napi_callback_info raw_info) {
  Napi::CallbackInfo info(env, raw_info);
  sys::Call call;
  double nth;
  double times;
  int32_t error;
  if (!get_call(info, &call) || !get_double(env, info[1], "nth", &nth) ||
      !get_double(env, info[2], "times", &times) || !get_int(env, info[3], "errno", &error)) {
    return nullptr;
  }
  constexpr double kCountMax = 9007199254740991;  // Number.MAX_SAFE_INTEGER
  if (!(nth >= 1 && nth <= kCountMax)) {
    throw_out_of_range(env, "nth", "a number from 1");
  } else if (!(times >= 0 && times <= kCountMax)) {
    throw_out_of_range(env, "times", "a number from 0");
  } else if (error <= 0) {
    throw_out_of_range(env, "errno", "a positive number");
  } else {
    sys::inject_fault(call, static_cast<uint64_t>(nth), static_cast<uint64_t>(times), error);
  }
  return nullptr;
}

napi_value clear_faults(napi_env, napi_callback_info) {
  sys::clear_faults();
  return nullptr;
}

napi_value fault_count(napi_env env, napi_callback_info raw_info) {
  Napi::CallbackInfo info(env, raw_info);
  sys::Call call;
  if (!get_call(info, &call)) return nullptr;
  return Napi::Number::New(env, static_cast<double>(sys::fault_calls(call)));
}

constexpr Export kExports[] = {
    {"injectFault", inject_fault},
    {"clearFaults", clear_faults},
    {"faultCount", fault_count},
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
