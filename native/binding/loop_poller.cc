#include "loop_poller.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>

#include "addon.h"

namespace millrace {

namespace {

// Shared with POLL_FULL in src/poll/driver.ts.
constexpr int64_t kPollFull = 0x40000000;

// How long a blocking poll may overlook that its thread was told to stop, in
// the one case in which nothing wakes it; see bounded_by_thread().
constexpr int kPendingWaitMs = 50;

// -1, or milliseconds rounded up: a wait that ends just before the deadline
// would be followed by a busy one until it has come.
int whole_timeout_ms(double timeout_ms) {
  if (timeout_ms < 0) return kForever;
  if (timeout_ms >= INT_MAX) return INT_MAX;
  return std::isnan(timeout_ms) ? 0 : static_cast<int>(std::ceil(timeout_ms));
}

}  // namespace

LoopPoller* LoopPoller::open(EnvState* state, napi_value events, Event* memory,
                             const Options& options, int* error) {
  *error = state->open_doorbell();
  if (*error < 0) return nullptr;
  std::unique_ptr<Poller> poller =
      Poller::open(default_backend(), options.events_capacity, error);
  if (poller == nullptr) return nullptr;
  LoopPoller* loop_poller = new LoopPoller(state, std::move(poller), options);
  loop_poller->events_ = memory;
  napi_create_reference(state->env(), events, 1, &loop_poller->events_ref_);
  return loop_poller;
}

LoopPoller::LoopPoller(EnvState* state, std::unique_ptr<Poller> poller, const Options& options)
    : state_(state), poller_(std::move(poller)), options_(options) {}

int64_t LoopPoller::poll(double timeout_ms) {
  int timeout = whole_timeout_ms(timeout_ms);
  if (has_news()) {
    if (PollThread::take_interrupted(entry_)) return -EINTR;
    timeout = 0;  // a signal is pending, which is an event
  }
  if (timeout != 0 && options_.watch_thread) timeout = bounded_by_thread(timeout);
  bool full = false;
  int count = poller_->wait(events_, timeout, &full);
  if (count < 0) return count;
  if (has_news()) {
    if (count == 0 && PollThread::take_interrupted(entry_)) return -EINTR;
    count = append_signals(count, &full);
  }
  return full ? count + kPollFull : count;
}

int LoopPoller::start(napi_value turn) {
  if (started_) return -EALREADY;
  int error = begin_waiting();
  if (error < 0) return error;
  if (watching_) {
    // The thread's own loop is awake whenever it calls a turn: with the watch
    // in place each turn would make the poller ready again.
    poller_->watch(-1);
    watching_ = false;
  }
  napi_env env = state_->env();
  napi_create_reference(env, turn, 1, &turn_ref_);
  if (context_ == nullptr) {
    napi_value name = nullptr;
    napi_create_string_utf8(env, "MillraceTurn", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, nullptr, name, &context_);
  }
  started_ = true;
  run_++;
  if (ref_) state_->keep_alive();
  ring();
  return 0;
}

void LoopPoller::stop() {
  if (!started_) return;
  started_ = false;
  if (uv_poll_open_) uv_poll_stop(&uv_poll_);
  if (ref_) state_->let_go();
  napi_delete_reference(state_->env(), turn_ref_);
  turn_ref_ = nullptr;
  if (!bursting_) close_context();
}

void LoopPoller::set_ref(bool ref) {
  if (ref == ref_) return;
  ref_ = ref;
  if (!started_) return;
  if (ref) {
    state_->keep_alive();
  } else {
    state_->let_go();
  }
}

void LoopPoller::wake() {
  if (started_) {
    ring();
  } else {
    poller_->wake();
  }
}

int LoopPoller::watch_signal(int signal_number) {
  int error = join_poll_thread();
  return error < 0 ? error : PollThread::subscribe(entry_, signal_number);
}

WakeKey LoopPoller::wake_key() {
  if (wake_key_ == kNoKey) wake_key_ = RemoteWakes::add(this);
  return wake_key_;
}

void LoopPoller::close() {
  if (wake_key_ != kNoKey) RemoteWakes::remove(wake_key_);
  stop();
  if (entry_ != nullptr) PollThread::detach(entry_);
  entry_ = nullptr;
  if (uv_poll_open_) {
    // The handle's memory is this object's, so it is held until libuv lets go.
    // The descriptor need not wait: uv_poll_stop() has taken it out already.
    uv_close(reinterpret_cast<uv_handle_t*>(&uv_poll_), [](uv_handle_t* handle) {
      LoopPoller* poller = static_cast<LoopPoller*>(handle->data);
      EnvState* state = poller->state_;
      poller->drop();
      state->handle_closed();
    });
    uv_poll_open_ = false;
  }
  poller_.reset();
  napi_delete_reference(state_->env(), events_ref_);
  drop();
}

void LoopPoller::answer() {
  // A burst under way (Node's loop can be run from inside a callback by
  // others) looks at the flag itself.
  if (bursting_ || !rung_.exchange(false)) return;
  if (started_) burst();
}

void LoopPoller::on_ready() {
  // Also when stopped since it was armed: answer() looks at that on the thread
  // that knows.
  rung_ = true;
  state_->ring_doorbell();
}

void LoopPoller::on_remote_wake() {
  if (started_) {
    rung_ = true;
    state_->ring_doorbell();
  } else {
    poller_->wake();
  }
}

int LoopPoller::join_poll_thread() {
  if (entry_ != nullptr) return 0;
  state_->lease_poll_thread();
  int error = 0;
  entry_ = PollThread::attach(poller_.get(), this, &error);
  return entry_ == nullptr ? error : 0;
}

int LoopPoller::open_uv_poll() {
  if (uv_poll_open_) return 0;
  int error = uv_poll_init(state_->loop(), &uv_poll_, poller_->fd());
  if (error < 0) return error;
  uv_poll_.data = this;
  // The doorbell alone decides whether the process stays alive.
  uv_unref(reinterpret_cast<uv_handle_t*>(&uv_poll_));
  uv_poll_open_ = true;
  holds_++;
  state_->handle_opened();
  return 0;
}

int LoopPoller::begin_waiting() {
  // poll(2) has no descriptor to give to libuv: the poll thread serves it in
  // either mode.
  if (!options_.is_inline || poller_->fd() < 0) return join_poll_thread();
  int error = open_uv_poll();
  if (error < 0) return error;
  return uv_poll_start(&uv_poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    LoopPoller* poller = static_cast<LoopPoller*>(handle->data);
    if (!poller->bursting_) poller->burst();
  });
}

