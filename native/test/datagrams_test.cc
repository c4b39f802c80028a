// Batches of datagrams as datagrams.h promises them, on both ways to the
// kernel, and the options of UDP sockets.
#include "../core/datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <string>
#include <vector>

#include "../core/multicast.h"
#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

using sys::Call;

constexpr uint32_t kSizeMax = 16;

// A batch with the memory that JavaScript would have.
struct TestBatch {
  explicit TestBatch(uint32_t capacity)
      : payloads(capacity * kSizeMax),
        headers(kBatchHeaderWords + capacity * kBatchDatagramWords),
        addresses(capacity * kAddressWords),
        batch(capacity, kSizeMax, headers.data(), addresses.data()) {}

  void set(uint32_t index, const std::string& text, const Address* to) {
    memcpy(&payloads[index * kSizeMax], text.data(), text.size());
    uint32_t* words = &addresses[index * kAddressWords];
    memset(words, 0, kAddressWords * sizeof(words[0]));
    if (to != nullptr) address_to_words(*to, words);
    headers[kBatchHeaderWords + index * kBatchDatagramWords] = static_cast<uint32_t>(text.size());
    flags(index) = kDatagramNewAddress | kDatagramAddressWords;
  }

  std::string text(uint32_t index) const {
    const uint32_t size = headers[kBatchHeaderWords + index * kBatchDatagramWords];
    return std::string(reinterpret_cast<const char*>(&payloads[index * kSizeMax]), size);
  }

  uint32_t& flags(uint32_t index) {
    return headers[kBatchHeaderWords + index * kBatchDatagramWords + 1];
  }

  uint32_t port(uint32_t index) {
    batch.read_address(index);
    return addresses[index * kAddressWords + 1];
  }

  int receive(const Descriptor& fd) { return batch.receive(fd.get(), payloads.data()); }
  int send(const Descriptor& fd, uint32_t start, uint32_t end) {
    return batch.send(fd.get(), payloads.data(), start, end);
  }

  std::vector<uint8_t> payloads;
  std::vector<uint32_t> headers;
  std::vector<uint32_t> addresses;
  DatagramBatch batch;
};

// Runs a test on the system's calls for batches, and again without them. A
// batch remembers that they are missing, so each run needs batches of its own.
template <typename Function>
void on_both_paths(Function&& function) {
  for (const bool plain : {false, true}) {
    if (plain) {
      sys::inject_fault(Call::kRecvmmsg, 1, UINT64_MAX, ENOSYS);
      sys::inject_fault(Call::kSendmmsg, 1, UINT64_MAX, ENOSYS);
    }
    function(plain);
    sys::clear_faults();
  }
}

}  // namespace

TEST(a_batch_comes_back_to_where_it_came_from_without_a_copy) {
  on_both_paths([](bool) {
    for (const int family : {AF_INET, AF_INET6}) {
      const Descriptor server(udp_bind(loopback(family), {}));
      const Descriptor left(udp_bind(loopback(family), {}));
      const Descriptor right(udp_bind(loopback(family), {}));
      const Address target = local_address(server.get());
      TestBatch client(3);
      for (uint32_t i = 0; i < 3; i++) client.set(i, std::string(i * 8, 'a' + i), &target);
      CHECK_EQ(client.send(left, 0, 2), 2);
      CHECK_EQ(client.send(right, 2, 3), 1);

      TestBatch echo(8);
      CHECK_EQ(echo.receive(server), 3);
      CHECK(echo.text(0).empty() && echo.text(1) == "bbbbbbbb");
      CHECK(echo.text(2) == "cccccccccccccccc");
      CHECK_EQ(echo.port(1), port_of(local_address(left.get())));
      CHECK_EQ(echo.port(2), port_of(local_address(right.get())));
      CHECK_EQ(echo.send(server, 0, 3), 3);
      CHECK_EQ(echo.headers[0], 3u);
      CHECK_EQ(client.receive(left), 2);
      CHECK(client.text(1) == "bbbbbbbb");
      CHECK_EQ(client.receive(right), 1);
      CHECK(client.text(0) == "cccccccccccccccc");
      CHECK_EQ(client.receive(right), -EAGAIN);
    }
  });
}

TEST(a_batch_takes_no_more_than_it_holds_and_forgets_what_it_did_before) {
  on_both_paths([](bool) {
    const Descriptor server(udp_bind(loopback(), {}));
    const Descriptor client(udp_bind(loopback(), {}));
    const Address target = local_address(server.get());
    TestBatch sending(3);
    TestBatch receiving(2);
    // Short ones first: room for the long ones must be made again.
    for (const size_t size : {size_t{1}, size_t{kSizeMax}, size_t{0}, size_t{5}}) {
      for (uint32_t i = 0; i < 3; i++) sending.set(i, std::string(size, 'x'), &target);
      CHECK_EQ(sending.send(client, 0, 3), 3);
      CHECK_EQ(receiving.receive(server), 2);
      CHECK_EQ(receiving.text(1).size(), size);
      CHECK_EQ(receiving.send(server, 0, 2), 2);
      CHECK_EQ(receiving.receive(server), 1);
      CHECK_EQ(receiving.text(0).size(), size);
      CHECK_EQ(receiving.receive(server), -EAGAIN);
      CHECK_EQ(sending.receive(client), 2);
      CHECK_EQ(sending.receive(client), -EAGAIN);
    }
  });
}

