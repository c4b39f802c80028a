/*
 * Closed-loop load for servers that send what one connection says to all of
 * them: a few connections speak, each of them one message at a time, and every
 * connection, the speaker too, has to hear it.
 *
 *   broadcast_client PORT|PATH CONNECTIONS SIZE_BYTES MS
 *
 * It opens all connections, has one message heard, unmeasured, prints "ready"
 * and waits for a line on its standard input. Then it runs for MS milliseconds,
 * lets the messages in flight arrive, prints one line of JSON, in which what is
 * started and completed are deliveries to one connection and the latency is
 * that of the last one, and keeps the connections until its input ends.
 *
 * A speaker has one message in flight, so that the server reads it whole and
 * need not look for its end. The message names its speaker and round; what
 * follows is of both. So one that is lost, doubled, mixed with another or out
 * of turn is noticed, on each connection by itself.
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

enum { SPEAKERS_MAX = 4, SIZE_BYTES_MAX = 16 * 1024, RECEIVE_BYTES = 64 * 1024 };

struct label {
  uint32_t speaker;
  uint32_t round;
};

struct connection {
  int fd;
  bool failed;
  /* Of each speaker, the round that it has to hear next. */
  uint32_t rounds[SPEAKERS_MAX];
  /* The beginning of a message whose rest has not come yet. */
  size_t partial_bytes;
  unsigned char *partial;
  uint64_t deliveries;
};

/*
 * They speak on the last connections. Servers accept in the order in which the
 * connections came: one that has heard the last of them knows all, and leaves
 * nobody out.
 */
struct speaker {
  uint32_t round;
  uint32_t heard_by;
  bool in_flight;
  uint64_t started_ns;
};

static int poller;
static size_t message_bytes;
static unsigned char *pattern;
static struct connection *connections;
static uint32_t connection_count;
static struct speaker speakers[SPEAKERS_MAX];
static uint32_t speaker_count;

/* Of the current phase. */
static uint64_t deadline_ns;
static uint64_t started;
static uint64_t completed;
static uint32_t in_flight_count;
static uint64_t last_completion_ns;
static struct latencies latencies;

static uint64_t content_errors;
static uint64_t broken_connections;

static void give_up(struct connection *connection, uint64_t *reason) {
  (*reason)++;
  connection->failed = true;
  epoll_ctl(poller, EPOLL_CTL_DEL, connection->fd, NULL);
}

static const unsigned char *text_of(uint32_t index, uint32_t round) {
  return pattern + window_of(index, round);
}

static void speak(uint32_t index, uint64_t at_ns) {
  static unsigned char message[SIZE_BYTES_MAX];
  struct speaker *speaker = &speakers[index];
  struct connection *connection = &connections[connection_count - 1 - index];
  struct label label = {.speaker = index, .round = speaker->round};
  memcpy(message, &label, sizeof label);
  memcpy(message + sizeof label, text_of(index, label.round), message_bytes - sizeof label);
  speaker->heard_by = 0;
  speaker->in_flight = true;
  speaker->started_ns = at_ns;
  in_flight_count++;
  started += connection_count;
  /* Nothing else is on its way to the server, so that the kernel has room for all of it. */
  ssize_t size = send(connection->fd, message, message_bytes, MSG_NOSIGNAL);
  if (size != (ssize_t)message_bytes) give_up(connection, &broken_connections);
}

static void heard(uint32_t index) {
  struct speaker *speaker = &speakers[index];
  speaker->heard_by++;
  if (speaker->heard_by < connection_count) return;
  uint64_t now = now_ns();
  note_latency(&latencies, now - speaker->started_ns);
  last_completion_ns = now;
  speaker->in_flight = false;
  speaker->round++;
  in_flight_count--;
  if (now < deadline_ns) speak(index, now);
}

/* False if it is not what this connection has to hear next of the speaker that it names. */
static bool take_message(struct connection *connection, const unsigned char *message) {
  struct label label;
  memcpy(&label, message, sizeof label);
  if (label.speaker >= speaker_count) return false;
  if (!speakers[label.speaker].in_flight) return false;
  if (label.round != speakers[label.speaker].round) return false;
  if (label.round != connection->rounds[label.speaker]) return false;
  const unsigned char *text = text_of(label.speaker, label.round);
  if (memcmp(message + sizeof label, text, message_bytes - sizeof label) != 0) return false;
  connection->rounds[label.speaker]++;
  connection->deliveries++;
  completed++;
  heard(label.speaker);
  return true;
}

