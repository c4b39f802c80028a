// Bytes through a descriptor: what sockets have in common with descriptors
// that need not be sockets. As read(), write() and writev() in
// src/poll/driver.ts.
#pragma once

#include "call.h"

namespace millrace {

// Reads into, or writes from, a buffer or a part of one.
template <auto move>
napi_value move_bytes(Call& call) {
  const int fd = call.handle();
  const Bytes buffer = call.part("buffer");
  if (call.refused()) return call.refusal();
  return call.answer(move(fd, buffer.data, buffer.size));
}

template <ssize_t (*write)(int fd, const iovec* buffers, int count)>
napi_value write_buffers(Call& call) {
  const int fd = call.handle();
  const Buffers buffers = call.buffers();
  if (call.refused()) return call.refusal();
  return call.answer(write(fd, buffers.parts, buffers.count));
}

}  // namespace millrace
