// The choice of the backend; each has a file of its own.
#include "poller.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "backends.h"

namespace millrace {

namespace {

// The best first.
constexpr Backend kCompiled[] = {
#ifdef MILLRACE_HAS_EPOLL
    Backend::kEpoll,
#endif
#ifdef MILLRACE_HAS_KQUEUE
    Backend::kKqueue,
#endif
    Backend::kPoll,
};

Backend choose_backend() {
  const char* wanted = getenv("MILLRACE_POLL_BACKEND");
  if (wanted == nullptr) return kCompiled[0];
  for (const Backend backend : kCompiled) {
    if (strcmp(wanted, backend_name(backend)) == 0) return backend;
  }
  return kCompiled[0];
}

}  // namespace

Backend default_backend() {
  static const Backend backend = choose_backend();
  return backend;
}

const char* backend_name(Backend backend) {
  switch (backend) {
    case Backend::kEpoll:
      return "epoll";
    case Backend::kKqueue:
      return "kqueue";
    case Backend::kPoll:
      return "poll";
  }
  return "unknown";
}

std::unique_ptr<Poller> Poller::open(Backend backend, uint32_t events_capacity, int* error) {
  if (events_capacity == 0 || events_capacity > INT_MAX / sizeof(Event)) {
    *error = -EINVAL;
    return nullptr;
  }
  switch (backend) {
#ifdef MILLRACE_HAS_EPOLL
    case Backend::kEpoll:
      return open_epoll_poller(events_capacity, error);
#endif
#ifdef MILLRACE_HAS_KQUEUE
    case Backend::kKqueue:
      return open_kqueue_poller(events_capacity, error);
#endif
    case Backend::kPoll:
      return open_poll_poller(events_capacity, error);
    default:
      *error = -ENOSYS;
      return nullptr;
  }
}

std::unique_ptr<PollerSet> PollerSet::open(Backend backend, int* error) {
  switch (backend) {
#ifdef MILLRACE_HAS_EPOLL
    case Backend::kEpoll:
      return open_epoll_set(error);
#endif
#ifdef MILLRACE_HAS_KQUEUE
    case Backend::kKqueue:
      return open_kqueue_set(error);
#endif
    case Backend::kPoll:
      return open_poll_set(error);
    default:
      *error = -ENOSYS;
      return nullptr;
  }
}

}  // namespace millrace
