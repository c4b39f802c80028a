// Sockets as socket.h promises them, over loopback.
#include "../core/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>

#include <set>
#include <string>

#include "../core/poll_thread.h"
#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

constexpr int kDescriptorsMax = 256;

bool is_cloexec_and_nonblocking(int fd) {
  return (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK);
}

std::string read_text(const Descriptor& fd) {
  char buffer[256];
  if (!wait_readable(fd.get())) return "(nothing came)";
  const ssize_t size = socket_read(fd.get(), buffer, sizeof(buffer));
  return size < 0 ? strerror(-static_cast<int>(size)) : std::string(buffer, size);
}

int int_option(const Descriptor& fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  getsockopt(fd.get(), level, name, &value, &length);
  return value;
}

void reset(Descriptor* fd) {
  socket_set_option(fd->get(), SocketOption::kLingerMs, 0);
  *fd = Descriptor();
}

}  // namespace

TEST(what_is_written_comes_back_on_ipv4_and_ipv6) {
  for (const int family : {AF_INET, AF_INET6}) {
    TcpPair pair(family);
    REQUIRE(pair.server.is_open());
    char buffer[8];
    CHECK_EQ(socket_read(pair.server.get(), buffer, sizeof(buffer)), -EAGAIN);
    CHECK_EQ(socket_write(pair.client.get(), "ping", 4), 4);
    CHECK(read_text(pair.server) == "ping");
    CHECK_EQ(socket_write(pair.server.get(), "pong", 4), 4);
    CHECK(read_text(pair.client) == "pong");
  }
}

TEST(addresses_of_both_ends_agree) {
  for (const int family : {AF_INET, AF_INET6}) {
    TcpPair pair(family);
    Address peer = {};
    CHECK_EQ(socket_peer_address(pair.server.get(), &peer), 0);
    CHECK_EQ(peer.family(), family);
    CHECK_EQ(port_of(peer), port_of(local_address(pair.client.get())));
  }
}

TEST(every_socket_is_cloexec_and_nonblocking) {
  const Descriptor listener(tcp_listen(loopback(), {}));
  const Descriptor udp(udp_bind(loopback(), {}));
  const TcpPair pair;
  for (const int fd : {listener.get(), udp.get(), pair.client.get(), pair.server.get()}) {
    CHECK(is_cloexec_and_nonblocking(fd));
  }
}

TEST(every_descriptor_of_pollers_and_the_poll_thread_is_cloexec) {
  std::set<int> before;
  for (int fd = 0; fd < kDescriptorsMax; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) before.insert(fd);
  }
  struct Deaf final : WakeTarget {
    void on_ready() override {}
  } target;
  TestPoller poller;
  int error = 0;
  PollThread::acquire();
  PollThread::Entry* const entry = PollThread::attach(poller.poller.get(), &target, &error);
  int opened = 0;
  for (int fd = 0; fd < kDescriptorsMax; fd++) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || before.count(fd) != 0) continue;
    CHECK(flags & FD_CLOEXEC);
    opened++;
  }
  CHECK(opened >= 2);
  PollThread::detach(entry);
  PollThread::release();
}

TEST(a_half_closed_connection_still_carries_the_other_direction) {
  TcpPair pair;
  socket_write(pair.client.get(), "last", 4);
  CHECK_EQ(socket_shutdown(pair.client.get(), ShutdownHow::kWrite), 0);
  CHECK(read_text(pair.server) == "last");
  CHECK(read_text(pair.server).empty());
  CHECK_EQ(socket_write(pair.server.get(), "answer", 6), 6);
  CHECK(read_text(pair.client) == "answer");
  CHECK_EQ(socket_write(pair.client.get(), "x", 1), -EPIPE);
}

TEST(a_reset_is_ECONNRESET_and_then_EPIPE_ten_thousand_times_without_SIGPIPE) {
  TcpPair pair;
  reset(&pair.client);
  REQUIRE(wait_readable(pair.server.get()));
  char buffer[8];
  CHECK_EQ(socket_read(pair.server.get(), buffer, sizeof(buffer)), -ECONNRESET);
  iovec parts[2] = {{buffer, 1}, {buffer, 1}};
  for (int i = 0; i < 10000; i++) {
    CHECK_EQ(socket_write(pair.server.get(), "x", 1), -EPIPE);
    CHECK_EQ(socket_writev(pair.server.get(), parts, 2), -EPIPE);
  }
}

TEST(linger_0_resets_and_no_linger_does_not) {
  TcpPair resetting;
  reset(&resetting.client);
  CHECK(read_text(resetting.server) == strerror(ECONNRESET));
  TcpPair closing;
  socket_set_option(closing.client.get(), SocketOption::kLingerMs, 0);
  CHECK_EQ(socket_set_option(closing.client.get(), SocketOption::kLingerMs, -1), 0);
  closing.client = Descriptor();
  CHECK(read_text(closing.server).empty());
}

