// The fault hook, and what the core makes of system calls that fail.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <set>

#include "../core/datagrams.h"
#include "../core/multicast.h"
#include "../core/poll_thread.h"
#include "../core/unix_socket.h"
#include "../core/waker.h"
#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

using sys::Call;

// A path that would need more calls of one kind than this has no end.
constexpr uint64_t kNthMax = 200;

struct Counter final : WakeTarget {
  std::atomic<int> wakes{0};
  void on_ready() override { wakes++; }
};

// What a step may answer under faults: success, or a plain errno.
void check_result(int64_t result) { CHECK(result >= -4095); }

void echo_once(TestPoller& poller, int client, int server) {
  char buffer[16];
  iovec parts[2] = {{buffer, 2}, {buffer, 2}};
  check_result(poller->add(server, {1, 1}, kReadable, kLevel));
  check_result(socket_write(client, "echo", 4));
  check_result(socket_writev(client, parts, 2));
  check_result(poller.wait(1));
  check_result(socket_read(server, buffer, sizeof(buffer)));
  check_result(poller->modify(server, {1, 2}, kWritable, kEdge | kOneshot));
  check_result(poller.wait(1));
  check_result(poller->remove(server));
  check_result(socket_take_error(client));
  check_result(socket_set_option(client, SocketOption::kNoDelay, 1));
  check_result(socket_shutdown(client, ShutdownHow::kWrite));
}

void use_tcp(TestPoller& poller) {
  const int listener = tcp_listen(loopback(), {});
  check_result(listener);
  if (listener < 0) return;
  Address address = {};
  check_result(socket_local_address(listener, &address));
  // A failed getsockname leaves no address to connect to.
  const int client = address.family() == AF_INET ? tcp_connect(address) : -ENOTCONN;
  check_result(client);
  if (client >= 0) {
    const int server = tcp_accept(listener);
    check_result(server);
    if (server >= 0) {
      check_result(socket_peer_address(server, &address));
      echo_once(poller, client, server);
      check_result(close_descriptor(server));
    }
    check_result(close_descriptor(client));
  }
  check_result(close_descriptor(listener));
}

// Sends a batch to itself, on a connected socket, and back again.
void use_batch(int udp) {
  uint8_t payloads[2 * 4] = {};
  uint32_t headers[kBatchHeaderWords + 2 * kBatchDatagramWords] = {};
  uint32_t addresses[2 * kAddressWords] = {};
  for (uint32_t i = 0; i < 2; i++) {
    headers[kBatchHeaderWords + i * kBatchDatagramWords + 1] = kDatagramNewAddress;
  }
  DatagramBatch batch(2, 4, headers, addresses);
  check_result(batch.send(udp, payloads, 0, 2));
  const int count = batch.receive(udp, payloads);
  check_result(count);
  if (count > 0) check_result(batch.send(udp, payloads, 0, static_cast<uint32_t>(count)));
  check_result(udp_set_option(udp, UdpOption::kMulticastTtl, 1));
}

void use_udp() {
  UdpOptions options;
  options.receive_buffer_bytes = 20000;
  const int udp = udp_bind(loopback(), options);
  check_result(udp);
  if (udp < 0) return;
  const Address self = local_address(udp);
  char buffer[4];
  Address from = {};
  bool truncated = false;
  check_result(udp_connect(udp, self));
  check_result(udp_send_to(udp, "12345", 5, self));
  check_result(udp_receive_from(udp, buffer, sizeof(buffer), &from, &truncated));
  use_batch(udp);
  check_result(close_descriptor(udp));
}

// Everything that gives a descriptor away or takes one, each at its own risk.
void use_descriptor_passing() {
  int ends[2] = {-1, -1};
  int result = unix_pair(UnixPairKind::kStream, ends);
  check_result(result);
  if (result < 0) return;
  const Descriptor left(ends[0]);
  const Descriptor right(ends[1]);
  result = pipe_open(ends);
  check_result(result);
  if (result < 0) return;
  const Descriptor reader(ends[0]);
  const Descriptor writer(ends[1]);
  char buffer[4];
  iovec part = {buffer, 1};
  ReceivedDescriptor received;
  check_result(foreign_prepare(reader.get()));
  check_result(file_write(writer.get(), "x", 1));
  check_result(file_writev(writer.get(), &part, 1));
  check_result(unix_send_descriptor(left.get(), "x", 1, reader.get()));
  check_result(unix_receive_descriptor(right.get(), buffer, 1, &received));
  const Descriptor passed(received.fd);
  if (passed.is_open()) check_result(file_read(passed.get(), buffer, sizeof(buffer)));
}

void use_unix_sockets() {
  const char name[] = "\0millrace-fault-test";
  Address address = {};
  check_result(unix_address(name, sizeof(name) - 1, &address));
  const Descriptor listener(unix_listen(address, 4));
  check_result(listener.get());
  const Descriptor client(unix_connect(address));
  check_result(client.get());
  const Descriptor server(tcp_accept(listener.get()));
  check_result(server.get());
  const Descriptor datagram(unix_datagram_open(nullptr));
  check_result(datagram.get());
  check_result(unix_datagram_send_to(datagram.get(), "x", 1, address));
}

void use_poll_thread(TestPoller& poller) {
  Counter target;
  PollThread::acquire();
  int error = 0;
  PollThread::Entry* const entry = PollThread::attach(poller.poller.get(), &target, &error);
  CHECK_EQ(entry == nullptr, error != 0);
  check_result(error);
  if (entry != nullptr) {
    const int subscribed = PollThread::subscribe(entry, SIGUSR1);
    check_result(subscribed);
    if (subscribed == 0) raise(SIGUSR1);
    check_result(poller->set_deadline(1));
    const int woken = poller->wake();
    check_result(woken);
    // If both succeeded, the wake-up comes, whatever failed elsewhere.
    if (PollThread::arm(entry) == 0 && woken == 0) {
      CHECK(eventually([&] { return target.wakes > 0; }));
    }
    PollThread::detach(entry);
  }
  PollThread::release();
}

