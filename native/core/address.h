// Socket addresses, as the kernel has them and as JavaScript has them.
//
// JavaScript exchanges addresses through eight words of shared memory, so
// that no object is created for an address on the hot path:
//
//   word 0     family: 4, 6, or 0 for none
//   word 1     port
//   word 2..5  the address in network order, read as big-endian numbers;
//              IPv4 uses word 2 alone
//   word 6     scope id (IPv6 link-local), else 0
//   word 7     flow label, else 0
#pragma once

#include <sys/socket.h>

#include <cstdint>

namespace millrace {

constexpr int kAddressWords = 8;

struct Address {
  sockaddr_storage storage;
  socklen_t length;

  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// False if word 0 names no family.
bool address_from_words(const uint32_t* words, Address* address);

// Writes family 0 for what is neither IPv4 nor IPv6.
void address_to_words(const Address& address, uint32_t* words);

}  // namespace millrace
