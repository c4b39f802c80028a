// Helpers that tests of several files share; see support.h.
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::test {

int open_descriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) count++;
  closedir(directory);
  return count;
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000; i++) {
    if (condition()) return true;
    sleep_ms(1);
  }
  return condition();
}

void sleep_ms(int milliseconds) { usleep(milliseconds * 1000); }

Address loopback(int family) {
  uint32_t words[kAddressWords] = {4, 0, INADDR_LOOPBACK, 0, 0, 0, 0, 0};
  if (family == AF_INET6) {
    words[0] = 6;
    words[2] = 0;
    words[5] = 1;
  }
  Address address;
  address_from_words(words, &address);
  return address;
}

uint16_t port_of(const Address& address) {
  uint32_t words[kAddressWords];
  address_to_words(address, words);
  return static_cast<uint16_t>(words[1]);
}

Address local_address(int fd) {
  Address address = {};
  socket_local_address(fd, &address);
  return address;
}

TestPoller::TestPoller(uint32_t events_capacity) : events(events_capacity) {
  int error = 0;
  poller = Poller::open(default_backend(), events_capacity, &error);
}

int TestPoller::wait(int timeout_ms) { return poller->wait(events.data(), timeout_ms, &full); }

SocketPair::SocketPair() {
  int ends[2] = {-1, -1};
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
  a = Descriptor(ends[0]);
  b = Descriptor(ends[1]);
}

TcpPair::TcpPair(int family) {
  const Descriptor listener(tcp_listen(loopback(family), {}));
  client = Descriptor(tcp_connect(local_address(listener.get())));
  server = Descriptor(accept_eventually(listener.get()));
}

sys::Call wait_call() {
  switch (default_backend()) {
    case Backend::kEpoll:
      return sys::Call::kEpollWait;
    case Backend::kKqueue:
      return sys::Call::kKeventWait;
    case Backend::kPoll:
      break;
  }
  return sys::Call::kPoll;
}

void put_byte(const Descriptor& fd) { socket_write(fd.get(), "x", 1); }

void drain(const Descriptor& fd) {
  char buffer[4096];
  while (socket_read(fd.get(), buffer, sizeof(buffer)) > 0) {
  }
}

bool wait_readable(int fd) {
  pollfd entry = {fd, POLLIN, 0};
  return ::poll(&entry, 1, 5000) == 1;
}

int accept_eventually(int listener) {
  if (!wait_readable(listener)) return -EAGAIN;
  return tcp_accept(listener);
}

}  // namespace millrace::test