// Everything the core does, once, as far as it gets.
void run_scenario() {
  check_result(probe_descriptor());
  TestPoller poller;
  if (poller.poller == nullptr) return;
  use_tcp(poller);
  use_udp();
  use_descriptor_passing();
  use_unix_sockets();
  use_poll_thread(poller);
}

}  // namespace

TEST(every_call_has_a_name_of_its_own) {
  std::set<std::string> names;
  for (int call = 0; call < sys::kCallCount; call++) {
    names.insert(sys::call_name(static_cast<Call>(call)));
  }
  CHECK_EQ(names.size(), static_cast<size_t>(sys::kCallCount));
  CHECK(strcmp(sys::call_name(Call::kSocket), "socket") == 0);
  CHECK(strcmp(sys::call_name(Call::kThread), "thread") == 0);
  CHECK(strcmp(sys::call_name(Call::kWakerWrite), "waker_write") == 0);
}

TEST(a_fault_hits_the_calls_it_was_meant_for_and_is_counted) {
  CHECK_EQ(sys::fault_calls(Call::kSocket), 0u);
  sys::inject_fault(Call::kSocket, 2, 2, EMFILE);
  CHECK_EQ(probe_descriptor(), 0);
  CHECK_EQ(probe_descriptor(), -EMFILE);
  CHECK_EQ(probe_descriptor(), -EMFILE);
  CHECK_EQ(probe_descriptor(), 0);
  CHECK_EQ(sys::fault_calls(Call::kSocket), 4u);
  CHECK_EQ(sys::fault_calls(Call::kBind), 0u);
  sys::clear_faults();
  CHECK_EQ(sys::fault_calls(Call::kSocket), 0u);
}

TEST(an_interrupted_call_is_repeated_except_waits_connect_and_close) {
  sys::inject_fault(Call::kSocket, 1, 3, EINTR);
  CHECK_EQ(probe_descriptor(), 0);
  CHECK_EQ(sys::fault_calls(Call::kSocket), 4u);

  const Descriptor listener(tcp_listen(loopback(), {}));
  sys::inject_fault(Call::kConnect, 1, 1, EINTR);
  const Descriptor client(tcp_connect(local_address(listener.get())));
  CHECK(client.is_open());
  CHECK_EQ(sys::fault_calls(Call::kConnect), 1u);
  const Descriptor server(accept_eventually(listener.get()));
  CHECK(server.is_open());

  sys::inject_fault(Call::kClose, 1, 1, EINTR);
  const int duplicate = dup(client.get());
  CHECK_EQ(close_descriptor(duplicate), 0);
  CHECK_EQ(close_descriptor(duplicate), -EBADF);

  TestPoller poller;
  sys::inject_fault(wait_call(), 1, 1, EINTR);
  CHECK_EQ(poller.wait(0), -EINTR);
  CHECK_EQ(poller.wait(0), 0);
}

TEST(a_full_waker_is_emptied_and_written_again) {
  Waker waker;
  REQUIRE(waker.open() == 0);
  // One less than an eventfd can hold.
  const uint64_t most = UINT64_MAX - 1;
  CHECK_EQ(sys::waker_write(waker.fd(), &most, sizeof(most)), 8);
  CHECK_EQ(waker.wake(), 0);
  CHECK(wait_readable(waker.fd()));
  uint64_t count = 0;
  CHECK_EQ(sys::waker_read(waker.fd(), &count, sizeof(count)), 8);
  CHECK_EQ(count, 1u);
  CHECK_EQ(sys::waker_read(waker.fd(), &count, sizeof(count)), -EAGAIN);
}

// Goal: whatever call fails, whenever it does, nothing crashes, hangs or
// leaks. Method: the whole scenario again and again, with the Nth call of one
// kind failing, for N = 1, 2, ... until no Nth call is made.
TEST(the_nth_failure_of_any_call_is_survived_without_a_leak) {
  int runs = 0;
  for (int call = 0; call < sys::kCallCount; call++) {
    for (const int error : {EMFILE, ENOMEM, EINTR, EAGAIN, ECONNABORTED}) {
      uint64_t nth = 1;
      for (; nth < kNthMax; nth++) {
        const int before = open_descriptors();
        sys::inject_fault(static_cast<Call>(call), nth, 1, error);
        run_scenario();
        const bool was_hit = sys::fault_calls(static_cast<Call>(call)) >= nth;
        sys::clear_faults();
        REQUIRE(eventually([&] { return open_descriptors() == before; }));
        runs++;
        if (!was_hit) break;
      }
      CHECK(nth < kNthMax);
    }
  }
  CHECK(runs > 2 * sys::kCallCount);
}

TEST(a_failure_that_stays_is_survived_too) {
  for (int call = 0; call < sys::kCallCount; call++) {
    // A wait that always fails cannot report, and a waker that never writes
    // cannot wake: those have tests of their own.
    const Call kind = static_cast<Call>(call);
    if (kind == wait_call() || kind == Call::kWakerWrite) continue;
    const int before = open_descriptors();
    sys::inject_fault(kind, 1, UINT64_MAX, ENOMEM);
    run_scenario();
    sys::clear_faults();
    REQUIRE(eventually([&] { return open_descriptors() == before; }));
  }
}

}  // namespace millrace::test
