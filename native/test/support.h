// Helpers that tests of several files share.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "../core/address.h"
#include "../core/descriptor.h"
#include "../core/poller.h"
#include "../core/socket.h"
#include "../core/sys.h"

namespace millrace::test {

int open_descriptors();

// Tries again every millisecond for up to five seconds.
bool eventually(const std::function<bool()>& condition);

void sleep_ms(int milliseconds);

// Loopback with port 0; `family` is AF_INET or AF_INET6.
Address loopback(int family = AF_INET);
uint16_t port_of(const Address& address);
Address local_address(int fd);

// A poller of the default backend and its last batch.
struct TestPoller {
  explicit TestPoller(uint32_t events_capacity = 64);

  // The count of events, or -errno.
  int wait(int timeout_ms = 0);

  Poller* operator->() { return poller.get(); }

  std::unique_ptr<Poller> poller;
  std::vector<Event> events;
  bool full = false;
};

// Two connected stream sockets (Unix), non-blocking.
struct SocketPair {
  SocketPair();
  Descriptor a;
  Descriptor b;
};

// A TCP connection over loopback.
struct TcpPair {
  explicit TcpPair(int family = AF_INET);
  Descriptor client;
  Descriptor server;
};

// The kind of call in which a poller of the default backend waits.
sys::Call wait_call();

// Writes one byte, or reads all there is.
void put_byte(const Descriptor& fd);
void drain(const Descriptor& fd);

// Waits until the socket is readable, as poll(2) sees it.
bool wait_readable(int fd);
int accept_eventually(int listener);

}  // namespace millrace::test
