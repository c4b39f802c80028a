#include "addon.h"

#include <napi.h>

#include "../core/in_flight.h"
#include "../core/poll_thread.h"
#include "../core/poller.h"
#include "call.h"
#include "loop_poller.h"

namespace millrace {

namespace {

// A typed array that lives as long as the environment. Its memory belongs to
// JavaScript and does not move.
void* create_array(napi_env env, napi_typedarray_type type, size_t length, napi_value* array,
                   napi_ref* reference) {
  const size_t element_size = type == napi_float64_array ? sizeof(double) : sizeof(uint32_t);
  napi_value buffer = nullptr;
  void* memory = nullptr;
  napi_create_arraybuffer(env, length * element_size, &memory, &buffer);
  napi_create_typedarray(env, type, length, buffer, 0, array);
  napi_create_reference(env, *array, 1, reference);
  return memory;
}

}  // namespace

EnvState* EnvState::create(napi_env env) {
  EnvState* state = new EnvState(env);
  auto finalize = [](napi_env, void* data, void*) { static_cast<EnvState*>(data)->drop(); };
  auto clean_up = [](napi_async_cleanup_hook_handle hook, void* data) {
    static_cast<EnvState*>(data)->shut_down(hook);
  };
  if (napi_get_uv_event_loop(env, &state->loop_) != napi_ok ||
      napi_set_instance_data(env, state, finalize, nullptr) != napi_ok) {
    delete state;
    napi_throw_error(env, nullptr, "millrace: the environment has no event loop");
    return nullptr;
  }
  state->holds_++;
  if (napi_add_async_cleanup_hook(env, clean_up, state, nullptr) != napi_ok) {
    napi_throw_error(env, nullptr, "millrace: the environment takes no cleanup hook");
    return nullptr;
  }
  state->holds_++;
  // Last, so that whoever has entered has the hook that leaves.
  state->thread_key_ = Threads::enter();
  InFlight::enter(state->thread_key_);
  return state;
}

napi_value EnvState::create_address() {
  napi_value array = nullptr;
  void* const memory = create_array(env_, napi_uint32_array, kAddressWords, &array, &address_ref_);
  address_ = static_cast<uint32_t*>(memory);
  return array;
}

napi_value EnvState::create_clock() {
  napi_value array = nullptr;
  void* const memory = create_array(env_, napi_float64_array, 1, &array, &clock_ref_);
  clock_ = static_cast<double*>(memory);
  return array;
}

int EnvState::open_doorbell() {
  if (doorbell_open_) return 0;
  auto answer = [](uv_async_t* handle) { static_cast<EnvState*>(handle->data)->on_doorbell(); };
  int error = uv_async_init(loop_, &doorbell_, answer);
  if (error < 0) return error;
  doorbell_.data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(&doorbell_));
  doorbell_open_ = true;
  handle_opened();
  return 0;
}

void EnvState::keep_alive() {
  if (keep_alive_count_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&doorbell_));
}

void EnvState::let_go() {
  if (--keep_alive_count_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&doorbell_));
}

void EnvState::lease_poll_thread() {
  if (poll_thread_leased_) return;
  PollThread::acquire();
  poll_thread_leased_ = true;
}

void EnvState::handle_closed() {
  handles_open_--;
  if (handles_open_ > 0 || shut_down_hook_ == nullptr) return;
  napi_remove_async_cleanup_hook(shut_down_hook_);
  drop();
}

void EnvState::define(napi_value exports, const Export* table, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value function = nullptr;
    napi_create_function(env_, table[i].name, NAPI_AUTO_LENGTH, table[i].function, this, &function);
    napi_set_named_property(env_, exports, table[i].name, function);
  }
}

void EnvState::on_doorbell() {
  // One bell for all pollers: an environment rarely has more than one, and
  // looking at a flag is cheaper than a handle of libuv for each.
  for (size_t i = 0; i < pollers.slot_count(); i++) {
    LoopPoller* poller = pollers.at(i);
    if (poller != nullptr) poller->answer();
  }
}

void EnvState::shut_down(napi_async_cleanup_hook_handle hook) {
  // The hook counts as an open handle while this runs, so that it cannot be
  // removed halfway.
  handle_opened();
  shut_down_hook_ = hook;
  Threads::leave(thread_key_);
  for (size_t i = 0; i < pollers.slot_count(); i++) {
    LoopPoller* poller = pollers.remove_at(i);
    if (poller != nullptr) poller->close();
  }
  descriptors.close_all();
  InFlight::leave(thread_key_);
  if (poll_thread_leased_) PollThread::release();
  if (doorbell_open_) {
    uv_close(reinterpret_cast<uv_handle_t*>(&doorbell_), [](uv_handle_t* handle) {
      static_cast<EnvState*>(handle->data)->handle_closed();
    });
  }
  handle_closed();
}

void EnvState::drop() {
  if (--holds_ == 0) delete this;
}

namespace {

napi_value open_counts(napi_env env, napi_callback_info info) {
  EnvState* state = state_of(env, info);
  Napi::Object counts = Napi::Object::New(env);
  counts.Set("handles", state->descriptors.count());
  counts.Set("pollers", state->pollers.count());
  counts.Set("inFlight", static_cast<double>(InFlight::count()));
  return counts;
}

constexpr Export kExports[] = {
    {"openCounts", open_counts},
};

}  // namespace

// Plain Node-API, whose failures are ignored here: a worker may be terminated
// while it loads the addon. Then every call fails, no JavaScript sees what is
// missing, and the error classes of node-addon-api would abort the process.
NAPI_MODULE_INIT() {
  EnvState* state = EnvState::create(env);
  if (state == nullptr) return nullptr;
  state->define(exports, kExports);
  export_clock(state, exports);
  export_sockets(state, exports);
  export_datagrams(state, exports);
  export_unix_sockets(state, exports);
  export_threads(state, exports);
  export_transfers(state, exports);
  export_pollers(state, exports);
  export_faults(state, exports);
  napi_set_named_property(env, exports, "address", state->create_address());
  napi_set_named_property(env, exports, "clock", state->create_clock());
  napi_value backend = nullptr;
  napi_create_string_utf8(env, backend_name(default_backend()), NAPI_AUTO_LENGTH, &backend);
  napi_set_named_property(env, exports, "backend", backend);
  return exports;
}

}  // namespace millrace