int LoopPoller::bounded_by_thread(int timeout) {
  // worker.terminate() makes the thread's own loop ready, which ends the wait;
  // back in JavaScript, V8 stops it.
  const int loop_fd = uv_backend_fd(state_->loop());
  if (!watching_) watching_ = poller_->watch(loop_fd) >= 0;
  // But the call to stop goes through a handle that Node uses for other things
  // too. If one of them is pending, libuv sends nothing for the second, and no
  // edge follows. While anything is pending there, waits are short instead.
  pollfd loop = {loop_fd, POLLIN, 0};
  const bool is_pending = ::poll(&loop, 1, 0) != 0;
  if (!is_pending && watching_) return timeout;
  return timeout < 0 ? kPendingWaitMs : std::min(timeout, kPendingWaitMs);
}

int LoopPoller::append_signals(int count, bool* full) {
  while (static_cast<uint32_t>(count) < options_.events_capacity) {
    int number = PollThread::take_signal(entry_);
    if (number == 0) return count;
    events_[count++] = {kSignalSlot, static_cast<uint32_t>(number), 0};
  }
  *full = true;
  return count;
}

void LoopPoller::ring() {
  rung_ = true;
  if (!bursting_) state_->ring_doorbell();
}

void LoopPoller::burst() {
  const uint64_t end_ns = uv_hrtime() + static_cast<uint64_t>(options_.turn_budget_ms * 1e6);
  holds_++;
  bursting_ = true;
  while (continues_after(take_turn())) {
    if (uv_hrtime() < end_ns) continue;
    rung_ = true;
    break;
  }
  bursting_ = false;
  if (!started_) {
    close_context();
  } else if (rung_) {
    state_->ring_doorbell();
  }
  drop();
}

bool LoopPoller::continues_after(Turn turn) {
  // A turn that stopped or closed this poller is the last of its run. If it
  // started another one, that start has rung for itself.
  if (!started_ || turn_run_ != run_) return false;
  if (turn == Turn::kMore || (turn == Turn::kIdle && rung_)) return true;
  if (turn != Turn::kIdle) {
    stop();
    return false;
  }
  // Unarmed the poller would sleep for ever: if the system refuses to arm it,
  // it takes another turn after everybody else.
  if (!uv_poll_open_ && PollThread::arm(entry_) < 0) rung_ = true;
  return false;
}

LoopPoller::Turn LoopPoller::take_turn() {
  napi_env env = state_->env();
  napi_handle_scope handles;
  if (napi_open_handle_scope(env, &handles) != napi_ok) return Turn::kStop;
  rung_ = false;
  turn_run_ = run_;
  napi_value function = nullptr;
  napi_value receiver = nullptr;
  napi_get_reference_value(env, turn_ref_, &function);
  napi_get_undefined(env, &receiver);

  // A callback scope of its own, where napi_make_callback() would do in one
  // call, because nextTicks and promises run when it closes: what they throw
  // is reported by Node and must not be taken for an error of the turn.
  int32_t result = static_cast<int32_t>(Turn::kStop);
  napi_value error = nullptr;
  napi_callback_scope scope = nullptr;
  if (napi_open_callback_scope(env, nullptr, context_, &scope) == napi_ok) {
    napi_value returned = nullptr;
    napi_status status = napi_call_function(env, receiver, function, 0, nullptr, &returned);
    if (status == napi_ok) {
      napi_get_value_int32(env, returned, &result);
    } else {
      // Taken away before the scope closes: while an exception is pending,
      // Node-API refuses the calls that a nextTick might make. There is none
      // to take when the thread is ending.
      napi_get_and_clear_last_exception(env, &error);
    }
    napi_close_callback_scope(env, scope);
  }
  // Does nothing when the thread is ending and runs no JavaScript any more.
  if (error != nullptr) napi_fatal_exception(env, error);
  napi_close_handle_scope(env, handles);
  return static_cast<Turn>(result);
}

void LoopPoller::close_context() {
  if (context_ != nullptr) napi_async_destroy(state_->env(), context_);
  context_ = nullptr;
}

void LoopPoller::drop() {
  if (--holds_ == 0) delete this;
}

}  // namespace millrace
