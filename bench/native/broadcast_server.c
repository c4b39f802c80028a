/*
 * Sends what one connection says to all of them, on level-triggered epoll,
 * single-threaded: the practical limit that the benchmarks measure other
 * servers against.
 *
 *   broadcast_server PORT|PATH
 *
 * Its policy is that of `echo_server.c`, with one difference: for a connection
 * whose kernel buffer is full nothing is kept, it is dropped. The load never
 * lets one get so far behind.
 *
 * Prints its address when it listens and ends when its standard input does, so
 * that it cannot outlive the program that started it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"

enum { BUFFER_BYTES = 64 * 1024, EVENTS_MAX = 1024, BACKLOG = 1024, CONNECTIONS_MAX = 65536 };

/* Their descriptors, without gaps, and where in that list a descriptor stands. */
static int connections[CONNECTIONS_MAX];
static int connection_count;
static int place_of[CONNECTIONS_MAX];

static int poller;
static int listener;
static struct endpoint endpoint;
static unsigned char buffer[BUFFER_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "broadcast_server: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void open_listener(void) {
  listener = endpoint_socket(&endpoint, SOCK_NONBLOCK);
  if (listener < 0) fail("socket");
  if (bind(listener, &endpoint.address.any, endpoint.length) < 0) fail("bind");
  if (listen(listener, BACKLOG) < 0) fail("listen");
  if (endpoint_print(&endpoint, listener) < 0) fail("getsockname");
}

static void accept_all(void) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return;
    if (fd < 0) fail("accept4");
    if (fd >= CONNECTIONS_MAX) {
      close(fd);
      continue;
    }
    if (endpoint_set_no_delay(&endpoint, fd) < 0) fail("TCP_NODELAY");
    place_of[fd] = connection_count;
    connections[connection_count++] = fd;
    watch(fd);
  }
}

static void drop(int fd) {
  int last = connections[--connection_count];
  connections[place_of[fd]] = last;
  place_of[last] = place_of[fd];
  close(fd);
}

/* Backwards: one that is dropped on the way is replaced by one that has been served. */
static void send_to_all(const unsigned char *bytes, size_t size) {
  for (int i = connection_count - 1; i >= 0; i--) {
    ssize_t written = send(connections[i], bytes, size, MSG_NOSIGNAL);
    if (written != (ssize_t)size) drop(connections[i]);
  }
}

static void on_readable(int fd) {
  ssize_t size = recv(fd, buffer, sizeof buffer, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size > 0) send_to_all(buffer, (size_t)size);
  else drop(fd);
}

/* The input carries no commands; all that matters is its end. */
static bool input_ended(void) {
  char ignored[256];
  ssize_t size = read(STDIN_FILENO, ignored, sizeof ignored);
  return size == 0 || (size < 0 && errno != EINTR);
}

/* Of a connection that was dropped for another's sake there may still be an event. */
static bool is_open(int fd) {
  return place_of[fd] < connection_count && connections[place_of[fd]] == fd;
}

int main(int argc, char **argv) {
  if (argc != 2 || !endpoint_parse(argv[1], &endpoint)) {
    fprintf(stderr, "usage: broadcast_server PORT|PATH\n");
    return 2;
  }
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");
  open_listener();
  watch(listener);
  watch(STDIN_FILENO);

  static struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == STDIN_FILENO) {
        if (input_ended()) return 0;
      } else if (fd == listener) {
        accept_all();
      } else if (is_open(fd)) {
        on_readable(fd);
      }
    }
  }
}
