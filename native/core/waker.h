// A descriptor that becomes readable when any thread, or a signal handler,
// says so: an eventfd on Linux, a pipe elsewhere.
//
// Two ways to wait for it. Edge-triggered (epoll, kqueue): every wake() is an
// edge of its own and nothing ever needs to be read. Level-triggered
// (poll(2)): the waiter calls drain() before it looks at what it was woken for.
#pragma once

#include "descriptor.h"

namespace millrace {

class Waker {
 public:
  // 0 or -errno.
  int open();

  // Any thread, and signal handlers. 0 or -errno. Wake-ups merge: several may
  // be seen as one, but the last one is never lost.
  int wake();

  void drain();

  // The end that becomes readable.
  int fd() const { return reader_.get(); }

 private:
  Descriptor reader_;
  Descriptor writer_;  // The pipe's other end; not open for an eventfd.
};

}  // namespace millrace
