// SocketIo on descriptors: each function is one call of core/socket.h.

#include "../core/socket.h"

#include <cerrno>

#include "addon.h"
#include "args.h"

namespace millrace {

namespace {

// Shared with RECV_TRUNCATED in src/poll/driver.ts.
constexpr int64_t kReceiveTruncated = 0x40000000;

// False for a family the words do not know: -EAFNOSUPPORT, as the kernel says.
bool read_address(const EnvState* state, Address* address) {
  return address_from_words(state->address(), address);
}

napi_value tcp_listen_on_address(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  ListenOptions options;
  if (!get_int(env, args[0], "backlog", &options.backlog) ||
      !get_bool(env, args[1], "reusePort", &options.reuse_port) ||
      !get_bool(env, args[2], "ipv6Only", &options.ipv6_only)) {
    return nullptr;
  }
  Address address;
  if (!read_address(args.state, &address)) return make_number(env, -EAFNOSUPPORT);
  return make_number(env, args.state->descriptors.adopt(tcp_listen(address, options)));
}

napi_value accept_one(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  int32_t listener;
  if (!get_int(env, args[0], "listener", &listener)) return nullptr;
  return make_number(env, args.state->descriptors.adopt(tcp_accept(listener)));
}

napi_value probe(napi_env env, napi_callback_info) {
  return make_number(env, probe_descriptor());
}

napi_value tcp_connect_to_address(napi_env env, napi_callback_info info) {
  EnvState* state = state_of(env, info);
  Address address;
  if (!read_address(state, &address)) return make_number(env, -EAFNOSUPPORT);
  return make_number(env, state->descriptors.adopt(tcp_connect(address)));
}

napi_value read(napi_env env, napi_callback_info info) {
  Arguments<4> args(env, info);
  int32_t fd;
  Bytes buffer;
  if (!get_int(env, args[0], "handle", &fd) || !get_part(env, args, 1, "buffer", &buffer)) {
    return nullptr;
  }
  return make_number(env, socket_read(fd, buffer.data, buffer.size));
}

napi_value write(napi_env env, napi_callback_info info) {
  Arguments<4> args(env, info);
  int32_t fd;
  Bytes buffer;
  if (!get_int(env, args[0], "handle", &fd) || !get_part(env, args, 1, "buffer", &buffer)) {
    return nullptr;
  }
  return make_number(env, socket_write(fd, buffer.data, buffer.size));
}

napi_value writev(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  int32_t fd;
  iovec buffers[kBuffersMax];
  uint32_t count;
  if (!get_int(env, args[0], "handle", &fd) || !get_buffers(env, args[1], buffers, &count)) {
    return nullptr;
  }
  return make_number(env, socket_writev(fd, buffers, static_cast<int>(count)));
}

napi_value shutdown(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  int32_t fd;
  int32_t how;
  if (!get_int(env, args[0], "handle", &fd) || !get_int(env, args[1], "how", &how)) {
    return nullptr;
  }
  if (how < 0 || how > static_cast<int>(ShutdownHow::kBoth)) return make_number(env, -EINVAL);
  return make_number(env, socket_shutdown(fd, static_cast<ShutdownHow>(how)));
}

napi_value take_error(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  int32_t fd;
  if (!get_int(env, args[0], "handle", &fd)) return nullptr;
  return make_number(env, socket_take_error(fd));
}

napi_value set_option(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  int32_t option;
  int32_t value;
  if (!get_int(env, args[0], "handle", &fd) || !get_int(env, args[1], "option", &option) ||
      !get_int(env, args[2], "value", &value)) {
    return nullptr;
  }
  if (option < 0 || option > static_cast<int>(SocketOption::kLingerMs)) {
    return make_number(env, -ENOPROTOOPT);
  }
  return make_number(env, socket_set_option(fd, static_cast<SocketOption>(option), value));
}

using AddressGetter = int (*)(int fd, Address* address);

napi_value get_address(napi_env env, napi_callback_info info, AddressGetter getter) {
  Arguments<1> args(env, info);
  int32_t fd;
  if (!get_int(env, args[0], "handle", &fd)) return nullptr;
  Address address;
  int result = getter(fd, &address);
  if (result >= 0) address_to_words(address, args.state->address());
  return make_number(env, result);
}

napi_value local_address(napi_env env, napi_callback_info info) {
  return get_address(env, info, socket_local_address);
}

napi_value peer_address(napi_env env, napi_callback_info info) {
  return get_address(env, info, socket_peer_address);
}

napi_value udp_bind_to_address(napi_env env, napi_callback_info info) {
  Arguments<4> args(env, info);
  UdpOptions options;
  if (!get_bool(env, args[0], "reuseAddress", &options.reuse_address) ||
      !get_bool(env, args[1], "reusePort", &options.reuse_port) ||
      !get_int(env, args[2], "recvBufferSizeBytes", &options.receive_buffer_bytes) ||
      !get_int(env, args[3], "sendBufferSizeBytes", &options.send_buffer_bytes)) {
    return nullptr;
  }
  Address address;
  if (!read_address(args.state, &address)) return make_number(env, -EAFNOSUPPORT);
  return make_number(env, args.state->descriptors.adopt(udp_bind(address, options)));
}

napi_value udp_connect_to_address(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  int32_t fd;
  if (!get_int(env, args[0], "handle", &fd)) return nullptr;
  Address address;
  if (!read_address(args.state, &address)) return make_number(env, -EAFNOSUPPORT);
  return make_number(env, udp_connect(fd, address));
}

napi_value send_to(napi_env env, napi_callback_info info) {
  Arguments<4> args(env, info);
  int32_t fd;
  Bytes buffer;
  if (!get_int(env, args[0], "handle", &fd) || !get_part(env, args, 1, "buffer", &buffer)) {
    return nullptr;
  }
  Address address;
  if (!read_address(args.state, &address)) return make_number(env, -EAFNOSUPPORT);
  return make_number(env, udp_send_to(fd, buffer.data, buffer.size, address));
}

napi_value recv_from(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  int32_t fd;
  Bytes buffer;
  if (!get_int(env, args[0], "handle", &fd) || !get_bytes(env, args[1], "buffer", &buffer)) {
    return nullptr;
  }
  Address from;
  bool truncated = false;
  ssize_t size = udp_receive_from(fd, buffer.data, buffer.size, &from, &truncated);
  if (size < 0) return make_number(env, size);
  address_to_words(from, args.state->address());
  return make_number(env, truncated ? size + kReceiveTruncated : size);
}

napi_value close(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  int32_t fd;
  if (!get_int(env, args[0], "handle", &fd)) return nullptr;
  if (!args.state->descriptors.release(fd)) return make_number(env, -EBADF);
  return make_number(env, close_descriptor(fd));
}

constexpr Export kExports[] = {
    {"tcpListen", tcp_listen_on_address},
    {"accept", accept_one},
    {"probe", probe},
    {"tcpConnect", tcp_connect_to_address},
    {"read", read},
    {"write", write},
    {"writev", writev},
    {"shutdown", shutdown},
    {"takeError", take_error},
    {"setOption", set_option},
    {"localAddress", local_address},
    {"peerAddress", peer_address},
    {"udpBind", udp_bind_to_address},
    {"udpConnect", udp_connect_to_address},
    {"sendTo", send_to},
    {"recvFrom", recv_from},
    {"close", close},
};

}  // namespace

void export_sockets(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
