// Many datagrams with one system call: recvmmsg(2) and sendmmsg(2), or plain
// loops where the system lacks them.
//
// A batch is a number of slots of equal size. All that the kernel wants to
// see of them (message headers, vectors, socket addresses) is laid out once,
// so that a call touches only what the last one has changed and allocates
// nothing. A datagram that was received can be sent from where it lies: size
// and address stay in place, and the address is not converted either way.
//
// Datagrams of one size that go to one address, one after the other, take the
// way through the kernel as one, where it can cut them apart at the end of it
// (UDP_SEGMENT, Linux 4.18): most of what a datagram costs is that way.
//
// JavaScript owns the memory and looks into it without a call:
//
//   payloads    capacity x size_max bytes; datagram i at i x size_max
//   headers     word 0            datagrams sent by the last send()
//               word 1 + 2i       size of datagram i
//               word 2 + 2i       its flags, see below
//   addresses   eight words each, as in address.h
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "address.h"
#include "sys.h"

namespace millrace {

constexpr uint32_t kBatchHeaderWords = 1;
constexpr uint32_t kBatchDatagramWords = 2;

// Flags of a datagram, shared with src/poll/datagram-io.ts.
constexpr uint32_t kDatagramTruncated = 1;   // bytes were cut off
constexpr uint32_t kDatagramNewAddress = 2;  // written by JavaScript and not yet taken over
constexpr uint32_t kDatagramAddressWords = 4;  // the words hold the address

// The size of the segments, as a message to sendmmsg(2) carries it.
union SegmentControl {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

class DatagramBatch {
 public:
  // The memory must outlive every call but not the batch.
  DatagramBatch(uint32_t capacity, uint32_t size_max, uint32_t* headers, uint32_t* addresses);

  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

  uint32_t capacity() const { return capacity_; }
  // What the batch holds itself, beside the memory of JavaScript.
  size_t own_bytes() const {
    return capacity_ * (sizeof(Address) + sizeof(iovec) + 2 * sizeof(sys::BatchMessage) +
                        sizeof(SegmentControl));
  }
  size_t payload_bytes() const { return static_cast<size_t>(capacity_) * size_max_; }

  // How many datagrams came, from slot 0 on; -EAGAIN if none waits. Fewer
  // than the capacity: no more waited at that moment.
  int receive(int fd, uint8_t* payloads);

  // Sends the datagrams from `start` up to and without `end`, in order, and
  // returns how many went: fewer mean that the system has no room. An error
  // of a datagram is returned at once; word 0 then counts those before it.
  int send(int fd, uint8_t* payloads, uint32_t start, uint32_t end);

  // Writes the address of a datagram that was received into its words.
  void read_address(uint32_t index);

 private:
  uint32_t& size_of(uint32_t index) {
    return headers_[kBatchHeaderWords + index * kBatchDatagramWords];
  }
  uint32_t& flags_of(uint32_t index) {
    return headers_[kBatchHeaderWords + index * kBatchDatagramWords + 1];
  }

  void set_base(uint8_t* payloads);
  void prepare_receive();
  void prepare_send(uint32_t start, uint32_t end);
  void take_address(uint32_t index);
  int receive_each(int fd);
  int send_runs(int fd, uint32_t start, uint32_t end);
  uint32_t run_length(uint32_t start, uint32_t end) const;
  void set_run(uint32_t run, uint32_t start, uint32_t length);
  int send_each(int fd, uint32_t start, uint32_t end);

  const uint32_t capacity_;
  const uint32_t size_max_;
  uint32_t* const headers_;
  uint32_t* const addresses_;

  uint8_t* base_ = nullptr;  // where the vectors point; JavaScript may move it
  uint32_t used_ = 0;        // slots from here on are as prepare_receive() leaves them
  bool lacks_receive_ = false;  // recvmmsg(2) was -ENOSYS
  bool lacks_send_ = false;     // sendmmsg(2) was
  bool lacks_segments_ = false;  // a run was refused whose datagrams were not
  std::vector<Address> names_;
  std::vector<iovec> parts_;
  std::vector<sys::BatchMessage> messages_;
  std::vector<sys::BatchMessage> runs_;  // made from messages_ by each send
  std::vector<SegmentControl> controls_;
};

}  // namespace millrace