TEST(what_does_not_fit_into_a_slot_is_marked) {
  on_both_paths([](bool) {
    const Descriptor server(udp_bind(loopback(), {}));
    const Descriptor client(udp_bind(loopback(), {}));
    const std::string texts[] = {std::string(kSizeMax, 'a'), std::string(kSizeMax + 1, 'b'), "c"};
    for (const std::string& text : texts) {
      udp_send_to(client.get(), text.data(), text.size(), local_address(server.get()));
    }
    TestBatch batch(4);
    CHECK_EQ(batch.receive(server), 3);
    CHECK_EQ(batch.text(1).size(), kSizeMax);
    CHECK_EQ(batch.flags(0), 0u);
    CHECK_EQ(batch.flags(1), kDatagramTruncated);
    CHECK_EQ(batch.flags(2), 0u);
  });
}

TEST(without_an_address_a_datagram_goes_to_the_connected_peer_or_nowhere) {
  on_both_paths([](bool) {
    const Descriptor server(udp_bind(loopback(), {}));
    const Descriptor client(udp_bind(loopback(), {}));
    TestBatch batch(2);
    batch.set(0, "a", nullptr);
    CHECK_EQ(batch.send(client, 0, 1), -EDESTADDRREQ);
    CHECK_EQ(batch.headers[0], 0u);
    udp_connect(client.get(), local_address(server.get()));
    CHECK_EQ(batch.send(client, 0, 1), 1);
    CHECK_EQ(batch.receive(server), 1);
    CHECK(batch.text(0) == "a");
  });
}

TEST(an_error_in_the_middle_is_told_with_the_count_before_it) {
  on_both_paths([](bool) {
    const Descriptor server(udp_bind(loopback(), {}));
    const Descriptor client(udp_bind(loopback(), {}));
    const Address target = local_address(server.get());
    const Address other_family = loopback(AF_INET6);
    TestBatch batch(4);
    for (uint32_t i = 0; i < 4; i++) batch.set(i, "a", i == 2 ? &other_family : &target);
    CHECK_EQ(batch.send(client, 0, 4), -EAFNOSUPPORT);
    CHECK_EQ(batch.headers[0], 2u);
    CHECK_EQ(batch.send(client, 3, 4), 1);
    CHECK_EQ(batch.receive(server), 3);
  });
}

TEST(no_room_is_a_short_count_and_then_none) {
  for (const bool plain : {false, true}) {
    const Call call = plain ? Call::kSendto : Call::kSendmmsg;
    const Descriptor server(udp_bind(loopback(), {}));
    const Address target = local_address(server.get());
    TestBatch batch(3);
    for (uint32_t i = 0; i < 3; i++) batch.set(i, "a", &target);
    if (plain) sys::inject_fault(Call::kSendmmsg, 1, UINT64_MAX, ENOSYS);
    sys::inject_fault(call, plain ? 2 : 1, UINT64_MAX, EAGAIN);
    CHECK_EQ(batch.send(server, 0, 3), plain ? 1 : 0);
    CHECK_EQ(batch.send(server, 0, 3), 0);
    sys::clear_faults();
    CHECK_EQ(batch.send(server, 1, 3), 2);
  }
}

TEST(a_run_that_is_refused_as_such_goes_one_by_one) {
  for (const int error : {EINVAL, EMSGSIZE, EIO}) {
    const Descriptor self(udp_bind(loopback(), {}));
    const Address target = local_address(self.get());
    TestBatch batch(8);
    for (uint32_t i = 0; i < 8; i++) batch.set(i, std::string(1 + i / 3, 'x'), &target);
    sys::inject_fault(Call::kSendmmsg, 1, 1, error);
    CHECK_EQ(batch.send(self, 0, 8), 8);
    sys::clear_faults();
    CHECK_EQ(batch.receive(self), 8);
    CHECK(batch.text(2) == "x" && batch.text(3) == "xx" && batch.text(7) == "xxx");
    CHECK_EQ(batch.send(self, 0, 8), 8);
    // What is wrong with or without runs is an error.
    sys::inject_fault(Call::kSendmmsg, 1, 2, error);
    CHECK_EQ(batch.send(self, 0, 8), -error);
    sys::clear_faults();
  }
}

