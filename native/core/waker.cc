// Wake-ups across threads; see waker.h.
#include "waker.h"

#include <errno.h>

namespace millrace {

int Waker::open() {
#ifdef __linux__
  reader_ = Descriptor(sys::eventfd());
  return reader_.is_open() ? 0 : reader_.get();
#else
  int ends[2];
  const int result = sys::pipe(ends);
  if (result < 0) return result;
  reader_ = Descriptor(ends[0]);
  writer_ = Descriptor(ends[1]);
  return 0;
#endif
}

int Waker::wake() {
  // Eight bytes because an eventfd takes nothing else; to a pipe it is all one.
  const uint64_t one = 1;
  const int fd = writer_.is_open() ? writer_.get() : reader_.get();
  for (;;) {
    const ssize_t result = sys::waker_write(fd, &one, sizeof(one));
    if (result >= 0) return 0;
    if (result != -EAGAIN) return static_cast<int>(result);
    // Full, because edge-triggered waiters never read: empty it and write
    // again, for only a new write is a new edge. Whoever loses the race for
    // the room finds a write after its own, which wakes for both.
    drain();
  }
}

void Waker::drain() {
#ifdef __linux__
  // One read takes an eventfd's whole counter.
  uint64_t count;
  sys::waker_read(reader_.get(), &count, sizeof(count));
#else
  char bytes[512];
  while (sys::waker_read(reader_.get(), bytes, sizeof(bytes)) == sizeof(bytes)) {
  }
#endif
}

}  // namespace millrace
