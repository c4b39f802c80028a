// Options of UDP sockets over the wrappers of sys.h; the contract is multicast.h.
#include "multicast.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "socket.h"
#include "sys.h"

namespace millrace {

namespace {

// The names of RFC 3493, and what some systems call them instead.
#ifdef IPV6_ADD_MEMBERSHIP
constexpr int kJoinIpv6 = IPV6_ADD_MEMBERSHIP;
constexpr int kLeaveIpv6 = IPV6_DROP_MEMBERSHIP;
#else
constexpr int kJoinIpv6 = IPV6_JOIN_GROUP;
constexpr int kLeaveIpv6 = IPV6_LEAVE_GROUP;
#endif

template <typename Value>
int set_option(int fd, int level, int name, Value value) {
  return sys::setsockopt(fd, level, name, &value, sizeof(value));
}

// The options of IPv4 multicast are bytes: Linux takes numbers as well, the
// systems from Berkeley do not.
int set_ipv4_option(int fd, UdpOption option, int value) {
  const unsigned char byte = static_cast<unsigned char>(value);
  switch (option) {
    case UdpOption::kTtl:
      return set_option(fd, IPPROTO_IP, IP_TTL, value);
    case UdpOption::kMulticastLoop:
      return set_option(fd, IPPROTO_IP, IP_MULTICAST_LOOP, byte);
    case UdpOption::kMulticastTtl:
      return set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, byte);
    default:
      return -ENOPROTOOPT;
  }
}

int set_ipv6_option(int fd, UdpOption option, int value) {
  switch (option) {
    case UdpOption::kTtl:
      return set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value);
    case UdpOption::kMulticastLoop:
      return set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, value);
    case UdpOption::kMulticastTtl:
      return set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, value);
    default:
      return -ENOPROTOOPT;
  }
}

// One function for joining and leaving, which differ in the option's name.
int set_membership(int fd, const Address& group, uint32_t interface, bool join) {
  if (group.family() == AF_INET) {
    sockaddr_in ipv4;
    memcpy(&ipv4, &group.storage, sizeof(ipv4));
    ip_mreq request = {};
    request.imr_multiaddr = ipv4.sin_addr;
    request.imr_interface.s_addr = htonl(interface);
    return set_option(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, request);
  }
  if (group.family() != AF_INET6) return -EAFNOSUPPORT;
  sockaddr_in6 ipv6;
  memcpy(&ipv6, &group.storage, sizeof(ipv6));
  ipv6_mreq request = {};
  request.ipv6mr_multiaddr = ipv6.sin6_addr;
  request.ipv6mr_interface = interface;
  return set_option(fd, IPPROTO_IPV6, join ? kJoinIpv6 : kLeaveIpv6, request);
}

}  // namespace

int udp_set_option(int fd, UdpOption option, int value) {
  if (option == UdpOption::kBroadcast) return set_option(fd, SOL_SOCKET, SO_BROADCAST, value);
  Address self;
  const int result = socket_local_address(fd, &self);
  if (result < 0) return result;
  const bool is_ipv6 = self.family() == AF_INET6;
  return is_ipv6 ? set_ipv6_option(fd, option, value) : set_ipv4_option(fd, option, value);
}

int multicast_join(int fd, const Address& group, uint32_t interface) {
  return set_membership(fd, group, interface, true);
}

int multicast_leave(int fd, const Address& group, uint32_t interface) {
  return set_membership(fd, group, interface, false);
}

int multicast_set_interface(int fd, int family, uint32_t interface) {
  if (family == AF_INET6) {
    const int index = static_cast<int>(interface);
    return set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
  }
  in_addr address = {};
  address.s_addr = htonl(interface);
  return set_option(fd, IPPROTO_IP, IP_MULTICAST_IF, address);
}

int interface_index(const char* name) {
  const unsigned index = if_nametoindex(name);
  // Whatever was tried inside, nobody can do anything but name another one.
  return index == 0 ? -ENODEV : static_cast<int>(index);
}

}  // namespace millrace
