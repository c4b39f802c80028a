// Non-blocking sockets: one function an operation, straight to the system
// call. Results are values of 0 or more (descriptors, byte counts), or
// -errno. EINTR is handled here and never returned. Every descriptor is
// non-blocking and close-on-exec; no write raises SIGPIPE.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "address.h"

namespace millrace {

struct ListenOptions {
  int backlog = 1024;
  bool reuse_port = false;
  bool ipv6_only = false;  // false: an IPv6 wildcard takes IPv4 as well
};

struct UdpOptions {
  bool reuse_address = false;
  bool reuse_port = false;
  int receive_buffer_bytes = 0;  // 0: the system's default
  int send_buffer_bytes = 0;
};

// Numbers shared with src/socket/; add at the end.
enum class SocketOption : int {
  kNoDelay = 0,      // value: 0 or 1
  kKeepAliveMs = 1,  // value: idle milliseconds before the first probe, or -1: off
  kLingerMs = 2,     // value: milliseconds, 0: reset at close, -1: off
};

enum class ShutdownHow : int { kRead = 0, kWrite = 1, kBoth = 2 };

// TCP. SO_REUSEADDR is set on listeners.
int tcp_listen(const Address& address, const ListenOptions& options);

// -EAGAIN when nothing waits. Connections that died in the queue, and errors
// that accept(2) passes on from them (ECONNABORTED, EPROTO, ENETDOWN ...),
// are skipped. -EMFILE, -ENFILE, -ENOBUFS and -ENOMEM come back.
int tcp_accept(int listener);

// Whether the process could open a descriptor now: 0, or the -errno of the
// attempt. Used to leave off accepting until descriptors are free.
int probe_descriptor();

// The connection is under way when it returns (EINPROGRESS is success).
int tcp_connect(const Address& address);

ssize_t socket_read(int fd, void* buffer, size_t size);
ssize_t socket_write(int fd, const void* buffer, size_t size);
ssize_t socket_writev(int fd, const iovec* buffers, int count);
int socket_shutdown(int fd, ShutdownHow how);

// SO_ERROR, which is cleared by reading: 0 or a positive errno; -errno when
// it cannot be read.
int socket_take_error(int fd);
int socket_set_option(int fd, SocketOption option, int value);
int socket_local_address(int fd, Address* address);
int socket_peer_address(int fd, Address* address);

// UDP. Linux reports ICMP errors of an earlier send on the next call of a
// connected socket; they are returned as they are.
int udp_bind(const Address& address, const UdpOptions& options);
int udp_connect(int fd, const Address& address);
ssize_t udp_send_to(int fd, const void* buffer, size_t size, const Address& address);

// *truncated: the datagram was larger than the buffer and lost its rest.
ssize_t udp_receive_from(int fd, void* buffer, size_t size, Address* from, bool* truncated);

int close_descriptor(int fd);

}  // namespace millrace
