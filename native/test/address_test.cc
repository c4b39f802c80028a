// The eight words of address.h against what the system's own functions make.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "../core/address.h"
#include "check.h"

namespace millrace::test {

TEST(ipv4_words_are_the_kernels_address) {
  const uint32_t words[kAddressWords] = {4, 8080, 0x7f000001, 0, 0, 0, 0, 0};
  Address address;
  REQUIRE(address_from_words(words, &address));
  sockaddr_in expected = {};
  expected.sin_family = AF_INET;
  expected.sin_port = htons(8080);
  inet_pton(AF_INET, "127.0.0.1", &expected.sin_addr);
  CHECK_EQ(address.length, sizeof(expected));
  CHECK_EQ(memcmp(&address.storage, &expected, sizeof(expected)), 0);
}

TEST(ipv6_words_are_the_kernels_address_with_scope_and_flow) {
  const uint32_t words[kAddressWords] = {6, 65535, 0xfe800000, 0, 0x01234567, 0x89abcdef, 3, 9};
  Address address;
  REQUIRE(address_from_words(words, &address));
  sockaddr_in6 expected = {};
  expected.sin6_family = AF_INET6;
  expected.sin6_port = htons(65535);
  inet_pton(AF_INET6, "fe80::123:4567:89ab:cdef", &expected.sin6_addr);
  expected.sin6_scope_id = 3;
  expected.sin6_flowinfo = htonl(9);
  CHECK_EQ(address.length, sizeof(expected));
  CHECK_EQ(memcmp(&address.storage, &expected, sizeof(expected)), 0);
}

TEST(words_come_back_as_they_went_in) {
  const uint32_t both[2][kAddressWords] = {{4, 1, 0xffffffff, 0, 0, 0, 0, 0},
                                           {6, 2, 1, 0x80000000, 3, 4, 5, 6}};
  for (const auto& words : both) {
    Address address;
    REQUIRE(address_from_words(words, &address));
    uint32_t back[kAddressWords];
    memset(back, 0xee, sizeof(back));
    address_to_words(address, back);
    for (int i = 0; i < kAddressWords; i++) CHECK_EQ(back[i], words[i]);
  }
}

TEST(unknown_families_are_refused_one_way_and_none_the_other) {
  const uint32_t words[kAddressWords] = {5, 1, 1, 1, 1, 1, 1, 1};
  Address address = {};
  CHECK(!address_from_words(words, &address));
  address.storage.ss_family = AF_UNIX;
  uint32_t back[kAddressWords] = {7, 7, 7, 7, 7, 7, 7, 7};
  address_to_words(address, back);
  for (const uint32_t word : back) CHECK_EQ(word, 0u);
}

}  // namespace millrace::test