TEST(a_refused_connection_is_an_event_and_its_cause_is_taken_once) {
  Descriptor listener(tcp_listen(loopback(), {}));
  const Address address = local_address(listener.get());
  listener = Descriptor();
  const Descriptor client(tcp_connect(address));
  if (!client.is_open()) {
    CHECK_EQ(client.get(), -ECONNREFUSED);
    return;
  }
  TestPoller poller;
  poller->add(client.get(), {1, 1}, kReadable | kWritable, kLevel);
  REQUIRE(poller.wait(5000) == 1);
  CHECK(poller.events[0].bits & kError);
  CHECK_EQ(socket_take_error(client.get()), ECONNREFUSED);
  CHECK_EQ(socket_take_error(client.get()), 0);
}

TEST(listening_where_somebody_listens_is_EADDRINUSE_unless_shared) {
  const Descriptor listener(tcp_listen(loopback(), {}));
  CHECK_EQ(tcp_listen(local_address(listener.get()), {}), -EADDRINUSE);
  ListenOptions shared;
  shared.reuse_port = true;
  const Descriptor first(tcp_listen(loopback(), shared));
  const Descriptor second(tcp_listen(local_address(first.get()), shared));
  CHECK(first.is_open() && second.is_open());
}

TEST(a_port_can_be_listened_on_again_while_old_connections_wait) {
  Descriptor listener(tcp_listen(loopback(), {}));
  const Address address = local_address(listener.get());
  Descriptor client(tcp_connect(address));
  Descriptor server(accept_eventually(listener.get()));
  server = Descriptor();  // This side closes first and keeps TIME_WAIT.
  listener = Descriptor();
  client = Descriptor();
  listener = Descriptor(tcp_listen(address, {}));
  CHECK(listener.is_open());
}

TEST(an_ipv6_wildcard_takes_ipv4_only_if_asked) {
  uint32_t words[kAddressWords] = {6, 0, 0, 0, 0, 0, 0, 0};
  for (const bool ipv6_only : {false, true}) {
    Address wildcard;
    address_from_words(words, &wildcard);
    ListenOptions options;
    options.ipv6_only = ipv6_only;
    const Descriptor listener(tcp_listen(wildcard, options));
    REQUIRE(listener.is_open());
    uint32_t target[kAddressWords] = {4, port_of(local_address(listener.get())),
                                      INADDR_LOOPBACK, 0, 0, 0, 0, 0};
    Address ipv4;
    address_from_words(target, &ipv4);
    const Descriptor client(tcp_connect(ipv4));
    sleep_ms(2);
    const Descriptor server(tcp_accept(listener.get()));
    CHECK_EQ(server.is_open(), !ipv6_only);
  }
}

TEST(accept_says_EAGAIN_when_nobody_waits_and_skips_the_dead) {
  const Descriptor listener(tcp_listen(loopback(), {}));
  CHECK_EQ(tcp_accept(listener.get()), -EAGAIN);
  const Descriptor client(tcp_connect(local_address(listener.get())));
  REQUIRE(wait_readable(listener.get()));
  for (const int error : {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EPERM}) {
    sys::inject_fault(sys::Call::kAccept, 1, 3, error);
    const Descriptor server(tcp_accept(listener.get()));
    CHECK(server.get() >= 0 || server.get() == -EAGAIN);
    CHECK_EQ(sys::fault_calls(sys::Call::kAccept), 4u);
  }
  // An error that stays is the listener's own and comes back.
  sys::inject_fault(sys::Call::kAccept, 1, UINT64_MAX, ENETDOWN);
  CHECK_EQ(tcp_accept(listener.get()), -ENETDOWN);
  sys::clear_faults();
  CHECK_EQ(tcp_accept(client.get()), -EINVAL);
}

TEST(without_descriptors_accept_and_probe_say_EMFILE_until_one_is_free) {
  const Descriptor listener(tcp_listen(loopback(), {}));
  const Descriptor client(tcp_connect(local_address(listener.get())));
  REQUIRE(wait_readable(listener.get()));
  CHECK_EQ(probe_descriptor(), 0);
  rlimit previous;
  getrlimit(RLIMIT_NOFILE, &previous);
  Descriptor next(dup(client.get()));
  rlimit limit = previous;
  limit.rlim_cur = next.get();
  next = Descriptor();
  setrlimit(RLIMIT_NOFILE, &limit);
  CHECK_EQ(probe_descriptor(), -EMFILE);
  CHECK_EQ(tcp_accept(listener.get()), -EMFILE);
  limit.rlim_cur++;
  setrlimit(RLIMIT_NOFILE, &limit);
  CHECK_EQ(probe_descriptor(), 0);
  const Descriptor server(tcp_accept(listener.get()));
  setrlimit(RLIMIT_NOFILE, &previous);
  CHECK(server.is_open());
}

