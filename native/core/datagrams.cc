// Batches of datagrams over the wrappers of sys.h; the contract is datagrams.h.
#include "datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#ifdef __linux__
#include <netinet/udp.h>
#endif
#include <string.h>

#include <algorithm>

namespace millrace {

namespace {

#ifdef UDP_SEGMENT
constexpr bool kHasSegments = true;
constexpr int kSegmentOption = UDP_SEGMENT;
#else
constexpr bool kHasSegments = false;
constexpr int kSegmentOption = 0;
#endif

// The kernel's limits for one run: segments (UDP_MAX_SEGMENTS of the kernels
// that have the fewest), and bytes, which must fit into one packet of IP.
constexpr uint32_t kSegmentsMax = 64;
constexpr uint32_t kRunBytesMax = 65000;

// What the kernel says when it cannot cut on this route, or not at all: the
// segments are larger than its packets, the device computes no checksums, the
// kernel is too old.
bool is_segment_error(int result) {
  return result == -EINVAL || result == -EMSGSIZE || result == -EIO || result == -EOPNOTSUPP ||
         result == -ENOPROTOOPT;
}

}  // namespace

DatagramBatch::DatagramBatch(uint32_t capacity, uint32_t size_max, uint32_t* headers,
                             uint32_t* addresses)
    : capacity_(capacity),
      size_max_(size_max),
      headers_(headers),
      addresses_(addresses),
      used_(capacity),
      names_(capacity),
      parts_(capacity),
      messages_(capacity),
      runs_(capacity),
      controls_(capacity) {
  for (uint32_t i = 0; i < capacity; i++) {
    messages_[i] = {};
    controls_[i] = {};
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    names_[i].storage.ss_family = AF_UNSPEC;
    names_[i].length = 0;
  }
}

int DatagramBatch::receive(int fd, uint8_t* payloads) {
  set_base(payloads);
  prepare_receive();
  int count = -ENOSYS;
  if (!lacks_receive_) count = sys::recvmmsg(fd, messages_.data(), capacity_);
  if (count == -ENOSYS) {
    lacks_receive_ = true;
    count = receive_each(fd);
  }
  if (count < 0) return count;
  used_ = static_cast<uint32_t>(count);
  for (uint32_t i = 0; i < used_; i++) {
    const bool truncated = (messages_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    size_of(i) = messages_[i].msg_len;
    flags_of(i) = truncated ? kDatagramTruncated : 0;
  }
  return count;
}

int DatagramBatch::send(int fd, uint8_t* payloads, uint32_t start, uint32_t end) {
  set_base(payloads);
  prepare_send(start, end);
  uint32_t next = start;
  int result = 1;
  // One call sends all there are, as a rule. A short count does not say
  // whether the room has gone or the next datagram is at fault; asking again
  // tells, and the caller may rely on "fewer" meaning "no room".
  while (next < end && result > 0) {
    result = -ENOSYS;
    if (!lacks_send_) result = send_runs(fd, next, end);
    if (result == -ENOSYS) {
      lacks_send_ = true;
      result = send_each(fd, next, end);
    }
    if (result > 0) next += static_cast<uint32_t>(result);
  }
  headers_[0] = next - start;
  return result < 0 && result != -EAGAIN ? result : static_cast<int>(next - start);
}

// One sendmmsg(2), whose messages are runs of datagrams that are alike.
int DatagramBatch::send_runs(int fd, uint32_t start, uint32_t end) {
  if (!kHasSegments || lacks_segments_) return sys::sendmmsg(fd, &messages_[start], end - start);
  uint32_t count = 0;
  for (uint32_t i = start; i < end; count++) {
    const uint32_t length = run_length(i, end);
    set_run(count, i, length);
    i += length;
  }
  const int result = sys::sendmmsg(fd, runs_.data(), count);
  if (result < 0) {
    // Nothing of the first run went. One by one they may, or it will be known
    // which of them is at fault.
    if (!is_segment_error(result) || runs_[0].msg_hdr.msg_iovlen == 1) return result;
    const int one_by_one = sys::sendmmsg(fd, &messages_[start], end - start);
    lacks_segments_ = one_by_one > 0;
    return one_by_one;
  }
  int sent = 0;
  for (int run = 0; run < result; run++) sent += static_cast<int>(runs_[run].msg_hdr.msg_iovlen);
  return sent;
}

// How many datagrams from `start` on have its size and its address.
uint32_t DatagramBatch::run_length(uint32_t start, uint32_t end) const {
  const size_t size = parts_[start].iov_len;
  const msghdr& first = messages_[start].msg_hdr;
  if (size == 0) return 1;
  const uint32_t fitting = static_cast<uint32_t>(kRunBytesMax / size);
  const uint32_t limit = std::min(end, start + std::min(fitting, kSegmentsMax));
  uint32_t next = start + 1;
  for (; next < limit; next++) {
    const msghdr& header = messages_[next].msg_hdr;
    if (parts_[next].iov_len != size || header.msg_namelen != first.msg_namelen) break;
    const bool is_same = first.msg_namelen == 0 ||
                         memcmp(header.msg_name, first.msg_name, first.msg_namelen) == 0;
    if (!is_same) break;
  }
  return next - start;
}

void DatagramBatch::set_run(uint32_t run, uint32_t start, uint32_t length) {
  msghdr& header = runs_[run].msg_hdr;
  header = messages_[start].msg_hdr;
  if (length == 1) return;
  header.msg_iovlen = length;
  SegmentControl& control = controls_[run];
  control.header.cmsg_level = IPPROTO_UDP;
  control.header.cmsg_type = kSegmentOption;
  control.header.cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const uint16_t size = static_cast<uint16_t>(parts_[start].iov_len);
  memcpy(CMSG_DATA(&control.header), &size, sizeof(size));
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof(control.bytes);
}

void DatagramBatch::read_address(uint32_t index) {
  Address& name = names_[index];
  name.length = messages_[index].msg_hdr.msg_namelen;
  address_to_words(name, addresses_ + index * kAddressWords);
  flags_of(index) |= kDatagramAddressWords;
}

void DatagramBatch::set_base(uint8_t* payloads) {
  if (payloads == base_) return;
  base_ = payloads;
  for (uint32_t i = 0; i < capacity_; i++) {
    parts_[i].iov_base = base_ + static_cast<size_t>(i) * size_max_;
  }
}

void DatagramBatch::prepare_receive() {
  // Only slots that a receive or send has written to differ from this.
  for (uint32_t i = 0; i < used_; i++) {
    parts_[i].iov_len = size_max_;
    messages_[i].msg_hdr.msg_name = &names_[i].storage;
    messages_[i].msg_hdr.msg_namelen = sizeof(names_[i].storage);
  }
  used_ = 0;
}

void DatagramBatch::prepare_send(uint32_t start, uint32_t end) {
  used_ = std::max(used_, end);
  for (uint32_t i = start; i < end; i++) {
    parts_[i].iov_len = std::min(size_of(i), size_max_);
    if (flags_of(i) & kDatagramNewAddress) take_address(i);
  }
}

void DatagramBatch::take_address(uint32_t index) {
  msghdr& header = messages_[index].msg_hdr;
  Address& name = names_[index];
  // Without a family there is no name: the peer of a connected socket.
  const bool has_name = address_from_words(addresses_ + index * kAddressWords, &name);
  header.msg_name = has_name ? &name.storage : nullptr;
  header.msg_namelen = has_name ? name.length : 0;
  flags_of(index) &= ~kDatagramNewAddress;
}

// As recvmmsg(2) does it: an error counts only if nothing came before it. The
// kernel would keep that error for the next call; here it is lost, which can
// only be news of an earlier send that did not arrive.
int DatagramBatch::receive_each(int fd) {
  for (uint32_t i = 0; i < capacity_; i++) {
    const ssize_t size = sys::recvmsg(fd, &messages_[i].msg_hdr);
    if (size < 0) {
      // A failed call may have changed the slot all the same.
      messages_[i].msg_hdr.msg_namelen = sizeof(names_[i].storage);
      return i > 0 ? static_cast<int>(i) : static_cast<int>(size);
    }
    messages_[i].msg_len = static_cast<unsigned>(size);
  }
  return static_cast<int>(capacity_);
}

int DatagramBatch::send_each(int fd, uint32_t start, uint32_t end) {
  for (uint32_t i = start; i < end; i++) {
    const msghdr& header = messages_[i].msg_hdr;
    // SAFETY: msg_name is null or names_[i].storage, which is a socket address.
    const auto* name = static_cast<const sockaddr*>(header.msg_name);
    const ssize_t size =
        sys::sendto(fd, parts_[i].iov_base, parts_[i].iov_len, name, header.msg_namelen);
    if (size < 0) return i > start ? static_cast<int>(i - start) : static_cast<int>(size);
  }
  return static_cast<int>(end - start);
}

}  // namespace millrace
