// SocketIo on descriptors: each function is one call of core/socket.h.

#include "../core/socket.h"

#include <cerrno>

#include "addon.h"
#include "bytes.h"
#include "call.h"

namespace millrace {

namespace {

// Shared with RECV_TRUNCATED in src/poll/driver.ts.
constexpr int64_t kReceiveTruncated = 0x40000000;

napi_value tcp_listen_on_address(Call& call) {
  ListenOptions options;
  options.backlog = call.int32("backlog");
  options.reuse_port = call.boolean("reusePort");
  options.ipv6_only = call.boolean("ipv6Only");
  const Address address = call.address();
  if (call.refused()) return call.refusal();
  return call.answer_opened(tcp_listen(address, options));
}

napi_value accept_one(Call& call) {
  const int listener = call.int32("listener");
  if (call.refused()) return call.refusal();
  return call.answer_opened(tcp_accept(listener));
}

napi_value probe(Call& call) { return call.answer(probe_descriptor()); }

napi_value tcp_connect_to_address(Call& call) {
  const Address address = call.address();
  if (call.refused()) return call.refusal();
  return call.answer_opened(tcp_connect(address));
}

napi_value shutdown(Call& call) {
  const int fd = call.handle();
  const int how = call.int32("how");
  if (how < 0 || how > static_cast<int>(ShutdownHow::kBoth)) call.refuse(-EINVAL);
  if (call.refused()) return call.refusal();
  return call.answer(socket_shutdown(fd, static_cast<ShutdownHow>(how)));
}

napi_value take_error(Call& call) {
  const int fd = call.handle();
  if (call.refused()) return call.refusal();
  return call.answer(socket_take_error(fd));
}

napi_value set_option(Call& call) {
  const int fd = call.handle();
  const int option = call.int32("option");
  const int value = call.int32("value");
  if (option < 0 || option > static_cast<int>(SocketOption::kLingerMs)) call.refuse(-ENOPROTOOPT);
  if (call.refused()) return call.refusal();
  return call.answer(socket_set_option(fd, static_cast<SocketOption>(option), value));
}

template <int (*query)(int fd, Address* address)>
napi_value address_of(Call& call) {
  const int fd = call.handle();
  if (call.refused()) return call.refusal();
  Address address;
  const int result = query(fd, &address);
  if (result >= 0) address_to_words(address, call.state()->address());
  return call.answer(result);
}

napi_value udp_bind_to_address(Call& call) {
  UdpOptions options;
  options.reuse_address = call.boolean("reuseAddress");
  options.reuse_port = call.boolean("reusePort");
  options.receive_buffer_bytes = call.int32("recvBufferSizeBytes");
  options.send_buffer_bytes = call.int32("sendBufferSizeBytes");
  const Address address = call.address();
  if (call.refused()) return call.refusal();
  return call.answer_opened(udp_bind(address, options));
}

napi_value udp_connect_to_address(Call& call) {
  const int fd = call.handle();
  const Address address = call.address();
  if (call.refused()) return call.refusal();
  return call.answer(udp_connect(fd, address));
}

napi_value send_to(Call& call) {
  const int fd = call.handle();
  const Bytes buffer = call.part("buffer");
  const Address address = call.address();
  if (call.refused()) return call.refusal();
  return call.answer(udp_send_to(fd, buffer.data, buffer.size, address));
}

napi_value recv_from(Call& call) {
  const int fd = call.handle();
  const Bytes buffer = call.bytes("buffer");
  if (call.refused()) return call.refusal();
  Address from;
  bool truncated = false;
  const ssize_t size = udp_receive_from(fd, buffer.data, buffer.size, &from, &truncated);
  if (size < 0) return call.answer(size);
  address_to_words(from, call.state()->address());
  return call.answer(truncated ? size + kReceiveTruncated : size);
}

napi_value close(Call& call) {
  const int fd = call.handle();
  if (call.refused()) return call.refusal();
  if (!call.descriptors().release(fd)) return call.answer(-EBADF);
  return call.answer(close_descriptor(fd));
}

constexpr Export kExports[] = {
    {"tcpListen", entry<tcp_listen_on_address>},
    {"accept", entry<accept_one>},
    {"probe", entry<probe>},
    {"tcpConnect", entry<tcp_connect_to_address>},
    {"read", entry<move_bytes<socket_read>>},
    {"write", entry<move_bytes<socket_write>>},
    {"writev", entry<write_buffers<socket_writev>>},
    {"shutdown", entry<shutdown>},
    {"takeError", entry<take_error>},
    {"setOption", entry<set_option>},
    {"localAddress", entry<address_of<socket_local_address>>},
    {"peerAddress", entry<address_of<socket_peer_address>>},
    {"udpBind", entry<udp_bind_to_address>},
    {"udpConnect", entry<udp_connect_to_address>},
    {"sendTo", entry<send_to>},
    {"recvFrom", entry<recv_from>},
    {"close", entry<close>},
};

}  // namespace

void export_sockets(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
