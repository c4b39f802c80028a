// The state of one JavaScript environment: the main thread's, or a worker's.
//
// There is no other mutable state in the binding. Functions reach theirs
// through the data pointer they were created with, so that threads share
// nothing but the core's poll thread and its registries of keys and of
// descriptors in flight.
//
// How an environment ends, in this order (EnvState::shut_down):
//   1. the thread's key is taken back, since no JavaScript runs any more; each
//      poller leaves the poll thread and gives up its wake key: no on_ready()
//      and no on_remote_wake() from here on;
//   2. left-over descriptors are closed, and of those in flight what is
//      entrusted to this thread; the last environment of the process closes
//      them all;
//   3. the lease on the poll thread is returned;
//   4. libuv's handles are closed, and the last close callback lets Node go on
//      (the cleanup hook is asynchronous for that reason);
//   5. Node finalizes the instance data. Whoever of 4 and 5 comes last frees
//      the state, so that it does not depend on their order.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <cstddef>
#include <cstdint>

#include "../core/address.h"
#include "../core/clock.h"
#include "../core/threads.h"
#include "descriptors.h"
#include "poller_table.h"

namespace millrace {

struct Export {
  const char* name;
  napi_callback function;
};

class EnvState {
 public:
  // Makes the state of this environment and hooks it up for the end. Null,
  // with an exception pending, if Node refuses.
  static EnvState* create(napi_env env);

  EnvState(const EnvState&) = delete;
  EnvState& operator=(const EnvState&) = delete;

  napi_env env() const { return env_; }
  uv_loop_t* loop() const { return loop_; }

  // Defines functions that reach this state.
  template <size_t N>
  void define(napi_value exports, const Export (&table)[N]) {
    define(exports, table, N);
  }

  // The array behind `address`: made once, when the exports are. Its memory
  // belongs to JavaScript and stays where it is.
  napi_value create_address();
  uint32_t* address() const { return address_; }

  // The array behind `clock`, likewise.
  napi_value create_clock();
  double* clock() const { return clock_; }

  // Names this environment among the threads of the process.
  ThreadKey thread_key() const { return thread_key_; }

  // To whom it is entrusted what is given away here: nobody, or this thread.
  ThreadKey trustee() const { return trustee_; }
  void trust_itself() { trustee_ = thread_key_; }

  // Opens the doorbell with the first poller. -errno.
  int open_doorbell();

  // Any thread, from open_doorbell() until the last poller was closed:
  // on_doorbell() will run on the loop's thread.
  void ring_doorbell() { uv_async_send(&doorbell_); }

  // Started and ref'd pollers keep the process alive, through the doorbell.
  void keep_alive();
  void let_go();

  // Once for each environment, before its first poller joins the poll thread.
  void lease_poll_thread();

  // Every handle of libuv that is opened for this environment is counted
  // here, and its close callback reports to handle_closed().
  void handle_opened() { handles_open_++; }
  void handle_closed();

  Descriptors descriptors;
  PollerTable pollers;
  DeadlineClock deadline_clock;

 private:
  explicit EnvState(napi_env env) : env_(env) {}
  ~EnvState() = default;

  void define(napi_value exports, const Export* table, size_t count);
  void on_doorbell();
  void shut_down(napi_async_cleanup_hook_handle hook);
  void drop();

  napi_env env_;
  ThreadKey thread_key_ = kNoKey;
  ThreadKey trustee_ = kNoKey;
  uv_loop_t* loop_ = nullptr;
  uint32_t* address_ = nullptr;
  napi_ref address_ref_ = nullptr;
  double* clock_ = nullptr;
  napi_ref clock_ref_ = nullptr;

  uv_async_t doorbell_;
  bool doorbell_open_ = false;
  uint32_t keep_alive_count_ = 0;
  bool poll_thread_leased_ = false;

  uint32_t handles_open_ = 0;
  napi_async_cleanup_hook_handle shut_down_hook_ = nullptr;  // set from shut_down() on
  int holds_ = 0;  // the instance data, and the cleanup hook
};

// What each file of the binding exports.
void export_clock(EnvState* state, napi_value exports);
void export_sockets(EnvState* state, napi_value exports);
void export_datagrams(EnvState* state, napi_value exports);
void export_unix_sockets(EnvState* state, napi_value exports);
void export_threads(EnvState* state, napi_value exports);
void export_transfers(EnvState* state, napi_value exports);
void export_pollers(EnvState* state, napi_value exports);
void export_faults(EnvState* state, napi_value exports);

}  // namespace millrace
