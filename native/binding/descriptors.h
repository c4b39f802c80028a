// The descriptors that one environment holds open.
//
// JavaScript names a socket by its descriptor number. A number that is wrong,
// or late, could close what belongs to Node or to another thread; so close()
// asks here first. What is left over when the environment ends is closed.
//
// A descriptor that moves to another thread is released in one environment and
// adopted in the other; between the two it is in flight (core/in_flight.h).
#pragma once

#include <cstddef>
#include <vector>

#include "../core/socket.h"

namespace millrace {

class Descriptors {
 public:
  // Passes the result of an opening call through, and keeps it if it is a
  // descriptor.
  int adopt(int result) {
    if (result < 0) return result;
    size_t fd = static_cast<size_t>(result);
    if (fd >= open_.size()) open_.resize(fd + 1);
    open_[fd] = true;
    count_++;
    return result;
  }

  bool has(int descriptor) const {
    size_t fd = static_cast<size_t>(descriptor);
    return fd < open_.size() && open_[fd];
  }

  // Forgets a descriptor that moves on, or before it is closed: the kernel gives
  // the number away even when close(2) reports an error. False if it is not
  // open here.
  bool release(int descriptor) {
    if (!has(descriptor)) return false;
    open_[static_cast<size_t>(descriptor)] = false;
    count_--;
    return true;
  }

  void close_all() {
    for (size_t fd = 0; fd < open_.size() && count_ > 0; fd++) {
      if (release(static_cast<int>(fd))) close_descriptor(static_cast<int>(fd));
    }
  }

  int count() const { return count_; }

 private:
  std::vector<bool> open_;
  int count_ = 0;
};

}  // namespace millrace
