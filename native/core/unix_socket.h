// Unix sockets, pipes and foreign descriptors: as socket.h, whose functions
// serve Unix sockets too wherever no address is involved. Results are values
// of 0 or more, or -errno; every descriptor that is opened or received here is
// non-blocking and close-on-exec.
#pragma once

#include <sys/uio.h>

#include <cstddef>

#include "address.h"

namespace millrace {

// What sun_path holds on any system of today, at most.
constexpr size_t kUnixPathMax = 108;

// The address for the bytes of a path. A null byte first makes it a name in
// Linux's abstract namespace. -EINVAL if there are none, if they have a null
// byte elsewhere, or if the system has no such namespace; -ENAMETOOLONG.
int unix_address(const char* path, size_t size, Address* address);

// The bytes of the path in `address`, which are its own memory; 0 and null for
// a socket without a name.
size_t unix_path(const Address& address, const char** path);

// The path is not unlinked, neither here before nor at close after.
int unix_listen(const Address& address, int backlog);

// The connection is there when it returns: Unix sockets know nothing in
// between. -EAGAIN when the listener's backlog is full.
int unix_connect(const Address& address);

// `address` null: without a name.
int unix_datagram_open(const Address* address);
int unix_datagram_connect(int fd, const Address& address);
ssize_t unix_datagram_send_to(int fd, const void* buffer, size_t size, const Address& address);

enum class UnixPairKind : int { kStream = 0, kDatagram = 1 };
int unix_pair(UnixPairKind kind, int ends[2]);

// Sends at least one byte together with a duplicate of `passed`. The bytes may
// be cut short; the descriptor goes with the first of them.
ssize_t unix_send_descriptor(int fd, const void* buffer, size_t size, int passed);

struct ReceivedDescriptor {
  int fd = -1;        // -1: none came with these bytes
  bool lost = false;  // one came, or more than one, that could not be kept
};

// Receives bytes and the descriptor that was sent with them. What cannot be
// kept is closed: every one after the first, and one whose flags cannot be set.
ssize_t unix_receive_descriptor(int fd, void* buffer, size_t size, ReceivedDescriptor* received);

// A pipe: what is written to ends[1] is read from ends[0].
int pipe_open(int ends[2]);

// A descriptor that somebody else opened: 0 with the flags set, or -errno.
int foreign_prepare(int fd);

// read(2) and write(2), for descriptors that need not be sockets.
ssize_t file_read(int fd, void* buffer, size_t size);
ssize_t file_write(int fd, const void* buffer, size_t size);
ssize_t file_writev(int fd, const iovec* buffers, int count);

}  // namespace millrace
