// Which backends this system compiles, and how each of them is opened. A new
// backend is declared here, listed in poller.cc and added to binding.gyp.
//
// Each function returns null and sets *error to -errno when the system refuses.
#pragma once

#include <cstdint>
#include <memory>

#include "poller.h"

#ifdef __linux__
#define MILLRACE_HAS_EPOLL 1
#endif
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
#define MILLRACE_HAS_KQUEUE 1
#endif

namespace millrace {

std::unique_ptr<Poller> open_epoll_poller(uint32_t events_capacity, int* error);
std::unique_ptr<PollerSet> open_epoll_set(int* error);

std::unique_ptr<Poller> open_kqueue_poller(uint32_t events_capacity, int* error);
std::unique_ptr<PollerSet> open_kqueue_set(int* error);

std::unique_ptr<Poller> open_poll_poller(uint32_t events_capacity, int* error);
std::unique_ptr<PollerSet> open_poll_set(int* error);

// The shape all of those share: open the object, or hand out its error.
template <typename Base, typename Concrete, typename... Arguments>
std::unique_ptr<Base> open_or_error(int* error, Arguments... arguments) {
  auto object = std::make_unique<Concrete>(arguments...);
  *error = object->open();
  if (*error != 0) return nullptr;
  return object;
}

}  // namespace millrace
