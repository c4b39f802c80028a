// What a UDP socket can be told beyond binding: groups of multicast, and
// where, how far and to whom its datagrams go. IPv4 and IPv6 have options of
// different names and types for the same thing; the socket's own family
// decides which. Results are 0 or -errno.
#pragma once

#include <cstdint>

#include "address.h"

namespace millrace {

// Numbers shared with src/poll/datagram-io.ts.
enum class UdpOption : int {
  kBroadcast = 0,      // value: 0 or 1
  kTtl = 1,            // value: 1 to 255
  kMulticastLoop = 2,  // value: 0 or 1
  kMulticastTtl = 3,   // value: 0 to 255
};
constexpr int kUdpOptionLast = static_cast<int>(UdpOption::kMulticastTtl);

int udp_set_option(int fd, UdpOption option, int value);

// An interface is named as the family names it: by one of its addresses for
// IPv4 (a number in host order), by its index for IPv6. 0 leaves the choice to
// the system.
int multicast_join(int fd, const Address& group, uint32_t interface);
int multicast_leave(int fd, const Address& group, uint32_t interface);
int multicast_set_interface(int fd, int family, uint32_t interface);

// The index of the interface of this name; -ENODEV if there is none.
int interface_index(const char* name);

}  // namespace millrace
