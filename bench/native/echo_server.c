/*
 * Stream echo server on level-triggered epoll, single-threaded: the practical
 * limit that the benchmarks measure other servers against.
 *
 *   echo_server PORT|PATH
 *
 * Its policy is the one of the Millrace server beside it, so that the two
 * differ in the runtime only: accept until would-block; one read per event
 * into one shared buffer; write at once; keep what the kernel did not take and
 * stop reading until that is gone. A second read per event, just to be told
 * "would block", is left out on purpose: with level triggering the next
 * epoll_wait reports what is left.
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

enum { BUFFER_BYTES = 64 * 1024, EVENTS_MAX = 1024, BACKLOG = 1024 };

struct connection {
  int fd;
  /* Bytes that the kernel has not taken yet; NULL while reading. */
  unsigned char *pending;
  size_t pending_bytes;
  size_t written_bytes;
};

static int poller;
static int listener;
static struct endpoint endpoint;
static unsigned char buffer[BUFFER_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "echo_server: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* `owner` tells the events apart: the address of `listener`, NULL for standard input. */
static void watch(int operation, int fd, unsigned events, void *owner) {
  struct epoll_event event = {.events = events, .data = {.ptr = owner}};
  if (epoll_ctl(poller, operation, fd, &event) < 0) fail("epoll_ctl");
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
    if (endpoint_set_no_delay(&endpoint, fd) < 0) fail("TCP_NODELAY");
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) fail("calloc");
    connection->fd = fd;
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, connection);
  }
}

/*
 * No later event of the same batch can name this connection: each descriptor
 * is registered once and so appears once per epoll_wait.
 */
static void drop(struct connection *connection) {
  close(connection->fd);
  free(connection->pending);
  free(connection);
}

/* Bytes taken, 0 if none could be, -1 if the connection is beyond use. */
static ssize_t write_some(int fd, const unsigned char *bytes, size_t size) {
  ssize_t written = send(fd, bytes, size, MSG_NOSIGNAL);
  if (written >= 0) return written;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static void pause_reading(struct connection *connection, const unsigned char *rest, size_t size) {
  connection->pending = malloc(size);
  if (connection->pending == NULL) fail("malloc");
  memcpy(connection->pending, rest, size);
  connection->pending_bytes = size;
  connection->written_bytes = 0;
  watch(EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection);
}

static void on_readable(struct connection *connection) {
  ssize_t size = recv(connection->fd, buffer, sizeof buffer, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    drop(connection);
    return;
  }
  ssize_t written = write_some(connection->fd, buffer, (size_t)size);
  if (written < 0) {
    drop(connection);
  } else if (written < size) {
    pause_reading(connection, buffer + written, (size_t)(size - written));
  }
}

static void on_writable(struct connection *connection) {
  size_t left = connection->pending_bytes - connection->written_bytes;
  const unsigned char *rest = connection->pending + connection->written_bytes;
  ssize_t written = write_some(connection->fd, rest, left);
  if (written < 0) {
    drop(connection);
    return;
  }
  connection->written_bytes += (size_t)written;
  if (connection->written_bytes < connection->pending_bytes) return;
  free(connection->pending);
  connection->pending = NULL;
  watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection);
}

/* The input carries no commands; all that matters is its end. */
static bool input_ended(void) {
  char ignored[256];
  ssize_t size = read(STDIN_FILENO, ignored, sizeof ignored);
  return size == 0 || (size < 0 && errno != EINTR);
}

int main(int argc, char **argv) {
  if (argc != 2 || !endpoint_parse(argv[1], &endpoint)) {
    fprintf(stderr, "usage: echo_server PORT|PATH\n");
    return 2;
  }
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");
  open_listener();
  watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
  watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, NULL);

  static struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      void *owner = events[i].data.ptr;
      if (owner == NULL) {
        if (input_ended()) return 0;
      } else if (owner == &listener) {
        accept_all();
      } else if (((struct connection *)owner)->pending != NULL) {
        on_writable(owner);
      } else {
        on_readable(owner);
      }
    }
  }
}
