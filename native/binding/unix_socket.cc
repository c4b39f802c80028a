// Unix sockets, pipes and foreign descriptors: each function is one call of
// core/unix_socket.h.
//
// Paths go in as their bytes. They come out in memory that the caller passes,
// with their size in front, so that no string is made where nobody wants one:
//
//   byte 0     how many bytes follow, 0: no name
//   byte 1..   the path, or the name behind a null byte

#include "../core/unix_socket.h"

#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "../core/in_flight.h"
#include "addon.h"
#include "args.h"

namespace millrace {

namespace {

// Shared with RECV_TRUNCATED and RECV_LOST in src/poll/driver.ts.
constexpr int64_t kReceiveTruncated = 0x40000000;
constexpr int64_t kReceiveLost = 0x40000000;

// False, with an exception thrown, if it is not an Int32Array of `count`.
bool get_handles(napi_env env, napi_value value, size_t count, int32_t** handles) {
  napi_typedarray_type type;
  size_t length;
  void* memory;
  if (napi_get_typedarray_info(env, value, &type, &length, &memory, nullptr, nullptr) != napi_ok ||
      type != napi_int32_array || length < count) {
    return throw_invalid_type(env, "handles", "an Int32Array with room for the result");
  }
  *handles = static_cast<int32_t*>(memory);
  return true;
}

// False, with an exception thrown, if there is no room for any path.
bool get_path_room(napi_env env, napi_value value, Bytes* room) {
  if (!get_bytes(env, value, "path", room)) return false;
  return room->size > kUnixPathMax || throw_out_of_range(env, "path", "at least 109 bytes long");
}

void write_path(const Address& address, const Bytes& room) {
  const char* path;
  const size_t size = unix_path(address, &path);
  unsigned char* out = static_cast<unsigned char*>(room.data);
  out[0] = static_cast<unsigned char>(size);
  if (size > 0) memcpy(out + 1, path, size);
}

// The argument's path as an address. False if an exception was thrown.
bool get_address(napi_env env, napi_value value, Address* address, int* error) {
  Bytes path;
  if (!get_bytes(env, value, "path", &path)) return false;
  *error = unix_address(static_cast<const char*>(path.data), path.size, address);
  return true;
}

napi_value listen_on_path(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  Address address;
  int error;
  int32_t backlog;
  if (!get_address(env, args[0], &address, &error) || !get_int(env, args[1], "backlog", &backlog)) {
    return nullptr;
  }
  if (error != 0) return make_number(env, error);
  return make_number(env, args.state->descriptors.adopt(unix_listen(address, backlog)));
}

napi_value connect_to_path(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  Address address;
  int error;
  if (!get_address(env, args[0], &address, &error)) return nullptr;
  if (error != 0) return make_number(env, error);
  return make_number(env, args.state->descriptors.adopt(unix_connect(address)));
}

napi_value open_datagram(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  if (args.count == 0) {
    return make_number(env, args.state->descriptors.adopt(unix_datagram_open(nullptr)));
  }
  Address address;
  int error;
  if (!get_address(env, args[0], &address, &error)) return nullptr;
  if (error != 0) return make_number(env, error);
  return make_number(env, args.state->descriptors.adopt(unix_datagram_open(&address)));
}

napi_value connect_datagram(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  int32_t fd;
  Address address;
  int error;
  if (!get_int(env, args[0], "handle", &fd) || !get_address(env, args[1], &address, &error)) {
    return nullptr;
  }
  return make_number(env, error != 0 ? error : unix_datagram_connect(fd, address));
}

napi_value send_to_path(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  Bytes buffer;
  Address address;
  int error;
  if (!get_int(env, args[0], "handle", &fd) || !get_bytes(env, args[1], "buffer", &buffer) ||
      !get_address(env, args[2], &address, &error)) {
    return nullptr;
  }
  if (error != 0) return make_number(env, error);
  return make_number(env, unix_datagram_send_to(fd, buffer.data, buffer.size, address));
}

napi_value receive_from_path(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  Bytes buffer;
  Bytes room;
  if (!get_int(env, args[0], "handle", &fd) || !get_bytes(env, args[1], "buffer", &buffer) ||
      !get_path_room(env, args[2], &room)) {
    return nullptr;
  }
  Address from;
  bool truncated = false;
  const ssize_t size = udp_receive_from(fd, buffer.data, buffer.size, &from, &truncated);
  if (size < 0) return make_number(env, size);
  write_path(from, room);
  return make_number(env, truncated ? size + kReceiveTruncated : size);
}

napi_value path_of(napi_env env, napi_callback_info info, int (*query)(int, Address*)) {
  Arguments<2> args(env, info);
  int32_t fd;
  Bytes room;
  if (!get_int(env, args[0], "handle", &fd) || !get_path_room(env, args[1], &room)) return nullptr;
  Address address;
  const int result = query(fd, &address);
  if (result == 0) write_path(address, room);
  return make_number(env, result);
}

napi_value local_path(napi_env env, napi_callback_info info) {
  return path_of(env, info, socket_local_address);
}

napi_value peer_path(napi_env env, napi_callback_info info) {
  return path_of(env, info, socket_peer_address);
}

// Both ends belong to the environment, or none.
napi_value adopt_both(napi_env env, EnvState* state, int result, const int (&ends)[2],
                      int32_t* handles) {
  for (int i = 0; i < 2 && result == 0; i++) handles[i] = state->descriptors.adopt(ends[i]);
  return make_number(env, result);
}

napi_value open_pair(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  bool is_datagram;
  int32_t* handles = nullptr;
  if (!get_bool(env, args[0], "isDatagram", &is_datagram) ||
      !get_handles(env, args[1], 2, &handles)) {
    return nullptr;
  }
  int ends[2];
  const int result = unix_pair(is_datagram ? UnixPairKind::kDatagram : UnixPairKind::kStream, ends);
  return adopt_both(env, args.state, result, ends, handles);
}

napi_value open_pipe(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  int32_t* handles = nullptr;
  if (!get_handles(env, args[0], 2, &handles)) return nullptr;
  int ends[2];
  return adopt_both(env, args.state, pipe_open(ends), ends, handles);
}

napi_value send_descriptor(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  Bytes buffer;
  int32_t passed;
  if (!get_int(env, args[0], "handle", &fd) || !get_bytes(env, args[1], "buffer", &buffer) ||
      !get_int(env, args[2], "passed", &passed)) {
    return nullptr;
  }
  return make_number(env, unix_send_descriptor(fd, buffer.data, buffer.size, passed));
}

napi_value receive_descriptor(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  Bytes buffer;
  int32_t* handles = nullptr;
  if (!get_int(env, args[0], "handle", &fd) || !get_bytes(env, args[1], "buffer", &buffer) ||
      !get_handles(env, args[2], 1, &handles)) {
    return nullptr;
  }
  ReceivedDescriptor received;
  const ssize_t size = unix_receive_descriptor(fd, buffer.data, buffer.size, &received);
  // Owned before JavaScript hears of it: a thread that ends here closes it.
  handles[0] = args.state->descriptors.adopt(received.fd);
  return make_number(env, received.lost ? size + kReceiveLost : size);
}

napi_value adopt_foreign(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  int32_t fd;
  if (!get_int(env, args[0], "fd", &fd)) return nullptr;
  // Two owners would close it twice, and the second one somebody else's.
  if (args.state->descriptors.has(fd) || InFlight::has(fd)) return make_number(env, -EEXIST);
  const int result = foreign_prepare(fd);
  return make_number(env, result < 0 ? result : args.state->descriptors.adopt(fd));
}

napi_value read_file(napi_env env, napi_callback_info info) {
  Arguments<4> args(env, info);
  int32_t fd;
  Bytes buffer;
  if (!get_int(env, args[0], "handle", &fd) || !get_part(env, args, 1, "buffer", &buffer)) {
    return nullptr;
  }
  return make_number(env, file_read(fd, buffer.data, buffer.size));
}

napi_value write_file(napi_env env, napi_callback_info info) {
  Arguments<4> args(env, info);
  int32_t fd;
  Bytes buffer;
  if (!get_int(env, args[0], "handle", &fd) || !get_part(env, args, 1, "buffer", &buffer)) {
    return nullptr;
  }
  return make_number(env, file_write(fd, buffer.data, buffer.size));
}

napi_value writev_file(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  int32_t fd;
  iovec buffers[kBuffersMax];
  uint32_t count;
  if (!get_int(env, args[0], "handle", &fd) || !get_buffers(env, args[1], buffers, &count)) {
    return nullptr;
  }
  return make_number(env, file_writev(fd, buffers, static_cast<int>(count)));
}

constexpr Export kExports[] = {
    {"unixListen", listen_on_path},
    {"unixConnect", connect_to_path},
    {"unixDatagramOpen", open_datagram},
    {"unixDatagramConnect", connect_datagram},
    {"unixSendTo", send_to_path},
    {"unixRecvFrom", receive_from_path},
    {"unixLocalPath", local_path},
    {"unixPeerPath", peer_path},
    {"unixPair", open_pair},
    {"sendDescriptor", send_descriptor},
    {"recvDescriptor", receive_descriptor},
    {"pipe", open_pipe},
    {"adopt", adopt_foreign},
    {"fileRead", read_file},
    {"fileWrite", write_file},
    {"fileWritev", writev_file},
};

}  // namespace

void export_unix_sockets(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