TEST(runs_are_no_longer_than_the_kernel_takes) {
  const Descriptor sender(udp_bind(loopback(), {}));
  UdpOptions options;
  options.receive_buffer_bytes = 1 << 20;
  const Descriptor receiver(udp_bind(loopback(), options));
  const Address target = local_address(receiver.get());
  for (const uint32_t count : {63u, 64u, 65u, 128u, 130u}) {
    TestBatch batch(count);
    for (uint32_t i = 0; i < count; i++) batch.set(i, std::to_string(100 + i), &target);
    CHECK_EQ(batch.send(sender, 0, count), static_cast<int>(count));
    CHECK_EQ(batch.receive(receiver), static_cast<int>(count));
    for (uint32_t i = 0; i < count; i++) CHECK(batch.text(i) == std::to_string(100 + i));
  }
}

TEST(the_memory_may_move_between_calls) {
  const Descriptor self(udp_bind(loopback(), {}));
  const Address target = local_address(self.get());
  TestBatch batch(2);
  batch.set(0, "a", &target);
  CHECK_EQ(batch.send(self, 0, 1), 1);
  std::vector<uint8_t> elsewhere(batch.payloads.size(), 'b');
  batch.payloads.swap(elsewhere);
  CHECK_EQ(batch.send(self, 0, 1), 1);
  CHECK_EQ(batch.receive(self), 2);
  CHECK(batch.text(0) == "a" && batch.text(1) == "b");
}

TEST(udp_options_suit_the_family_of_the_socket) {
  const struct {
    int family;
    int level;
    int ttl;
    int loop;
    int hops;
  } rows[] = {
      {AF_INET, IPPROTO_IP, IP_TTL, IP_MULTICAST_LOOP, IP_MULTICAST_TTL},
      {AF_INET6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_MULTICAST_HOPS},
  };
  for (const auto& row : rows) {
    const Descriptor fd(udp_bind(loopback(row.family), {}));
    const auto is_set = [&](UdpOption option, int level, int name, int value) {
      int seen = -1;
      socklen_t length = sizeof(seen);
      return udp_set_option(fd.get(), option, value) == 0 &&
             getsockopt(fd.get(), level, name, &seen, &length) == 0 && seen == value;
    };
    for (const int value : {1, 7, 255}) {
      CHECK(is_set(UdpOption::kTtl, row.level, row.ttl, value));
      CHECK(is_set(UdpOption::kMulticastTtl, row.level, row.hops, value));
    }
    CHECK(is_set(UdpOption::kMulticastTtl, row.level, row.hops, 0));
    for (const int value : {0, 1}) {
      CHECK(is_set(UdpOption::kMulticastLoop, row.level, row.loop, value));
      CHECK(is_set(UdpOption::kBroadcast, SOL_SOCKET, SO_BROADCAST, value));
    }
    CHECK_EQ(udp_set_option(fd.get(), static_cast<UdpOption>(99), 1), -ENOPROTOOPT);
  }
  CHECK_EQ(udp_set_option(9999, UdpOption::kTtl, 1), -EBADF);
}

TEST(a_group_is_joined_once_and_left_once) {
  const uint32_t ipv4_words[kAddressWords] = {4, 0, 0xefff0707, 0, 0, 0, 0, 0};
  const uint32_t ipv6_words[kAddressWords] = {6, 0, 0xff020000, 0, 0, 0x777, 0, 0};
  const int loopback_index = interface_index("lo");
  REQUIRE(loopback_index > 0);
  CHECK_EQ(interface_index("no-such-interface"), -ENODEV);
  for (const int family : {AF_INET, AF_INET6}) {
    const Descriptor fd(udp_bind(loopback(family), {}));
    const bool is_ipv6 = family == AF_INET6;
    Address group;
    address_from_words(is_ipv6 ? ipv6_words : ipv4_words, &group);
    const uint32_t chosen = is_ipv6 ? static_cast<uint32_t>(loopback_index) : INADDR_LOOPBACK;
    CHECK_EQ(multicast_join(fd.get(), group, chosen), 0);
    CHECK_EQ(multicast_join(fd.get(), group, chosen), -EADDRINUSE);
    CHECK_EQ(multicast_leave(fd.get(), group, chosen), 0);
    CHECK_EQ(multicast_leave(fd.get(), group, chosen), -EADDRNOTAVAIL);
    CHECK_EQ(multicast_join(fd.get(), loopback(family), chosen), -EINVAL);
    CHECK_EQ(multicast_set_interface(fd.get(), family, chosen), 0);
    CHECK_EQ(multicast_set_interface(fd.get(), family, 0), 0);
    group.storage.ss_family = AF_UNSPEC;
    CHECK_EQ(multicast_join(fd.get(), group, chosen), -EAFNOSUPPORT);
  }
}

}  // namespace millrace::test
