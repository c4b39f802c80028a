/*
 * UDP echo in C on epoll, recvmmsg(2) and sendmmsg(2): what the machine allows.
 *
 *   udp_echo_server SOCKETS BATCH
 *
 * The policy is that of the Millrace servers beside it: level-triggered, one
 * batch per event into memory shared by all sockets, sent back at once from
 * where it lies. What the kernel has no room to send is dropped, as UDP may.
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
#include <unistd.h>

enum { SOCKETS_MAX = 256, BATCH_MAX = 1024, EVENTS_MAX = 1024, SIZE_MAX_BYTES = 2048 };

static unsigned batch_capacity;
static struct mmsghdr messages[BATCH_MAX];
static struct iovec parts[BATCH_MAX];
static struct sockaddr_in names[BATCH_MAX];
static unsigned char payloads[BATCH_MAX][SIZE_MAX_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "udp_echo_server: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int bind_on_loopback(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
  printf(" %d", ntohs(address.sin_port));
  return fd;
}

static void watch(int poller, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void prepare_messages(void) {
  for (unsigned i = 0; i < batch_capacity; i++) {
    parts[i].iov_base = payloads[i];
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
}

static void echo(int fd) {
  for (unsigned i = 0; i < batch_capacity; i++) {
    parts[i].iov_len = SIZE_MAX_BYTES;
    messages[i].msg_hdr.msg_namelen = sizeof names[i];
  }
  int count = recvmmsg(fd, messages, batch_capacity, 0, NULL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) fail("recvmmsg");
  for (int i = 0; i < count; i++) parts[i].iov_len = messages[i].msg_len;
  if (sendmmsg(fd, messages, (unsigned)count, 0) < 0 && errno != EAGAIN) fail("sendmmsg");
}

/* The input carries no commands; all that matters is its end. */
static bool input_ended(void) {
  char ignored[256];
  ssize_t size = read(STDIN_FILENO, ignored, sizeof ignored);
  return size == 0 || (size < 0 && errno != EINTR);
}

static unsigned parse(const char *text, unsigned long max) {
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max) {
    fprintf(stderr, "udp_echo_server: %s is not a number from 1 to %lu\n", text, max);
    exit(2);
  }
  return (unsigned)value;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: udp_echo_server SOCKETS BATCH\n");
    return 2;
  }
  unsigned socket_count = parse(argv[1], SOCKETS_MAX);
  batch_capacity = parse(argv[2], BATCH_MAX);
  int poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");
  prepare_messages();
  printf("ports");
  for (unsigned i = 0; i < socket_count; i++) watch(poller, bind_on_loopback());
  puts("");
  fflush(stdout);
  watch(poller, STDIN_FILENO);

  static struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd != STDIN_FILENO) {
        echo(events[i].data.fd);
      } else if (input_ended()) {
        return 0;
      }
    }
  }
}