static bool take_bytes(struct connection *connection, const unsigned char *bytes, size_t size) {
  while (size > 0) {
    if (connection->partial_bytes == 0 && size >= message_bytes) {
      if (!take_message(connection, bytes)) return false;
      bytes += message_bytes;
      size -= message_bytes;
      continue;
    }
    size_t missing = message_bytes - connection->partial_bytes;
    size_t part = size < missing ? size : missing;
    memcpy(connection->partial + connection->partial_bytes, bytes, part);
    connection->partial_bytes += part;
    bytes += part;
    size -= part;
    if (connection->partial_bytes < message_bytes) return true;
    connection->partial_bytes = 0;
    if (!take_message(connection, connection->partial)) return false;
  }
  return true;
}

static void receive(struct connection *connection) {
  static unsigned char bytes[RECEIVE_BYTES];
  ssize_t size = recv(connection->fd, bytes, sizeof bytes, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    give_up(connection, &broken_connections);
  } else if (!take_bytes(connection, bytes, (size_t)size)) {
    give_up(connection, &content_errors);
  }
}

/* ---- phases ---- */

static void open_connections(const struct endpoint *server) {
  for (uint32_t i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    connection->fd = open_connection(server, i);
    connection->partial = malloc(message_bytes);
    if (connection->partial == NULL) fail("malloc");
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) < 0) fail("epoll_ctl");
  }
}

/* So many of the speakers are heard once, and go on until the time is up. */
static uint64_t run_phase(uint64_t duration_ms, uint32_t speaking) {
  started = completed = 0;
  memset(&latencies, 0, sizeof latencies);
  uint64_t begin_ns = now_ns();
  last_completion_ns = begin_ns;
  deadline_ns = begin_ns + duration_ms * NS_PER_MS;
  uint64_t give_up_ns = deadline_ns + GRACE_MS * NS_PER_MS;
  for (uint32_t i = 0; i < connection_count; i++) connections[i].deliveries = 0;
  for (uint32_t i = 0; i < speaking; i++) speak(i, now_ns());
  static struct epoll_event events[EVENTS_MAX];
  while (in_flight_count > 0) {
    uint64_t now = now_ns();
    if (now >= give_up_ns) break;
    int timeout_ms = (int)((give_up_ns - now) / NS_PER_MS) + 1;
    int count = epoll_wait(poller, events, EVENTS_MAX, timeout_ms);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!connection->failed) receive(connection);
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
    if (connections[i].deliveries == 0) figures.idle_connections++;
  }
  print_report(&figures, &latencies);
}

int main(int argc, char **argv) {
  struct endpoint server;
  if (argc != 5 || !endpoint_parse(argv[1], &server)) {
    fprintf(stderr, "usage: broadcast_client PORT|PATH CONNECTIONS SIZE_BYTES MS\n");
    return 2;
  }
  connection_count = (uint32_t)parse_number(argv[2], CONNECTIONS_MAX);
  message_bytes = parse_number(argv[3], SIZE_BYTES_MAX);
  uint64_t duration_ms = parse_number(argv[4], 3600 * 1000);
  speaker_count = connection_count < SPEAKERS_MAX ? connection_count : SPEAKERS_MAX;
  if (message_bytes <= sizeof(struct label)) {
    fprintf(stderr, "broadcast_client: a message has more than %zu bytes\n", sizeof(struct label));
    return 2;
  }

  connections = calloc(connection_count, sizeof *connections);
  if (connections == NULL) fail("malloc");
  pattern = make_pattern(message_bytes);
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");

  open_connections(&server);
  run_phase(0, 1);
  if (completed < connection_count) {
    fprintf(stderr, "broadcast_client: the first message reached %llu of %u connections\n",
            (unsigned long long)completed, connection_count);
    return 1;
  }
  if (!told_to_go()) return 0;
  report(run_phase(duration_ms, speaker_count));
  wait_for_end_of_input();
  bool clean = content_errors == 0 && broken_connections == 0 && started == completed;
  return clean ? 0 : 1;
}
