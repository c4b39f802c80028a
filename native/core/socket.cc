// Non-blocking sockets over the wrappers of sys.h; the contract is socket.h.
#include "socket.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>

#include "descriptor.h"

namespace millrace {

namespace {

// Accept errors passed over in one call before they come back to the caller:
// each stands for a connection taken from the queue, so more in a row than a
// queue holds by default means that the error is the listener's own.
constexpr int kAcceptErrorsMax = 1024;

#ifdef IOV_MAX
constexpr int kBuffersMax = IOV_MAX;
#else
constexpr int kBuffersMax = 1024;
#endif

#ifdef TCP_KEEPIDLE
constexpr int kKeepAliveIdle = TCP_KEEPIDLE;
#else
constexpr int kKeepAliveIdle = TCP_KEEPALIVE;
#endif

int set_flag(int fd, int level, int name, int value) {
  return sys::setsockopt(fd, level, name, &value, sizeof(value));
}

// Rounded up, so that a short time never turns into none at all.
int to_seconds(int milliseconds) { return milliseconds / 1000 + (milliseconds % 1000 > 0); }

int set_keep_alive(int fd, int idle_ms) {
  if (idle_ms >= 0) {
    // The time first: if it is refused, probing is not switched on with the
    // system's two hours.
    const int seconds = std::max(1, to_seconds(idle_ms));
    const int result = set_flag(fd, IPPROTO_TCP, kKeepAliveIdle, seconds);
    if (result < 0) return result;
  }
  return set_flag(fd, SOL_SOCKET, SO_KEEPALIVE, idle_ms >= 0);
}

// Linux makes close() of a lingering socket wait even though it is
// non-blocking; only 0 (reset) and off are free of that.
int set_linger(int fd, int linger_ms) {
  linger value = {};
  value.l_onoff = linger_ms >= 0;
  value.l_linger = linger_ms >= 0 ? to_seconds(linger_ms) : 0;
  return sys::setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value));
}

// Whether accept(2) only passed on what befell one connection in the queue.
bool is_connection_error(int error) {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
#ifdef ENONET
    case ENONET:
#endif
      return true;
    default:
      return false;
  }
}

int apply_listen_options(int fd, const Address& address, const ListenOptions& options) {
  int result = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (result == 0 && options.reuse_port) result = set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (result == 0 && address.family() == AF_INET6) {
    // Always set: the default is the administrator's and not the caller's.
    result = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only);
  }
  return result;
}

int apply_udp_options(int fd, const UdpOptions& options) {
  int result = 0;
  if (options.reuse_address) result = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (result == 0 && options.reuse_port) result = set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (result == 0 && options.receive_buffer_bytes > 0) {
    result = set_flag(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
  }
  if (result == 0 && options.send_buffer_bytes > 0) {
    result = set_flag(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  }
  return result;
}

}  // namespace

int tcp_listen(const Address& address, const ListenOptions& options) {
  Descriptor listener(sys::socket(address.family(), SOCK_STREAM));
  if (!listener.is_open()) return listener.get();
  int result = apply_listen_options(listener.get(), address, options);
  if (result == 0) result = sys::bind(listener.get(), address.get(), address.length);
  if (result == 0) result = sys::listen(listener.get(), options.backlog);
  return result == 0 ? listener.release() : result;
}

int tcp_accept(int listener) {
  int result = 0;
  for (int attempts = 0; attempts < kAcceptErrorsMax; attempts++) {
    result = sys::accept(listener);
    if (result >= 0 || !is_connection_error(-result)) return result;
  }
  return result;
}

int probe_descriptor() {
  // A socket, because that is what accept() would open: it meets the limits
  // of the process and of the system, and wants the same kernel memory.
  const Descriptor probe(sys::socket(AF_UNIX, SOCK_STREAM));
  return probe.is_open() ? 0 : probe.get();
}

int tcp_connect(const Address& address) {
  Descriptor stream(sys::socket(address.family(), SOCK_STREAM));
  if (!stream.is_open()) return stream.get();
  const int result = sys::connect(stream.get(), address.get(), address.length);
  return result == 0 || result == -EINPROGRESS ? stream.release() : result;
}

ssize_t socket_read(int fd, void* buffer, size_t size) { return sys::recv(fd, buffer, size); }

ssize_t socket_write(int fd, const void* buffer, size_t size) {
  return sys::send(fd, buffer, size);
}

ssize_t socket_writev(int fd, const iovec* buffers, int count) {
  // writev(2) has no flag against SIGPIPE, sendmsg(2) has. More buffers than
  // the kernel takes are a short write, not an error.
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(buffers);  // SAFETY: sendmsg only reads it.
  message.msg_iovlen = std::min(count, kBuffersMax);
  return sys::sendmsg(fd, message);
}

int socket_shutdown(int fd, ShutdownHow how) {
  switch (how) {
    case ShutdownHow::kRead:
      return sys::shutdown(fd, SHUT_RD);
    case ShutdownHow::kWrite:
      return sys::shutdown(fd, SHUT_WR);
    case ShutdownHow::kBoth:
      return sys::shutdown(fd, SHUT_RDWR);
  }
  return -EINVAL;
}

int socket_take_error(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  const int result = sys::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return result < 0 ? result : error;
}

int socket_set_option(int fd, SocketOption option, int value) {
  switch (option) {
    case SocketOption::kNoDelay:
      return set_flag(fd, IPPROTO_TCP, TCP_NODELAY, value != 0);
    case SocketOption::kKeepAliveMs:
      return set_keep_alive(fd, value);
    case SocketOption::kLingerMs:
      return set_linger(fd, value);
  }
  return -EINVAL;
}

int socket_local_address(int fd, Address* address) {
  address->length = sizeof(address->storage);
  return sys::getsockname(fd, address->get(), &address->length);
}

int socket_peer_address(int fd, Address* address) {
  address->length = sizeof(address->storage);
  return sys::getpeername(fd, address->get(), &address->length);
}

int udp_bind(const Address& address, const UdpOptions& options) {
  Descriptor udp(sys::socket(address.family(), SOCK_DGRAM));
  if (!udp.is_open()) return udp.get();
  int result = apply_udp_options(udp.get(), options);
  if (result == 0) result = sys::bind(udp.get(), address.get(), address.length);
  return result == 0 ? udp.release() : result;
}

int udp_connect(int fd, const Address& address) {
  return sys::connect(fd, address.get(), address.length);
}

ssize_t udp_send_to(int fd, const void* buffer, size_t size, const Address& address) {
  return sys::sendto(fd, buffer, size, address.get(), address.length);
}

ssize_t udp_receive_from(int fd, void* buffer, size_t size, Address* from, bool* truncated) {
  from->storage.ss_family = AF_UNSPEC;  // Stays where the kernel gives no name.
  from->length = sizeof(from->storage);
  const ssize_t result = sys::recv_datagram(fd, buffer, size, from->get(), &from->length);
  if (result < 0) return result;
  *truncated = static_cast<size_t>(result) > size;
  return *truncated ? static_cast<ssize_t>(size) : result;
}

int close_descriptor(int fd) { return sys::close(fd); }

}  // namespace millrace
