/*
 * One connection that sends as fast as it can, to a server that discards.
 *
 *   firehose PORT|PATH
 *
 * Connects, sends a first block, prints "ready", and goes on until there is a
 * line on its standard input, or its end. Then it ends its half, reads how many
 * bytes the server says it has discarded, in decimal digits up to the end of
 * the stream, and prints one line of JSON: nothing counts as sent that the
 * server did not read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"

#define NS_PER_SECOND 1000000000ull

enum { BLOCK_BYTES = 64 * 1024 };

/* How long the server may take to read what is on its way, and to answer. */
enum { ANSWER_TIMEOUT_MS = 5000 };

static unsigned char block[BLOCK_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "firehose: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

/* Bytes taken; 0 if none could be. */
static uint64_t send_block(int fd) {
  ssize_t size = send(fd, block, sizeof block, MSG_NOSIGNAL);
  if (size >= 0) return (uint64_t)size;
  if (errno != EAGAIN && errno != EINTR) fail("send");
  return 0;
}

static uint64_t send_until_told(int fd) {
  struct pollfd waits[] = {{.fd = fd, .events = POLLOUT}, {.fd = STDIN_FILENO, .events = POLLIN}};
  uint64_t sent_bytes = 0;
  for (;;) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) fail("poll");
    if (waits[1].revents != 0) return sent_bytes;
    sent_bytes += send_block(fd);
  }
}

static uint64_t read_answer(int fd) {
  char digits[32] = "";
  size_t length = 0;
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  for (;;) {
    int ready = poll(&wait, 1, ANSWER_TIMEOUT_MS);
    if (ready == 0) errno = ETIMEDOUT;
    if (ready <= 0 && errno != EINTR) fail("poll");
    ssize_t size = recv(fd, digits + length, sizeof digits - 1 - length, 0);
    if (size == 0) return strtoull(digits, NULL, 10);
    if (size > 0) length += (size_t)size;
    else if (errno != EAGAIN && errno != EINTR) fail("recv");
  }
}

int main(int argc, char **argv) {
  struct endpoint server;
  if (argc != 2 || !endpoint_parse(argv[1], &server)) {
    fprintf(stderr, "usage: firehose PORT|PATH\n");
    return 2;
  }
  int fd = endpoint_socket(&server, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, &server.address.any, server.length) < 0) fail("connect");
  if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) fail("O_NONBLOCK");
  uint64_t begin_ns = now_ns();
  uint64_t sent_bytes = send_block(fd);
  puts("ready");
  fflush(stdout);
  sent_bytes += send_until_told(fd);
  uint64_t elapsed_ns = now_ns() - begin_ns;
  if (shutdown(fd, SHUT_WR) < 0) fail("shutdown");
  uint64_t discarded_bytes = read_answer(fd);
  printf("{\"sentBytes\":%llu,\"discardedBytes\":%llu,\"elapsedNs\":%llu}\n",
         (unsigned long long)sent_bytes, (unsigned long long)discarded_bytes,
         (unsigned long long)elapsed_ns);
  fflush(stdout);
  return sent_bytes == discarded_bytes ? 0 : 1;
}
