// The poller functions: ids and arguments in, LoopPoller's results out.

#include <cerrno>
#include <cmath>

#include "addon.h"
#include "call.h"
#include "loop_poller.h"

namespace millrace {

namespace {

constexpr uint32_t kEventWords = sizeof(Event) / sizeof(uint32_t);

// Far above any use, and small enough to multiply.
constexpr uint32_t kEventsCapacityMax = 1u << 24;

// The poller that the next argument names; null for an id that is stale.
LoopPoller* find_poller(Call& call) {
  const int32_t id = call.int32("id");
  return call.refused() ? nullptr : call.state()->pollers.find(id);
}

// The same for a call that a stale id refuses, with the system's EBADF.
LoopPoller* poller_argument(Call& call) {
  LoopPoller* poller = find_poller(call);
  if (poller == nullptr) call.refuse(-EBADF);
  return poller;
}

// The next two arguments: words, and for how many events they have room.
Elements event_room(Call& call, uint32_t* capacity) {
  Elements words;
  if (!call.elements(napi_uint32_array, &words)) call.refuse_type("events", "a Uint32Array");
  *capacity = call.uint32("eventsCapacity");
  if (*capacity < 1 || *capacity > kEventsCapacityMax) {
    call.refuse_range("eventsCapacity", "a number from 1 to 16777216");
  }
  if (words.count < size_t{*capacity} * kEventWords) {
    call.refuse_range("events", "3 words long for each event of the capacity");
  }
  return words;
}

napi_value poller_open(Call& call) {
  LoopPoller::Options options;
  const Elements room = event_room(call, &options.events_capacity);
  options.is_inline = call.boolean("inline");
  options.turn_budget_ms = call.number("turnBudgetMs");
  options.watch_thread = call.boolean("watchThread");
  if (!(options.turn_budget_ms >= 0)) call.refuse_range("turnBudgetMs", "a number from 0");
  if (call.refused()) return call.refusal();
  // SAFETY: an Event is three 32-bit words, aligned as one.
  Event* const events = static_cast<Event*>(room.data);
  int error = 0;
  LoopPoller* poller = LoopPoller::open(call.state(), room.array, events, options, &error);
  if (poller == nullptr) return call.answer(error);
  const int32_t id = call.state()->pollers.insert(poller);
  if (id < 0) poller->close();
  return call.answer(id);
}

napi_value poller_needs_rearm(Call& call) {
  LoopPoller* poller = find_poller(call);
  return call.answer_bool(poller != nullptr && poller->core()->needs_rearm());
}

// As Poller::add() and modify() of the core.
template <int (Poller::*set)(int fd, Key key, uint32_t interest, uint32_t opt)>
napi_value set_registration(Call& call) {
  LoopPoller* poller = poller_argument(call);
  const int fd = call.handle();
  Key key;
  key.slot = call.uint32("slot");
  key.generation = call.uint32("generation");
  const uint32_t interest = call.uint32("interest");
  const uint32_t opt = call.uint32("opt");
  if (call.refused()) return call.refusal();
  return call.answer((poller->core()->*set)(fd, key, interest, opt));
}

napi_value poller_remove(Call& call) {
  LoopPoller* poller = poller_argument(call);
  const int fd = call.handle();
  if (call.refused()) return call.refusal();
  return call.answer(poller->core()->remove(fd));
}

napi_value poller_rearm(Call& call) {
  LoopPoller* poller = poller_argument(call);
  const int fd = call.handle();
  const uint32_t bits = call.uint32("bits");
  if (call.refused()) return call.refusal();
  return call.answer(poller->core()->rearm(fd, bits));
}

napi_value poller_poll(Call& call) {
  LoopPoller* poller = poller_argument(call);
  const double timeout_ms = call.number("timeoutMs");
  if (call.refused()) return call.refusal();
  return call.answer(poller->poll(timeout_ms));
}

// Rounded up, so that the timer is never early. From 1, because there is no
// telling 0 from "no deadline" on some systems; what is no number is due now.
int64_t deadline_ns(double time_ms) {
  constexpr double kMsMax = 9e12;  // 285 years, safely below INT64_MAX ns
  if (time_ms >= kMsMax) return kNoDeadline;
  return time_ms > 0 ? static_cast<int64_t>(std::ceil(time_ms * 1e6)) : 1;
}

napi_value poller_set_deadline(Call& call) {
  LoopPoller* poller = poller_argument(call);
  const double time_ms = call.number("timeMs");
  if (call.refused()) return call.refusal();
  return call.answer(poller->core()->set_deadline(deadline_ns(time_ms)));
}

napi_value poller_start(Call& call) {
  LoopPoller* poller = poller_argument(call);
  const napi_value turn = call.function("turn");
  if (call.refused()) return call.refusal();
  return call.answer(poller->start(turn));
}

// What a stale id may be told as well: there is nobody to hear it.

napi_value poller_stop(Call& call) {
  if (LoopPoller* poller = find_poller(call)) poller->stop();
  return nullptr;
}

template <bool ref>
napi_value poller_set_ref(Call& call) {
  if (LoopPoller* poller = find_poller(call)) poller->set_ref(ref);
  return nullptr;
}

napi_value poller_wake(Call& call) {
  if (LoopPoller* poller = find_poller(call)) poller->wake();
  return nullptr;
}

// 0, which is the key of nobody, for an id that is stale.
napi_value poller_wake_key(Call& call) {
  LoopPoller* poller = find_poller(call);
  return call.answer_large(poller == nullptr ? kNoKey : poller->wake_key());
}

napi_value poller_watch_signal(Call& call) {
  LoopPoller* poller = poller_argument(call);
  const int number = call.int32("signalNumber");
  if (call.refused()) return call.refusal();
  return call.answer(poller->watch_signal(number));
}

napi_value poller_close(Call& call) {
  const int32_t id = call.int32("id");
  if (call.refused()) return call.refusal();
  LoopPoller* poller = call.state()->pollers.remove(id);
  if (poller != nullptr) poller->close();
  return nullptr;
}

constexpr Export kExports[] = {
    {"pollerOpen", entry<poller_open>},
    {"pollerNeedsRearm", entry<poller_needs_rearm>},
    {"pollerAdd", entry<set_registration<&Poller::add>>},
    {"pollerModify", entry<set_registration<&Poller::modify>>},
    {"pollerRemove", entry<poller_remove>},
    {"pollerRearm", entry<poller_rearm>},
    {"pollerPoll", entry<poller_poll>},
    {"pollerSetDeadline", entry<poller_set_deadline>},
    {"pollerStart", entry<poller_start>},
    {"pollerStop", entry<poller_stop>},
    {"pollerRef", entry<poller_set_ref<true>>},
    {"pollerUnref", entry<poller_set_ref<false>>},
    {"pollerWake", entry<poller_wake>},
    {"pollerWakeKey", entry<poller_wake_key>},
    {"pollerWatchSignal", entry<poller_watch_signal>},
    {"pollerClose", entry<poller_close>},
};

}  // namespace

void export_pollers(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
