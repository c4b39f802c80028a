// A descriptor with one owner, closed when the owner goes: what makes every
// error path between opening a descriptor and handing it on safe.
#pragma once

#include "sys.h"

namespace millrace {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }

  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    const int fd = other.release();
    reset();
    fd_ = fd;
    return *this;
  }

  // The number, or the negative result that stands in its place.
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  void reset() {
    if (fd_ >= 0) sys::close(fd_);
    fd_ = -1;
  }

  int fd_ = -1;
};

}  // namespace millrace
