// What the threads of a process may ask of each other; as ThreadSupport in
// src/poll/driver.ts.

#include "../core/threads.h"

#include "../core/sys.h"
#include "addon.h"
#include "args.h"

namespace millrace {

namespace {

napi_value thread_key(napi_env env, napi_callback_info info) {
  return make_double(env, static_cast<double>(state_of(env, info)->thread_key()));
}

napi_value is_thread_alive(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  ThreadKey key;
  if (!get_key(env, args[0], "key", &key)) return nullptr;
  return make_boolean(env, Threads::is_alive(key));
}

napi_value wake_loop(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  WakeKey key;
  if (get_key(env, args[0], "wakeKey", &key)) RemoteWakes::wake(key);
  return nullptr;
}

napi_value yield_processor(napi_env, napi_callback_info) {
  sys::yield_processor();
  return nullptr;
}

constexpr Export kExports[] = {
    {"threadKey", thread_key},
    {"isThreadAlive", is_thread_alive},
    {"wakeLoop", wake_loop},
    {"yieldProcessor", yield_processor},
};

}  // namespace

void export_threads(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
