// Unix sockets, pipes and foreign descriptors: each function is one call of
// core/unix_socket.h.
//
// Paths go in as their bytes. They come out in memory that the caller passes,
// with their size in front, so that no string is made where nobody wants one:
//
//   byte 0     how many bytes follow, 0: no name
//   byte 1..   the path, or the name behind a null byte

#include "../core/unix_socket.h"

#include <cerrno>
#include <cstring>

#include "../core/in_flight.h"
#include "addon.h"
#include "bytes.h"
#include "call.h"

namespace millrace {

namespace {

// Shared with RECV_TRUNCATED and RECV_LOST in src/poll/driver.ts.
constexpr int64_t kReceiveTruncated = 0x40000000;
constexpr int64_t kReceiveLost = 0x40000000;

// The next argument, an Int32Array with room for `count`.
int32_t* handles_argument(Call& call, size_t count) {
  Elements handles;
  if (!call.elements(napi_int32_array, &handles) || handles.count < count) {
    call.refuse_type("handles", "an Int32Array with room for the result");
  }
  return static_cast<int32_t*>(handles.data);
}

// The next argument, room for any path.
Bytes path_room(Call& call) {
  const Bytes room = call.bytes("path");
  if (room.size <= kUnixPathMax) call.refuse_range("path", "at least 109 bytes long");
  return room;
}

void write_path(const Address& address, const Bytes& room) {
  const char* path;
  const size_t size = unix_path(address, &path);
  unsigned char* out = static_cast<unsigned char*>(room.data);
  out[0] = static_cast<unsigned char>(size);
  if (size > 0) memcpy(out + 1, path, size);
}

// The next argument, a path, as an address.
Address path_address(Call& call) {
  const Bytes path = call.bytes("path");
  Address address;
  call.refuse(unix_address(static_cast<const char*>(path.data), path.size, &address));
  return address;
}

napi_value listen_on_path(Call& call) {
  const Address address = path_address(call);
  const int backlog = call.int32("backlog");
  if (call.refused()) return call.refusal();
  return call.answer_opened(unix_listen(address, backlog));
}

napi_value connect_to_path(Call& call) {
  const Address address = path_address(call);
  if (call.refused()) return call.refusal();
  return call.answer_opened(unix_connect(address));
}

napi_value open_datagram(Call& call) {
  if (!call.has_next()) return call.answer_opened(unix_datagram_open(nullptr));
  const Address address = path_address(call);
  if (call.refused()) return call.refusal();
  return call.answer_opened(unix_datagram_open(&address));
}

napi_value connect_datagram(Call& call) {
  const int fd = call.handle();
  const Address address = path_address(call);
  if (call.refused()) return call.refusal();
  return call.answer(unix_datagram_connect(fd, address));
}

napi_value send_to_path(Call& call) {
  const int fd = call.handle();
  const Bytes buffer = call.bytes("buffer");
  const Address address = path_address(call);
  if (call.refused()) return call.refusal();
  return call.answer(unix_datagram_send_to(fd, buffer.data, buffer.size, address));
}

napi_value receive_from_path(Call& call) {
  const int fd = call.handle();
  const Bytes buffer = call.bytes("buffer");
  const Bytes room = path_room(call);
  if (call.refused()) return call.refusal();
  Address from;
  bool truncated = false;
  const ssize_t size = udp_receive_from(fd, buffer.data, buffer.size, &from, &truncated);
  if (size < 0) return call.answer(size);
  write_path(from, room);
  return call.answer(truncated ? size + kReceiveTruncated : size);
}

template <int (*query)(int fd, Address* address)>
napi_value path_of(Call& call) {
  const int fd = call.handle();
  const Bytes room = path_room(call);
  if (call.refused()) return call.refusal();
  Address address;
  const int result = query(fd, &address);
  if (result == 0) write_path(address, room);
  return call.answer(result);
}

// Both ends belong to the environment, or none.
napi_value answer_both(Call& call, int result, const int (&ends)[2], int32_t* handles) {
  for (int i = 0; i < 2 && result == 0; i++) handles[i] = call.descriptors().adopt(ends[i]);
  return call.answer(result);
}

napi_value open_pair(Call& call) {
  const bool is_datagram = call.boolean("isDatagram");
  int32_t* const handles = handles_argument(call, 2);
  if (call.refused()) return call.refusal();
  int ends[2];
  const int result = unix_pair(is_datagram ? UnixPairKind::kDatagram : UnixPairKind::kStream, ends);
  return answer_both(call, result, ends, handles);
}

napi_value open_pipe(Call& call) {
  int32_t* const handles = handles_argument(call, 2);
  if (call.refused()) return call.refusal();
  int ends[2];
  const int result = pipe_open(ends);
  return answer_both(call, result, ends, handles);
}

napi_value send_descriptor(Call& call) {
  const int fd = call.handle();
  const Bytes buffer = call.bytes("buffer");
  const int passed = call.int32("passed");
  if (call.refused()) return call.refusal();
  return call.answer(unix_send_descriptor(fd, buffer.data, buffer.size, passed));
}

napi_value receive_descriptor(Call& call) {
  const int fd = call.handle();
  const Bytes buffer = call.bytes("buffer");
  int32_t* const handles = handles_argument(call, 1);
  if (call.refused()) return call.refusal();
  ReceivedDescriptor received;
  const ssize_t size = unix_receive_descriptor(fd, buffer.data, buffer.size, &received);
  // Owned before JavaScript hears of it: a thread that ends here closes it.
  handles[0] = call.descriptors().adopt(received.fd);
  return call.answer(received.lost ? size + kReceiveLost : size);
}

napi_value adopt_foreign(Call& call) {
  const int fd = call.int32("fd");
  if (call.refused()) return call.refusal();
  // Two owners would close it twice, and the second one somebody else's.
  if (call.descriptors().has(fd) || InFlight::has(fd)) return call.answer(-EEXIST);
  const int result = foreign_prepare(fd);
  return result < 0 ? call.answer(result) : call.answer_opened(fd);
}

constexpr Export kExports[] = {
    {"unixListen", entry<listen_on_path>},
    {"unixConnect", entry<connect_to_path>},
    {"unixDatagramOpen", entry<open_datagram>},
    {"unixDatagramConnect", entry<connect_datagram>},
    {"unixSendTo", entry<send_to_path>},
    {"unixRecvFrom", entry<receive_from_path>},
    {"unixLocalPath", entry<path_of<socket_local_address>>},
    {"unixPeerPath", entry<path_of<socket_peer_address>>},
    {"unixPair", entry<open_pair>},
    {"sendDescriptor", entry<send_descriptor>},
    {"recvDescriptor", entry<receive_descriptor>},
    {"pipe", entry<open_pipe>},
    {"adopt", entry<adopt_foreign>},
    {"fileRead", entry<move_bytes<file_read>>},
    {"fileWrite", entry<move_bytes<file_write>>},
    {"fileWritev", entry<write_buffers<file_writev>>},
};

}  // namespace

void export_unix_sockets(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
