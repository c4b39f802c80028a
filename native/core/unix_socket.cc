// Unix sockets over the wrappers of sys.h; the contract is unix_socket.h.
#include "unix_socket.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include <algorithm>
#include <utility>

#include "descriptor.h"

namespace millrace {

namespace {

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);
constexpr size_t kPathRoom = sizeof(sockaddr_un::sun_path);
static_assert(kPathRoom <= kUnixPathMax, "kUnixPathMax is what callers set aside");

#ifdef __linux__
constexpr bool kHasAbstractNames = true;
// Room for one. The kernel closes what does not fit before this process ever
// has it, so that a peer cannot fill the descriptor table with one message.
constexpr size_t kReceivedMax = 1;
#else
constexpr bool kHasAbstractNames = false;
// Some systems install what does not fit and tell nobody its number; so there
// is room for the most that any of them puts into one message.
constexpr size_t kReceivedMax = 512;
#endif

#ifdef IOV_MAX
constexpr int kBuffersMax = IOV_MAX;
#else
constexpr int kBuffersMax = 1024;
#endif

// Takes the descriptors out of the message: the first is kept, others closed.
void take_descriptors(msghdr* message, ReceivedDescriptor* received) {
  Descriptor kept;
  for (cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int number;
      memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      Descriptor arrived(number);
      const bool is_kept = !kept.is_open() && foreign_prepare(arrived.get()) == 0;
      if (is_kept) kept = std::move(arrived);
      else received->lost = true;
    }
  }
  if (message->msg_flags & MSG_CTRUNC) received->lost = true;
  received->fd = kept.is_open() ? kept.release() : -1;
}

}  // namespace

int unix_address(const char* path, size_t size, Address* address) {
  if (size == 0) return -EINVAL;
  const bool is_abstract = path[0] == '\0';
  if (is_abstract && !kHasAbstractNames) return -EINVAL;
  if (!is_abstract && memchr(path, '\0', size) != nullptr) return -EINVAL;
  // A path is followed by a null byte; a name's length says where it ends.
  if (size + (is_abstract ? 0 : 1) > kPathRoom) return -ENAMETOOLONG;
  memset(&address->storage, 0, sizeof(address->storage));
  address->storage.ss_family = AF_UNIX;
  memcpy(reinterpret_cast<char*>(&address->storage) + kPathOffset, path, size);
  address->length = static_cast<socklen_t>(kPathOffset + size + (is_abstract ? 0 : 1));
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
  address->storage.ss_len = static_cast<uint8_t>(address->length);
#endif
  return 0;
}

size_t unix_path(const Address& address, const char** path) {
  *path = nullptr;
  if (address.family() != AF_UNIX || address.length <= kPathOffset) return 0;
  const char* const start = reinterpret_cast<const char*>(&address.storage) + kPathOffset;
  // A path that fills sun_path has its null byte counted but not stored.
  const size_t size = std::min<size_t>(address.length - kPathOffset, kPathRoom);
  *path = start;
  if (start[0] == '\0') return kHasAbstractNames ? size : 0;
  return strnlen(start, size);
}

int unix_listen(const Address& address, int backlog) {
  Descriptor listener(sys::socket(AF_UNIX, SOCK_STREAM));
  if (!listener.is_open()) return listener.get();
  int result = sys::bind(listener.get(), address.get(), address.length);
  if (result == 0) result = sys::listen(listener.get(), backlog);
  return result == 0 ? listener.release() : result;
}

int unix_connect(const Address& address) {
  Descriptor stream(sys::socket(AF_UNIX, SOCK_STREAM));
  if (!stream.is_open()) return stream.get();
  const int result = sys::connect(stream.get(), address.get(), address.length);
  return result == 0 || result == -EINPROGRESS ? stream.release() : result;
}

int unix_datagram_open(const Address* address) {
  Descriptor datagram(sys::socket(AF_UNIX, SOCK_DGRAM));
  if (!datagram.is_open() || address == nullptr) return datagram.release();
  const int result = sys::bind(datagram.get(), address->get(), address->length);
  return result == 0 ? datagram.release() : result;
}

int unix_datagram_connect(int fd, const Address& address) {
  const int result = sys::connect(fd, address.get(), address.length);
  return result == -EINPROGRESS ? 0 : result;
}

ssize_t unix_datagram_send_to(int fd, const void* buffer, size_t size, const Address& address) {
  return sys::sendto(fd, buffer, size, address.get(), address.length);
}

int unix_pair(UnixPairKind kind, int ends[2]) {
  return sys::socket_pair(kind == UnixPairKind::kDatagram ? SOCK_DGRAM : SOCK_STREAM, ends);
}

ssize_t unix_send_descriptor(int fd, const void* buffer, size_t size, int passed) {
  iovec part = {const_cast<void*>(buffer), size};  // SAFETY: sendmsg only reads it.
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &passed, sizeof(int));
  return sys::sendmsg(fd, message);
}

ssize_t unix_receive_descriptor(int fd, void* buffer, size_t size, ReceivedDescriptor* received) {
  iovec part = {buffer, size};
  alignas(cmsghdr) char control[CMSG_SPACE(kReceivedMax * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  // The length without the padding: there is room for another one in that.
  message.msg_controllen = CMSG_LEN(kReceivedMax * sizeof(int));
  const ssize_t result = sys::recvmsg_with_descriptors(fd, &message);
  if (result >= 0) take_descriptors(&message, received);
  return result;
}

int pipe_open(int ends[2]) { return sys::pipe(ends); }

int foreign_prepare(int fd) { return sys::set_flags(fd); }

ssize_t file_read(int fd, void* buffer, size_t size) { return sys::read(fd, buffer, size); }

ssize_t file_write(int fd, const void* buffer, size_t size) { return sys::write(fd, buffer, size); }

ssize_t file_writev(int fd, const iovec* buffers, int count) {
  return sys::writev(fd, buffers, std::min(count, kBuffersMax));
}

}  // namespace millrace
