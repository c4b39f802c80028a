/*
 * Closed-loop load for stream echo servers: every connection sends a payload,
 * waits for the whole echo, checks it, and sends the next.
 *
 *   load_client PORT|PATH CONNECTIONS SIZE_BYTES MS
 *
 * It opens all connections, makes one unmeasured round trip on each, prints
 * "ready" and waits for a line on its standard input; so the server's CPU time
 * can be read with the connections up and nothing in flight. Then it runs for
 * MS milliseconds, lets the round trips in flight complete, prints one line of
 * JSON, and keeps the connections until its input ends. Input that ends instead
 * of saying "go" ends it as well: that is how a benchmark holds connections
 * which are known to work, and idle.
 *
 * It is C because it must cost less than any server it measures: both share
 * the machine, and a slow client would make all servers look alike.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "stream_load.h"

enum { SIZE_BYTES_MAX = 16 * 1024 * 1024 };

struct connection {
  int fd;
  uint32_t index;
  uint32_t round;
  bool in_flight;
  bool failed;
  bool wants_writable;
  uint64_t started_ns;
  const unsigned char *payload;
  size_t sent_bytes;
  size_t received_bytes;
  uint64_t round_trips;
};

static int poller;
static size_t payload_bytes;
static unsigned char *pattern;
static unsigned char *scratch;
static struct connection *connections;
static uint32_t connection_count;

/* Of the current phase. */
static uint64_t deadline_ns;
static uint64_t started;
static uint64_t completed;
static uint32_t in_flight_count;
static uint64_t last_completion_ns;
static struct latencies latencies;

static uint64_t content_errors;
static uint64_t broken_connections;

/* ---- one connection ---- */

static void watch(struct connection *connection, int operation, bool wants_writable) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
  if (wants_writable) event.events |= EPOLLOUT;
  if (epoll_ctl(poller, operation, connection->fd, &event) < 0) fail("epoll_ctl");
  connection->wants_writable = wants_writable;
}

static void give_up(struct connection *connection, uint64_t *reason) {
  (*reason)++;
  connection->failed = true;
  if (connection->in_flight) in_flight_count--;
  connection->in_flight = false;
  epoll_ctl(poller, EPOLL_CTL_DEL, connection->fd, NULL);
}

static void send_rest(struct connection *connection) {
  size_t left = payload_bytes - connection->sent_bytes;
  const unsigned char *rest = connection->payload + connection->sent_bytes;
  ssize_t size = send(connection->fd, rest, left, MSG_NOSIGNAL);
  if (size < 0 && errno != EAGAIN && errno != EINTR) {
    give_up(connection, &broken_connections);
    return;
  }
  if (size > 0) connection->sent_bytes += (size_t)size;
  bool wants_writable = connection->sent_bytes < payload_bytes;
  if (wants_writable != connection->wants_writable) {
    watch(connection, EPOLL_CTL_MOD, wants_writable);
  }
}

static void start_round(struct connection *connection, uint64_t at_ns) {
  connection->payload = pattern + window_of(connection->index, connection->round);
  connection->round++;
  connection->sent_bytes = 0;
  connection->received_bytes = 0;
  connection->started_ns = at_ns;
  connection->in_flight = true;
  in_flight_count++;
  started++;
  send_rest(connection);
}

static void complete_round(struct connection *connection) {
  uint64_t now = now_ns();
  note_latency(&latencies, now - connection->started_ns);
  last_completion_ns = now;
  completed++;
  connection->round_trips++;
  connection->in_flight = false;
  in_flight_count--;
  if (now < deadline_ns) start_round(connection, now);
}

static void receive(struct connection *connection) {
  /* Bytes beyond the payload, or with nothing in flight, were never sent. */
  size_t expected = connection->in_flight ? payload_bytes - connection->received_bytes : 0;
  ssize_t size = recv(connection->fd, scratch, payload_bytes + 1, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    give_up(connection, &broken_connections);
    return;
  }
  const unsigned char *sent = connection->payload + connection->received_bytes;
  if ((size_t)size > expected || memcmp(scratch, sent, (size_t)size) != 0) {
    give_up(connection, &content_errors);
    return;
  }
  connection->received_bytes += (size_t)size;
  if (connection->received_bytes == payload_bytes) complete_round(connection);
}

/* ---- phases ---- */

static void open_connections(const struct endpoint *server) {
  for (uint32_t i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    connection->index = i;
    connection->fd = open_connection(server, i);
    watch(connection, EPOLL_CTL_ADD, false);
  }
}

/* Each live connection makes a round trip, and goes on until the time is up. */
static uint64_t run_phase(uint64_t duration_ms) {
  started = completed = 0;
  memset(&latencies, 0, sizeof latencies);
  uint64_t begin_ns = now_ns();
  last_completion_ns = begin_ns;
  deadline_ns = begin_ns + duration_ms * NS_PER_MS;
  uint64_t give_up_ns = deadline_ns + GRACE_MS * NS_PER_MS;
  for (uint32_t i = 0; i < connection_count; i++) {
    connections[i].round_trips = 0;
    if (!connections[i].failed) start_round(&connections[i], now_ns());
  }
  static struct epoll_event events[EVENTS_MAX];
  while (in_flight_count > 0) {
    uint64_t now = now_ns();
    if (now >= give_up_ns) break;
    int timeout_ms = (int)((give_up_ns - now) / NS_PER_MS) + 1;
    int count = epoll_wait(poller, events, EVENTS_MAX, timeout_ms);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) send_rest(connection);
      if (!connection->failed && (events[i].events & ~(uint32_t)EPOLLOUT)) receive(connection);
    }
  }
  return last_completion_ns - begin_ns;
}

static void report(uint64_t elapsed_ns) {
  struct report figures = {
      .started = started,
      .completed = completed,
      .elapsed_ns = elapsed_ns,
      .content_errors = content_errors,
      .broken_connections = broken_connections,
  };
  for (uint32_t i = 0; i < connection_count; i++) {
    if (connections[i].round_trips == 0) figures.idle_connections++;
  }
  print_report(&figures, &latencies);
}

int main(int argc, char **argv) {
  struct endpoint server;
  if (argc != 5 || !endpoint_parse(argv[1], &server)) {
    fprintf(stderr, "usage: load_client PORT|PATH CONNECTIONS SIZE_BYTES MS\n");
    return 2;
  }
  connection_count = (uint32_t)parse_number(argv[2], CONNECTIONS_MAX);
  payload_bytes = parse_number(argv[3], SIZE_BYTES_MAX);
  uint64_t duration_ms = parse_number(argv[4], 3600 * 1000);

  connections = calloc(connection_count, sizeof *connections);
  pattern = make_pattern(payload_bytes);
  scratch = malloc(payload_bytes + 1);
  if (connections == NULL || scratch == NULL) fail("malloc");
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");

  open_connections(&server);
  run_phase(0);
  if (completed < connection_count) {
    fprintf(stderr, "load_client: the first round trip failed on %llu of %u connections\n",
            (unsigned long long)(connection_count - completed), connection_count);
    return 1;
  }
  if (!told_to_go()) return 0;
  report(run_phase(duration_ms));
  wait_for_end_of_input();
  bool clean = content_errors == 0 && broken_connections == 0 && started == completed;
  return clean ? 0 : 1;
}
