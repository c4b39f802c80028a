// One loop's poller as JavaScript has it: the core's Poller, its place in the
// poll thread or in libuv's loop, and the turns it gives to JavaScript.
//
// Whoever waits for the poller is one of three:
//
//   nobody       between blocking polls, which wait in the core themselves
//   poll thread  started in thread mode: on_ready() rings the doorbell
//   libuv        started in inline mode: a uv_poll_t on the poller's descriptor
//
// A ring leads to a burst on the loop's thread: turns in a row, until one has
// nothing left to do or the budget is used up. Everything else that happens
// meanwhile (a stop, a restart, a close, another ring) is seen between turns.
//
// Other threads wake the loop by its wake key: through the doorbell while it
// is started, through the poller otherwise. Whoever has learned that the loop
// sleeps or waits, and so has a reason to wake it, sees what was stored before
// that in `started_`; with any other reason either way does.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "../core/poll_thread.h"
#include "../core/poller.h"
#include "../core/threads.h"

namespace millrace {

class EnvState;

class LoopPoller final : public WakeTarget, public RemoteWakeTarget {
 public:
  struct Options {
    uint32_t events_capacity;
    bool is_inline;
    double turn_budget_ms;
    bool watch_thread;
  };

  // `events` is the typed array over `memory`; it is kept alive until close().
  // Null with *error set to -errno if the system refuses.
  static LoopPoller* open(EnvState* state, napi_value events, Event* memory,
                          const Options& options, int* error);

  LoopPoller(const LoopPoller&) = delete;
  LoopPoller& operator=(const LoopPoller&) = delete;

  Poller* core() { return poller_.get(); }

  // As Poller.poll() in src/poll/driver.ts.
  int64_t poll(double timeout_ms);

  // As the functions of these names there. `turn` is a function.
  int start(napi_value turn);
  void stop();
  void set_ref(bool ref);
  void wake();
  int watch_signal(int signal_number);

  // For RemoteWakes::wake(). The registry hears of this poller with the first
  // call: most loops never have business with other threads.
  WakeKey wake_key();

  // Ends everything. The object frees itself when nothing is under way in it.
  void close();

  // The doorbell rang: a burst, if it was for this poller.
  void answer();

  void on_ready() override;
  void on_remote_wake() override;

 private:
  // Shared with Turn in src/poll/driver.ts.
  enum class Turn : int32_t { kIdle = 0, kMore = 1, kStop = 2 };

  LoopPoller(EnvState* state, std::unique_ptr<Poller> poller, const Options& options);
  ~LoopPoller() = default;

  int join_poll_thread();
  int open_uv_poll();
  int begin_waiting();
  int bounded_by_thread(int timeout);
  bool has_news() const { return entry_ != nullptr && PollThread::has_news(entry_); }
  int append_signals(int count, bool* full);
  void ring();
  void burst();
  Turn take_turn();
  bool continues_after(Turn turn);
  void close_context();
  void drop();

  EnvState* const state_;
  std::unique_ptr<Poller> poller_;
  const Options options_;

  Event* events_ = nullptr;
  napi_ref events_ref_ = nullptr;

  // Set before the doorbell rings, cleared before each turn. The only member
  // that other threads write, in on_ready() and on_remote_wake().
  std::atomic<bool> rung_{false};

  PollThread::Entry* entry_ = nullptr;  // null until it joins the poll thread
  WakeKey wake_key_ = kNoKey;           // until it is asked for
  uv_poll_t uv_poll_;
  bool uv_poll_open_ = false;
  bool watching_ = false;  // the thread's own loop, for blocking polls

  // Written on the loop's thread only; read by others in on_remote_wake().
  std::atomic<bool> started_{false};
  uint32_t run_ = 0;       // counts starts,
  uint32_t turn_run_ = 0;  // so that a turn sees the end of its own run
  bool ref_ = true;
  bool bursting_ = false;
  napi_ref turn_ref_ = nullptr;
  napi_async_context context_ = nullptr;

  // The table's or the closer's, a burst's, the open uv_poll_t's.
  int holds_ = 1;
};

}  // namespace millrace
