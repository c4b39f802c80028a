// What the threads of a process may ask of each other; as ThreadSupport in
// src/poll/driver.ts.

#include "../core/threads.h"

#include "../core/sys.h"
#include "addon.h"
#include "call.h"

namespace millrace {

namespace {

napi_value thread_key(Call& call) { return call.answer_large(call.state()->thread_key()); }

napi_value is_thread_alive(Call& call) {
  const ThreadKey key = call.key("key");
  if (call.refused()) return call.refusal();
  return call.answer_bool(Threads::is_alive(key));
}

napi_value wake_loop(Call& call) {
  const WakeKey key = call.key("wakeKey");
  if (!call.refused()) RemoteWakes::wake(key);
  return nullptr;
}

napi_value yield_processor(napi_env, napi_callback_info) {
  sys::yield_processor();
  return nullptr;
}

constexpr Export kExports[] = {
    {"threadKey", entry<thread_key>},
    {"isThreadAlive", entry<is_thread_alive>},
    {"wakeLoop", entry<wake_loop>},
    {"yieldProcessor", yield_processor},
};

}  // namespace

void export_threads(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
