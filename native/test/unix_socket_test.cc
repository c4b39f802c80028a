// Unix sockets, pipes and foreign descriptors as unix_socket.h promises them.
#include "../core/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "check.h"
#include "support.h"

namespace millrace::test {

namespace {

// A name that nobody else has, and that is gone with its socket.
Address unique_name() {
  static int count = 0;
  const std::string text = std::to_string(getpid()) + "-" + std::to_string(count++);
  const std::string name = std::string(1, '\0') + "millrace-test-" + text;
  Address address = {};
  unix_address(name.data(), name.size(), &address);
  return address;
}

std::string path_of(const Address& address) {
  const char* path;
  const size_t size = unix_path(address, &path);
  return std::string(path == nullptr ? "" : path, size);
}

bool has_flags(int fd) {
  return (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK);
}

struct Ends {
  explicit Ends(int (*open)(int[2])) {
    int ends[2] = {-1, -1};
    result = open(ends);
    first = Descriptor(ends[0]);
    second = Descriptor(ends[1]);
  }
  int result;
  Descriptor first;
  Descriptor second;
};

int open_stream_pair(int ends[2]) { return unix_pair(UnixPairKind::kStream, ends); }
int open_datagram_pair(int ends[2]) { return unix_pair(UnixPairKind::kDatagram, ends); }

// Sends several descriptors in one message, as only strangers do.
void send_many(int fd, const std::vector<int>& passed) {
  iovec part = {const_cast<char*>("x"), 1};
  std::vector<char> control(CMSG_SPACE(passed.size() * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(passed.size() * sizeof(int));
  memcpy(CMSG_DATA(header), passed.data(), passed.size() * sizeof(int));
  CHECK_EQ(::sendmsg(fd, &message, 0), 1);
}

// For a signal that must not arrive.
volatile sig_atomic_t sigpipes = 0;
void count_sigpipe(int) { sigpipes = sigpipes + 1; }

}  // namespace

TEST(a_path_is_checked_before_the_kernel_sees_it) {
  Address address = {};
  const std::string longest(107, 'p');
  CHECK_EQ(unix_address("", 0, &address), -EINVAL);
  CHECK_EQ(unix_address("a\0b", 3, &address), -EINVAL);
  CHECK_EQ(unix_address(longest.data(), longest.size(), &address), 0);
  CHECK(path_of(address) == longest);
  const std::string longer(108, 'p');
  CHECK_EQ(unix_address(longer.data(), longer.size(), &address), -ENAMETOOLONG);
  const std::string name = std::string(1, '\0') + std::string(107, 'n');
  CHECK_EQ(unix_address(name.data(), name.size(), &address), 0);
  CHECK(path_of(address) == name);
  const std::string longer_name = name + "n";
  CHECK_EQ(unix_address(longer_name.data(), longer_name.size(), &address), -ENAMETOOLONG);
  CHECK(path_of(loopback()).empty());
}

TEST(unix_connections_are_made_at_once_and_carry_bytes) {
  const Address address = unique_name();
  CHECK_EQ(unix_connect(address), -ECONNREFUSED);
  const Descriptor listener(unix_listen(address, 4));
  REQUIRE(listener.is_open());
  CHECK_EQ(unix_listen(address, 4), -EADDRINUSE);
  CHECK_EQ(tcp_accept(listener.get()), -EAGAIN);
  const Descriptor client(unix_connect(address));
  const Descriptor server(tcp_accept(listener.get()));
  REQUIRE(server.is_open());
  for (const int fd : {listener.get(), client.get(), server.get()}) CHECK(has_flags(fd));
  char buffer[8];
  CHECK_EQ(socket_write(client.get(), "ping", 4), 4);
  CHECK_EQ(socket_read(server.get(), buffer, sizeof(buffer)), 4);
  Address peer = {};
  CHECK_EQ(socket_peer_address(client.get(), &peer), 0);
  CHECK(path_of(peer) == path_of(address));
  CHECK_EQ(socket_peer_address(server.get(), &peer), 0);
  CHECK(path_of(peer).empty());
  Address missing = {};
  unix_address("/nonexistent/path", 17, &missing);
  CHECK_EQ(unix_connect(missing), -ENOENT);
}

TEST(unix_datagrams_say_where_they_are_from) {
  const Address left_name = unique_name();
  const Address right_name = unique_name();
  const Descriptor left(unix_datagram_open(&left_name));
  const Descriptor right(unix_datagram_open(&right_name));
  const Descriptor nameless(unix_datagram_open(nullptr));
  CHECK_EQ(unix_datagram_send_to(left.get(), "12345", 5, right_name), 5);
  CHECK_EQ(unix_datagram_send_to(nameless.get(), "1", 1, right_name), 1);
  char buffer[4];
  Address from = {};
  bool truncated = false;
  CHECK_EQ(udp_receive_from(right.get(), buffer, sizeof(buffer), &from, &truncated), 4);
  CHECK(truncated);
  CHECK(path_of(from) == path_of(left_name));
  CHECK_EQ(udp_receive_from(right.get(), buffer, sizeof(buffer), &from, &truncated), 1);
  CHECK(path_of(from).empty());
  CHECK_EQ(unix_datagram_connect(right.get(), left_name), 0);
  CHECK_EQ(socket_write(right.get(), "x", 1), 1);
  CHECK_EQ(socket_read(left.get(), buffer, sizeof(buffer)), 1);
}

TEST(pairs_and_pipes_are_cloexec_and_nonblocking) {
  for (const auto open : {open_stream_pair, open_datagram_pair, pipe_open}) {
    const Ends ends(open);
    REQUIRE(ends.result == 0);
    CHECK(has_flags(ends.first.get()));
    CHECK(has_flags(ends.second.get()));
    char byte;
    CHECK_EQ(file_read(ends.first.get(), &byte, 1), -EAGAIN);
    CHECK_EQ(file_write(ends.second.get(), "x", 1), 1);
    CHECK_EQ(file_read(ends.first.get(), &byte, 1), 1);
  }
}

TEST(a_descriptor_arrives_with_its_flags_and_the_sender_keeps_its_own) {
  const Ends ends(open_stream_pair);
  int plain[2];
  REQUIRE(::pipe(plain) == 0);
  Descriptor reader(plain[0]);
  const Descriptor writer(plain[1]);
  CHECK_EQ(unix_send_descriptor(ends.first.get(), "abc", 3, reader.get()), 3);
  CHECK(fcntl(reader.get(), F_GETFD) >= 0);
  reader = Descriptor();
  char buffer[8];
  ReceivedDescriptor received;
  CHECK_EQ(unix_receive_descriptor(ends.second.get(), buffer, sizeof(buffer), &received), 3);
  const Descriptor passed(received.fd);
  REQUIRE(passed.is_open());
  CHECK(!received.lost);
  CHECK(has_flags(passed.get()));
  CHECK_EQ(file_write(writer.get(), "x", 1), 1);
  CHECK_EQ(file_read(passed.get(), buffer, sizeof(buffer)), 1);
  CHECK_EQ(unix_receive_descriptor(ends.second.get(), buffer, 1, &received), -EAGAIN);
  CHECK_EQ(unix_send_descriptor(ends.first.get(), "x", 1, 9999), -EBADF);
}

TEST(of_several_descriptors_in_a_message_one_is_kept_and_none_leaks) {
  const Ends ends(open_stream_pair);
  const int before = open_descriptors();
  for (const size_t count : {2, 3, 64}) {
    send_many(ends.first.get(), std::vector<int>(count, ends.first.get()));
    char byte;
    ReceivedDescriptor received;
    CHECK_EQ(unix_receive_descriptor(ends.second.get(), &byte, 1, &received), 1);
    CHECK(received.lost);
    CHECK(received.fd >= 0);
    CHECK_EQ(open_descriptors(), before + 1);
    close_descriptor(received.fd);
  }
}

TEST(what_cannot_be_kept_is_closed_and_told_of) {
  const Ends ends(open_stream_pair);
  const int before = open_descriptors();
  // Flags that cannot be read, then flags that cannot be set.
  for (const uint64_t nth : {1, 2}) {
    CHECK_EQ(unix_send_descriptor(ends.first.get(), "x", 1, ends.first.get()), 1);
    sys::inject_fault(sys::Call::kFcntl, nth, 1, ENOMEM);
    char byte;
    ReceivedDescriptor received;
    CHECK_EQ(unix_receive_descriptor(ends.second.get(), &byte, 1, &received), 1);
    sys::clear_faults();
    CHECK(received.lost);
    CHECK_EQ(received.fd, -1);
    CHECK_EQ(open_descriptors(), before);
  }
}

TEST(without_a_free_descriptor_the_bytes_still_come) {
  const Ends ends(open_stream_pair);
  CHECK_EQ(unix_send_descriptor(ends.first.get(), "x", 1, ends.first.get()), 1);
  rlimit previous;
  getrlimit(RLIMIT_NOFILE, &previous);
  Descriptor next(dup(ends.first.get()));
  rlimit limit = previous;
  limit.rlim_cur = next.get();
  next = Descriptor();
  setrlimit(RLIMIT_NOFILE, &limit);
  char byte;
  ReceivedDescriptor received;
  const ssize_t size = unix_receive_descriptor(ends.second.get(), &byte, 1, &received);
  setrlimit(RLIMIT_NOFILE, &previous);
  CHECK_EQ(size, 1);
  CHECK(received.lost);
  CHECK_EQ(received.fd, -1);
}

TEST(a_write_to_a_closed_pipe_is_EPIPE_under_every_disposition_of_SIGPIPE) {
  Ends ends(pipe_open);
  ends.first = Descriptor();
  struct sigaction previous;
  sigaction(SIGPIPE, nullptr, &previous);
  sigset_t mask_before;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask_before);
  sigpipes = 0;
  iovec parts[2] = {{const_cast<char*>("a"), 1}, {const_cast<char*>("b"), 1}};
  for (void (*handler)(int) : {SIG_IGN, SIG_DFL, count_sigpipe}) {
    signal(SIGPIPE, handler);
    CHECK_EQ(file_write(ends.second.get(), "x", 1), -EPIPE);
    CHECK_EQ(file_writev(ends.second.get(), parts, 2), -EPIPE);
    sigset_t pending;
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGPIPE));
  }
  // One that was meant for the process is not swallowed with our own.
  CHECK_EQ(sigpipes, 0);
  raise(SIGPIPE);
  CHECK_EQ(sigpipes, 1);
  sigset_t mask_after;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask_after);
  CHECK_EQ(sigismember(&mask_after, SIGPIPE), sigismember(&mask_before, SIGPIPE));
  sigaction(SIGPIPE, &previous, nullptr);
}

