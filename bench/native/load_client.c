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
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"

#define NS_PER_MS 1000000ull
#define NS_PER_SECOND 1000000000ull

enum { CONNECTIONS_MAX = 100000, SIZE_BYTES_MAX = 16 * 1024 * 1024, EVENTS_MAX = 1024 };

/*
 * Connections to one port that share a source address. Of the ports that a
 * kernel hands out, the usual range holds 28,000, not all of them free.
 */
enum { CONNECTIONS_PER_ADDRESS = 4096 };

/* Round trips in flight when time is up get this long to complete. */
enum { GRACE_MS = 2000 };

/*
 * Payloads are windows into one block of random bytes. The window moves with
 * connection and round, so that an echo of another connection, of another
 * round or with bytes missing does not match, and no payload is ever built.
 */
enum { WINDOW_STARTS = 64 * 1024 };

/* Latencies fall into 32 buckets per power of two: at most 3 % off. */
enum { BUCKETS_PER_OCTAVE_LOG2 = 5, BUCKETS_PER_OCTAVE = 1 << BUCKETS_PER_OCTAVE_LOG2 };
enum { BUCKETS = (64 - BUCKETS_PER_OCTAVE_LOG2 + 1) * BUCKETS_PER_OCTAVE };

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
static uint64_t latency_max_ns;
static uint64_t histogram[BUCKETS];

static uint64_t content_errors;
static uint64_t broken_connections;

static void fail(const char *what) {
  fprintf(stderr, "load_client: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

/* ---- latency histogram ---- */

static unsigned bucket_of(uint64_t value) {
  if (value < BUCKETS_PER_OCTAVE) return (unsigned)value;
  unsigned shift = 63 - (unsigned)__builtin_clzll(value) - BUCKETS_PER_OCTAVE_LOG2;
  return shift * BUCKETS_PER_OCTAVE + (unsigned)(value >> shift);
}

/* The middle of the bucket: the inverse of bucket_of, as far as there is one. */
static uint64_t value_of(unsigned bucket) {
  if (bucket < 2 * BUCKETS_PER_OCTAVE) return bucket;
  unsigned shift = bucket / BUCKETS_PER_OCTAVE - 1;
  uint64_t low = (uint64_t)(bucket - shift * BUCKETS_PER_OCTAVE) << shift;
  return low + (1ull << shift) / 2;
}

static uint64_t percentile_ns(double fraction) {
  uint64_t rank = (uint64_t)((double)completed * fraction);
  uint64_t seen = 0;
  for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram[bucket];
    if (seen > rank) return value_of(bucket);
  }
  return latency_max_ns;
}

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
  /* Odd factors: consecutive rounds never share a window, nor do neighbours. */
  uint32_t window = connection->index * 2654435761u + connection->round * 40503u;
  connection->payload = pattern + window % WINDOW_STARTS;
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
  uint64_t latency_ns = now - connection->started_ns;
  histogram[bucket_of(latency_ns)]++;
  if (latency_ns > latency_max_ns) latency_max_ns = latency_ns;
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

/* From 127.0.0.1 first, then 127.0.0.2 and so on; all of them are this machine. */
static void bind_source(int fd, uint32_t index) {
  struct sockaddr_in source = {.sin_family = AF_INET};
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / CONNECTIONS_PER_ADDRESS);
  int on = 1;
  /* The port is chosen by connect(), which knows the peer; bind() would need it free for all. */
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0) {
    fail("IP_BIND_ADDRESS_NO_PORT");
  }
  if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
}

static void open_connections(const struct endpoint *server) {
  for (uint32_t i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    connection->index = i;
    connection->fd = endpoint_socket(server, 0);
    if (connection->fd < 0) fail("socket");
    if (!endpoint_is_unix(server)) bind_source(connection->fd, i);
    /* Blocking: the time it takes to connect is not measured. */
    if (connect(connection->fd, &server->address.any, server->length) < 0) fail("connect");
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) < 0) fail("O_NONBLOCK");
    if (endpoint_set_no_delay(server, connection->fd) < 0) fail("TCP_NODELAY");
    watch(connection, EPOLL_CTL_ADD, false);
  }
}

/* Each live connection makes a round trip, and goes on until the time is up. */
static uint64_t run_phase(uint64_t duration_ms) {
  started = completed = latency_max_ns = 0;
  memset(histogram, 0, sizeof histogram);
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
  uint32_t idle_connections = 0;
  for (uint32_t i = 0; i < connection_count; i++) {
    if (connections[i].round_trips == 0) idle_connections++;
  }
  printf("{\"started\":%llu,\"completed\":%llu,\"elapsedNs\":%llu,",
         (unsigned long long)started, (unsigned long long)completed,
         (unsigned long long)elapsed_ns);
  printf("\"contentErrors\":%llu,\"brokenConnections\":%llu,\"idleConnections\":%u,",
         (unsigned long long)content_errors, (unsigned long long)broken_connections,
         idle_connections);
  printf("\"latencyNs\":{\"p50\":%llu,\"p99\":%llu,\"max\":%llu}}\n",
         (unsigned long long)percentile_ns(0.50), (unsigned long long)percentile_ns(0.99),
         (unsigned long long)latency_max_ns);
  fflush(stdout);
}

static void fill_pattern(void) {
  /* xorshift64: any fixed seed will do, as long as 64 bytes tell windows apart. */
  uint64_t state = 0x9e3779b97f4a7c15ull;
  for (size_t i = 0; i < WINDOW_STARTS + payload_bytes; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    pattern[i] = (unsigned char)(state >> 32);
  }
}

static uint64_t parse(const char *text, uint64_t max) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max) {
    fprintf(stderr, "load_client: %s is not a number from 1 to %llu\n", text,
            (unsigned long long)max);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv) {
  struct endpoint server;
  if (argc != 5 || !endpoint_parse(argv[1], &server)) {
    fprintf(stderr, "usage: load_client PORT|PATH CONNECTIONS SIZE_BYTES MS\n");
    return 2;
  }
  connection_count = (uint32_t)parse(argv[2], CONNECTIONS_MAX);
  payload_bytes = parse(argv[3], SIZE_BYTES_MAX);
  uint64_t duration_ms = parse(argv[4], 3600 * 1000);

  connections = calloc(connection_count, sizeof *connections);
  pattern = malloc(WINDOW_STARTS + payload_bytes);
  scratch = malloc(payload_bytes + 1);
  if (connections == NULL || pattern == NULL || scratch == NULL) fail("malloc");
  fill_pattern();
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");

  open_connections(&server);
  run_phase(0);
  if (completed < connection_count) {
    fprintf(stderr, "load_client: the first round trip failed on %llu of %u connections\n",
            (unsigned long long)(connection_count - completed), connection_count);
    return 1;
  }
  puts("ready");
  fflush(stdout);
  char line[16];
  if (fgets(line, sizeof line, stdin) == NULL) return 0;

  report(run_phase(duration_ms));
  while (fgets(line, sizeof line, stdin) != NULL) {
  }
  bool clean = content_errors == 0 && broken_connections == 0 && started == completed;
  return clean ? 0 : 1;
}
