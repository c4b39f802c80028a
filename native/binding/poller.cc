// The poller functions: ids and arguments in, LoopPoller's results out.

#include <cerrno>
#include <cmath>

#include "addon.h"
#include "args.h"
#include "loop_poller.h"

namespace millrace {

namespace {

constexpr uint32_t kEventWords = sizeof(Event) / sizeof(uint32_t);

// Far above any use, and small enough to multiply.
constexpr uint32_t kEventsCapacityMax = 1u << 24;

// Finds the poller named by the first argument. False if an exception was
// thrown; null for an id that is stale, which is the system's EBADF.
template <size_t N>
bool get_poller(napi_env env, const Arguments<N>& args, LoopPoller** poller) {
  int32_t id;
  if (!get_int(env, args[0], "id", &id)) return false;
  *poller = args.state->pollers.find(id);
  return true;
}

bool get_events(napi_env env, napi_value value, uint32_t capacity, Event** events) {
  napi_typedarray_type type;
  size_t length;
  void* memory;
  if (napi_get_typedarray_info(env, value, &type, &length, &memory, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array) {
    return throw_invalid_type(env, "events", "a Uint32Array");
  }
  if (capacity < 1 || capacity > kEventsCapacityMax) {
    return throw_out_of_range(env, "eventsCapacity", "a number from 1 to 16777216");
  }
  if (length < size_t{capacity} * kEventWords) {
    return throw_out_of_range(env, "events", "3 words long for each event of the capacity");
  }
  // SAFETY: an Event is three 32-bit words, aligned as one.
  *events = static_cast<Event*>(memory);
  return true;
}

napi_value poller_open(napi_env env, napi_callback_info info) {
  Arguments<5> args(env, info);
  LoopPoller::Options options;
  Event* events = nullptr;
  if (!get_uint(env, args[1], "eventsCapacity", &options.events_capacity) ||
      !get_events(env, args[0], options.events_capacity, &events) ||
      !get_bool(env, args[2], "inline", &options.is_inline) ||
      !get_double(env, args[3], "turnBudgetMs", &options.turn_budget_ms) ||
      !get_bool(env, args[4], "watchThread", &options.watch_thread)) {
    return nullptr;
  }
  if (!(options.turn_budget_ms >= 0)) {
    throw_out_of_range(env, "turnBudgetMs", "a number from 0");
    return nullptr;
  }
  int error = 0;
  LoopPoller* poller = LoopPoller::open(args.state, args[0], events, options, &error);
  if (poller == nullptr) return make_number(env, error);
  int32_t id = args.state->pollers.insert(poller);
  if (id < 0) poller->close();
  return make_number(env, id);
}

napi_value poller_needs_rearm(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  LoopPoller* poller;
  if (!get_poller(env, args, &poller)) return nullptr;
  return make_boolean(env, poller != nullptr && poller->core()->needs_rearm());
}

using Registration = int (Poller::*)(int fd, Key key, uint32_t interest, uint32_t opt);

napi_value set_registration(napi_env env, napi_callback_info info, Registration function) {
  Arguments<6> args(env, info);
  LoopPoller* poller;
  int32_t fd;
  Key key;
  uint32_t interest;
  uint32_t opt;
  if (!get_poller(env, args, &poller) || !get_int(env, args[1], "handle", &fd) ||
      !get_uint(env, args[2], "slot", &key.slot) ||
      !get_uint(env, args[3], "generation", &key.generation) ||
      !get_uint(env, args[4], "interest", &interest) || !get_uint(env, args[5], "opt", &opt)) {
    return nullptr;
  }
  if (poller == nullptr) return make_number(env, -EBADF);
  return make_number(env, (poller->core()->*function)(fd, key, interest, opt));
}

napi_value poller_add(napi_env env, napi_callback_info info) {
  return set_registration(env, info, &Poller::add);
}

napi_value poller_modify(napi_env env, napi_callback_info info) {
  return set_registration(env, info, &Poller::modify);
}

napi_value poller_remove(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  LoopPoller* poller;
  int32_t fd;
  if (!get_poller(env, args, &poller) || !get_int(env, args[1], "handle", &fd)) return nullptr;
  return make_number(env, poller == nullptr ? -EBADF : poller->core()->remove(fd));
}

napi_value poller_rearm(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  LoopPoller* poller;
  int32_t fd;
  uint32_t bits;
  if (!get_poller(env, args, &poller) || !get_int(env, args[1], "handle", &fd) ||
      !get_uint(env, args[2], "bits", &bits)) {
    return nullptr;
  }
  return make_number(env, poller == nullptr ? -EBADF : poller->core()->rearm(fd, bits));
}

napi_value poller_poll(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  LoopPoller* poller;
  double timeout_ms;
  if (!get_poller(env, args, &poller) || !get_double(env, args[1], "timeoutMs", &timeout_ms)) {
    return nullptr;
  }
  return make_number(env, poller == nullptr ? -EBADF : poller->poll(timeout_ms));
}

// Rounded up, so that the timer is never early. From 1, because there is no
// telling 0 from "no deadline" on some systems; what is no number is due now.
int64_t deadline_ns(double time_ms) {
  constexpr double kMsMax = 9e12;  // 285 years, safely below INT64_MAX ns
  if (time_ms >= kMsMax) return kNoDeadline;
  return time_ms > 0 ? static_cast<int64_t>(std::ceil(time_ms * 1e6)) : 1;
}

napi_value poller_set_deadline(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  LoopPoller* poller;
  double time_ms;
  if (!get_poller(env, args, &poller) || !get_double(env, args[1], "timeMs", &time_ms)) {
    return nullptr;
  }
  if (poller == nullptr) return make_number(env, -EBADF);
  return make_number(env, poller->core()->set_deadline(deadline_ns(time_ms)));
}

napi_value poller_start(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  LoopPoller* poller;
  if (!get_poller(env, args, &poller) || !check_function(env, args[1], "turn")) return nullptr;
  return make_number(env, poller == nullptr ? -EBADF : poller->start(args[1]));
}

napi_value poller_stop(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  LoopPoller* poller;
  if (get_poller(env, args, &poller) && poller != nullptr) poller->stop();
  return nullptr;
}

napi_value poller_ref(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  LoopPoller* poller;
  if (get_poller(env, args, &poller) && poller != nullptr) poller->set_ref(true);
  return nullptr;
}

napi_value poller_unref(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  LoopPoller* poller;
  if (get_poller(env, args, &poller) && poller != nullptr) poller->set_ref(false);
  return nullptr;
}

napi_value poller_wake(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  LoopPoller* poller;
  if (get_poller(env, args, &poller) && poller != nullptr) poller->wake();
  return nullptr;
}

// 0, which is the key of nobody, for an id that is stale.
napi_value poller_wake_key(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  LoopPoller* poller;
  if (!get_poller(env, args, &poller)) return nullptr;
  const WakeKey key = poller == nullptr ? kNoKey : poller->wake_key();
  return make_double(env, static_cast<double>(key));
}

napi_value poller_watch_signal(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  LoopPoller* poller;
  int32_t number;
  if (!get_poller(env, args, &poller) || !get_int(env, args[1], "signalNumber", &number)) {
    return nullptr;
  }
  return make_number(env, poller == nullptr ? -EBADF : poller->watch_signal(number));
}

napi_value poller_close(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  int32_t id;
  if (!get_int(env, args[0], "id", &id)) return nullptr;
  LoopPoller* poller = args.state->pollers.remove(id);
  if (poller != nullptr) poller->close();
  return nullptr;
}

constexpr Export kExports[] = {
    {"pollerOpen", poller_open},
    {"pollerNeedsRearm", poller_needs_rearm},
    {"pollerAdd", poller_add},
    {"pollerModify", poller_modify},
    {"pollerRemove", poller_remove},
    {"pollerRearm", poller_rearm},
    {"pollerPoll", poller_poll},
    {"pollerSetDeadline", poller_set_deadline},
    {"pollerStart", poller_start},
    {"pollerStop", poller_stop},
    {"pollerRef", poller_ref},
    {"pollerUnref", poller_unref},
    {"pollerWake", poller_wake},
    {"pollerWakeKey", poller_wake_key},
    {"pollerWatchSignal", poller_watch_signal},
    {"pollerClose", poller_close},
};

}  // namespace

void export_pollers(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
