/*
 * Closed-loop UDP load for echo servers: each socket keeps a number of
 * datagrams in flight to a port of its own, checks each echo, and sends the
 * next in its place.
 *
 *   udp_load_client IN_FLIGHT SIZE_BYTES MS PORT...
 *
 * It makes one unmeasured round on every socket, prints "ready" and waits for
 * a line on its standard input. Then it runs for MS milliseconds, lets what is
 * in flight come back, prints one line of JSON, and ends with its input.
 *
 * A datagram names its socket, its place among those in flight, and the round
 * of that place: an echo that went astray, came twice or was changed does not
 * match. What is lost is not sent again, so that a loss shows in the report.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull
#define NS_PER_SECOND 1000000000ull

enum { SOCKETS_MAX = 256, IN_FLIGHT_MAX = 256, SIZE_BYTES_MAX = 1472, MS_MAX = 3600 * 1000 };

/* Echoes on their way when time is up get this long to arrive. */
enum { GRACE_MS = 500 };

struct label {
  uint32_t socket;
  uint32_t place;
  uint64_t round;
};

struct socket_state {
  int fd;
  uint32_t index;
  uint64_t rounds[IN_FLIGHT_MAX];
  bool in_flight[IN_FLIGHT_MAX];
};

static struct socket_state sockets[SOCKETS_MAX];
static uint32_t socket_count;
static uint32_t in_flight_max;
static size_t payload_bytes;
static int poller;

static struct mmsghdr messages[IN_FLIGHT_MAX];
static struct iovec parts[IN_FLIGHT_MAX];
static unsigned char payloads[IN_FLIGHT_MAX][SIZE_BYTES_MAX];

/* Of the current phase. */
static uint64_t deadline_ns;
static uint64_t started;
static uint64_t completed;
static uint64_t last_completion_ns;
static uint64_t content_errors;

static void fail(const char *what) {
  fprintf(stderr, "udp_load_client: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

static void open_socket(struct socket_state *state, uint32_t index, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  state->index = index;
  state->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (state->fd < 0) fail("socket");
  if (connect(state->fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = state}};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, state->fd, &event) < 0) fail("epoll_ctl");
}

/* The label, then bytes that follow from it. */
static void fill(unsigned char *payload, const struct label *label) {
  memcpy(payload, label, sizeof *label);
  int byte = (int)((label->round + label->place) & 0xff);
  memset(payload + sizeof *label, byte, payload_bytes - sizeof *label);
}

static bool is_whole(const unsigned char *payload, size_t size, const struct label *label) {
  if (size != payload_bytes) return false;
  unsigned char expected[SIZE_BYTES_MAX];
  fill(expected, label);
  return memcmp(payload, expected, payload_bytes) == 0;
}

/* The first `count` payloads have been filled. */
static void send_all(struct socket_state *state, unsigned count) {
  for (unsigned i = 0; i < count; i++) parts[i].iov_len = payload_bytes;
  for (unsigned sent = 0; sent < count;) {
    int result = sendmmsg(state->fd, messages + sent, count - sent, 0);
    if (result < 0 && errno != EAGAIN && errno != EINTR) fail("sendmmsg");
    if (result > 0) sent += (unsigned)result;
  }
  started += count;
}

static void start_place(struct socket_state *state, uint32_t place, unsigned char *payload) {
  struct label label = {state->index, place, ++state->rounds[place]};
  state->in_flight[place] = true;
  fill(payload, &label);
}

static void receive(struct socket_state *state) {
  for (unsigned i = 0; i < in_flight_max; i++) parts[i].iov_len = SIZE_BYTES_MAX;
  int count = recvmmsg(state->fd, messages, in_flight_max, 0, NULL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) fail("recvmmsg");
  last_completion_ns = now_ns();
  bool goes_on = last_completion_ns < deadline_ns;
  unsigned next = 0;
  for (int i = 0; i < count; i++) {
    struct label label;
    memcpy(&label, payloads[i], sizeof label);
    if (label.socket != state->index || label.place >= in_flight_max ||
        !state->in_flight[label.place] || label.round != state->rounds[label.place] ||
        !is_whole(payloads[i], messages[i].msg_len, &label)) {
      content_errors++;
      continue;
    }
    state->in_flight[label.place] = false;
    completed++;
    /* Into a payload that has been looked at: next is at most i. */
    if (goes_on) start_place(state, label.place, payloads[next++]);
  }
  if (next > 0) send_all(state, next);
}

static uint64_t run_phase(uint64_t duration_ms) {
  started = completed = 0;
  uint64_t begin_ns = now_ns();
  last_completion_ns = begin_ns;
  deadline_ns = begin_ns + duration_ms * NS_PER_MS;
  uint64_t give_up_ns = deadline_ns + GRACE_MS * NS_PER_MS;
  for (uint32_t i = 0; i < socket_count; i++) {
    for (uint32_t place = 0; place < in_flight_max; place++) {
      start_place(&sockets[i], place, payloads[place]);
    }
    send_all(&sockets[i], in_flight_max);
  }
  struct epoll_event events[SOCKETS_MAX];
  while (completed < started) {
    uint64_t now = now_ns();
    if (now >= give_up_ns) break;
    int timeout_ms = (int)((give_up_ns - now) / NS_PER_MS) + 1;
    int count = epoll_wait(poller, events, SOCKETS_MAX, timeout_ms);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) receive(events[i].data.ptr);
  }
  return last_completion_ns - begin_ns;
}

static uint64_t parse(const char *text, uint64_t min, uint64_t max) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || value < min || value > max) {
    fprintf(stderr, "udp_load_client: %s is not a number from %llu to %llu\n", text,
            (unsigned long long)min, (unsigned long long)max);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv) {
  if (argc < 5 || argc - 4 > SOCKETS_MAX) {
    fprintf(stderr, "usage: udp_load_client IN_FLIGHT SIZE_BYTES MS PORT...\n");
    return 2;
  }
  in_flight_max = (uint32_t)parse(argv[1], 1, IN_FLIGHT_MAX);
  payload_bytes = parse(argv[2], sizeof(struct label), SIZE_BYTES_MAX);
  uint64_t duration_ms = parse(argv[3], 1, MS_MAX);
  socket_count = (uint32_t)(argc - 4);
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");
  for (unsigned i = 0; i < in_flight_max; i++) {
    parts[i].iov_base = payloads[i];
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (uint32_t i = 0; i < socket_count; i++) {
    open_socket(&sockets[i], i, (int)parse(argv[4 + i], 1, 65535));
  }

  run_phase(0);
  if (completed < started) {
    fprintf(stderr, "udp_load_client: %llu of %llu echoes came in the first round\n",
            (unsigned long long)completed, (unsigned long long)started);
    return 1;
  }
  puts("ready");
  fflush(stdout);
  char line[16];
  if (fgets(line, sizeof line, stdin) == NULL) return 0;

  uint64_t elapsed_ns = run_phase(duration_ms);
  printf("{\"started\":%llu,\"completed\":%llu,\"elapsedNs\":%llu,\"contentErrors\":%llu}\n",
         (unsigned long long)started, (unsigned long long)completed,
         (unsigned long long)elapsed_ns, (unsigned long long)content_errors);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
  }
  return content_errors == 0 && started == completed ? 0 : 1;
}