TEST(a_closed_pipe_tells_its_other_end) {
  for (const bool reader_closes : {true, false}) {
    Ends ends(pipe_open);
    TestPoller poller;
    const int watched = reader_closes ? ends.second.get() : ends.first.get();
    CHECK_EQ(poller->add(watched, {1, 1}, reader_closes ? kWritable : kReadable, kEdge), 0);
    poller.wait(0);
    (reader_closes ? ends.first : ends.second) = Descriptor();
    REQUIRE(poller.wait(5000) == 1);
    CHECK(poller.events[0].bits & (kHup | kError));
    char byte;
    if (!reader_closes) CHECK_EQ(file_read(watched, &byte, 1), 0);
    poller->remove(watched);
  }
}

TEST(files_are_prepared_and_read_but_no_poller_takes_them) {
  char name[] = "/tmp/millrace-test-XXXXXX";
  const Descriptor file(mkstemp(name));
  unlink(name);
  CHECK_EQ(foreign_prepare(file.get()), 0);
  CHECK(has_flags(file.get()));
  TestPoller poller;
  CHECK_EQ(poller->add(file.get(), {1, 1}, kReadable, kLevel), -EPERM);
  const Descriptor folder(open("/", O_RDONLY));
  CHECK_EQ(poller->add(folder.get(), {1, 1}, kReadable, kLevel), -EPERM);
  CHECK_EQ(foreign_prepare(9999), -EBADF);
}

}  // namespace millrace::test