TEST(more_buffers_than_the_kernel_takes_are_a_short_write) {
  SocketPair pair;
  char byte = 'x';
  const std::vector<iovec> parts(IOV_MAX + 10, iovec{&byte, 1});
  CHECK_EQ(socket_writev(pair.a.get(), parts.data(), static_cast<int>(parts.size())), IOV_MAX);
  CHECK_EQ(socket_writev(pair.a.get(), parts.data(), 3), 3);
}

TEST(a_full_socket_is_EAGAIN_after_short_writes) {
  TcpPair pair;
  const std::vector<char> block(1 << 20);
  ssize_t result = 0;
  while (result >= 0) result = socket_write(pair.client.get(), block.data(), block.size());
  CHECK_EQ(result, -EAGAIN);
}

TEST(options_are_set_and_taken_back) {
  TcpPair pair;
  const Descriptor& fd = pair.client;
  for (const int on : {1, 0}) {
    CHECK_EQ(socket_set_option(fd.get(), SocketOption::kNoDelay, on), 0);
    CHECK_EQ(int_option(fd, IPPROTO_TCP, TCP_NODELAY), on);
  }
  const int times[][2] = {{0, 1}, {1, 1}, {1000, 1}, {1001, 2}, {60000, 60}};
  for (const auto& [idle_ms, seconds] : times) {
    CHECK_EQ(socket_set_option(fd.get(), SocketOption::kKeepAliveMs, idle_ms), 0);
    CHECK_EQ(int_option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(int_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), seconds);
  }
  CHECK_EQ(socket_set_option(fd.get(), SocketOption::kKeepAliveMs, -1), 0);
  CHECK_EQ(int_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  CHECK_EQ(socket_set_option(fd.get(), SocketOption::kKeepAliveMs, INT_MAX), -EINVAL);
  CHECK_EQ(int_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  CHECK_EQ(socket_set_option(fd.get(), static_cast<SocketOption>(99), 1), -EINVAL);
  CHECK_EQ(socket_set_option(fd.get(), SocketOption::kLingerMs, 1001), 0);
  linger value;
  socklen_t length = sizeof(value);
  getsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &value, &length);
  CHECK(value.l_onoff && value.l_linger == 2);
  socket_set_option(fd.get(), SocketOption::kLingerMs, -1);
}

TEST(a_datagram_that_does_not_fit_is_cut_and_said_to_be) {
  for (const int family : {AF_INET, AF_INET6}) {
    const Descriptor receiver(udp_bind(loopback(family), {}));
    const Descriptor sender(udp_bind(loopback(family), {}));
    const Address target = local_address(receiver.get());
    char buffer[4];
    Address from = {};
    bool truncated = true;
    CHECK_EQ(udp_receive_from(receiver.get(), buffer, 4, &from, &truncated), -EAGAIN);
    for (const char* text : {"", "123", "1234", "12345"}) {
      const ssize_t size = static_cast<ssize_t>(strlen(text));
      CHECK_EQ(udp_send_to(sender.get(), text, size, target), size);
      REQUIRE(wait_readable(receiver.get()));
      CHECK_EQ(udp_receive_from(receiver.get(), buffer, 4, &from, &truncated),
               size < 4 ? size : 4);
      CHECK_EQ(truncated, size > 4);
      CHECK_EQ(port_of(from), port_of(local_address(sender.get())));
    }
  }
}

TEST(a_connected_udp_socket_reads_and_writes_like_a_stream) {
  const Descriptor a(udp_bind(loopback(), {}));
  const Descriptor b(udp_bind(loopback(), {}));
  CHECK_EQ(udp_connect(a.get(), local_address(b.get())), 0);
  CHECK_EQ(udp_connect(b.get(), local_address(a.get())), 0);
  CHECK_EQ(socket_write(a.get(), "hello", 5), 5);
  CHECK(read_text(b) == "hello");
}

TEST(udp_options_are_applied) {
  UdpOptions options;
  options.reuse_address = true;
  options.reuse_port = true;
  options.receive_buffer_bytes = 50000;
  options.send_buffer_bytes = 40000;
  const Descriptor first(udp_bind(loopback(), options));
  const Descriptor second(udp_bind(local_address(first.get()), options));
  CHECK(first.is_open() && second.is_open());
  CHECK(int_option(first, SOL_SOCKET, SO_RCVBUF) >= 50000);
  CHECK(int_option(first, SOL_SOCKET, SO_SNDBUF) >= 40000);
  CHECK_EQ(udp_bind(local_address(first.get()), {}), -EADDRINUSE);
}

TEST(operations_on_a_closed_number_are_EBADF) {
  char buffer[8];
  CHECK_EQ(socket_read(9999, buffer, 1), -EBADF);
  CHECK_EQ(socket_write(9999, buffer, 1), -EBADF);
  CHECK_EQ(socket_take_error(9999), -EBADF);
  CHECK_EQ(close_descriptor(9999), -EBADF);
}

}  // namespace millrace::test
