// Conversions between the kernel's socket addresses and the eight words that
// JavaScript sees; the layout is drawn in address.h.
#include "address.h"

#include <netinet/in.h>
#include <string.h>

namespace millrace {

namespace {

constexpr uint32_t kFamilyNone = 0;
constexpr uint32_t kFamilyIpv4 = 4;
constexpr uint32_t kFamilyIpv6 = 6;
constexpr int kIpv6Words = 4;

template <typename SocketAddress>
void store(const SocketAddress& source, Address* address) {
  memset(&address->storage, 0, sizeof(address->storage));
  memcpy(&address->storage, &source, sizeof(source));
  address->length = sizeof(source);
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
  address->storage.ss_len = sizeof(source);
#endif
}

void ipv4_from_words(const uint32_t* words, Address* address) {
  sockaddr_in ipv4 = {};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(static_cast<uint16_t>(words[1]));
  ipv4.sin_addr.s_addr = htonl(words[2]);
  store(ipv4, address);
}

void ipv6_from_words(const uint32_t* words, Address* address) {
  sockaddr_in6 ipv6 = {};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(static_cast<uint16_t>(words[1]));
  for (int i = 0; i < kIpv6Words; i++) {
    const uint32_t word = htonl(words[2 + i]);
    memcpy(&ipv6.sin6_addr.s6_addr[i * sizeof(word)], &word, sizeof(word));
  }
  ipv6.sin6_scope_id = words[6];
  ipv6.sin6_flowinfo = htonl(words[7]);
  store(ipv6, address);
}

}  // namespace

bool address_from_words(const uint32_t* words, Address* address) {
  switch (words[0]) {
    case kFamilyIpv4:
      ipv4_from_words(words, address);
      return true;
    case kFamilyIpv6:
      ipv6_from_words(words, address);
      return true;
    default:
      return false;
  }
}

void address_to_words(const Address& address, uint32_t* words) {
  // Copies, not casts: sockaddr_storage and the types of the families may not
  // alias each other as far as the compiler is concerned.
  memset(words, 0, kAddressWords * sizeof(words[0]));
  words[0] = kFamilyNone;
  if (address.family() == AF_INET) {
    sockaddr_in ipv4;
    memcpy(&ipv4, &address.storage, sizeof(ipv4));
    words[0] = kFamilyIpv4;
    words[1] = ntohs(ipv4.sin_port);
    words[2] = ntohl(ipv4.sin_addr.s_addr);
  } else if (address.family() == AF_INET6) {
    sockaddr_in6 ipv6;
    memcpy(&ipv6, &address.storage, sizeof(ipv6));
    words[0] = kFamilyIpv6;
    words[1] = ntohs(ipv6.sin6_port);
    for (int i = 0; i < kIpv6Words; i++) {
      uint32_t word;
      memcpy(&word, &ipv6.sin6_addr.s6_addr[i * sizeof(word)], sizeof(word));
      words[2 + i] = ntohl(word);
    }
    words[6] = ipv6.sin6_scope_id;
    words[7] = ntohl(ipv6.sin6_flowinfo);
  }
}

}  // namespace millrace
