/*
 * What the load clients of stream servers share: clock, payloads that can be
 * told apart, latencies, connections by the thousand, and their report.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "endpoint.h"

#define NS_PER_MS 1000000ull
#define NS_PER_SECOND 1000000000ull

enum { CONNECTIONS_MAX = 100000, EVENTS_MAX = 1024 };

/*
 * Connections to one port that share a source address. Of the ports that a
 * kernel hands out, the usual range holds 28,000, not all of them free.
 */
enum { CONNECTIONS_PER_ADDRESS = 4096 };

/* What is in flight when time is up gets this long to complete. */
enum { GRACE_MS = 2000 };

static inline void fail(const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(1);
}

static inline uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

static inline uint64_t parse_number(const char *text, uint64_t max) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max) {
    fprintf(stderr, "%s: %s is not a number from 1 to %llu\n", program_invocation_short_name,
            text, (unsigned long long)max);
    exit(2);
  }
  return value;
}

/* ---- latency histogram ---- */

/* Latencies fall into 32 buckets per power of two: at most 3 % off. */
enum { BUCKETS_PER_OCTAVE_LOG2 = 5, BUCKETS_PER_OCTAVE = 1 << BUCKETS_PER_OCTAVE_LOG2 };
enum { BUCKETS = (64 - BUCKETS_PER_OCTAVE_LOG2 + 1) * BUCKETS_PER_OCTAVE };

struct latencies {
  uint64_t count;
  uint64_t max_ns;
  uint64_t buckets[BUCKETS];
};

static inline unsigned bucket_of(uint64_t value) {
  if (value < BUCKETS_PER_OCTAVE) return (unsigned)value;
  unsigned shift = 63 - (unsigned)__builtin_clzll(value) - BUCKETS_PER_OCTAVE_LOG2;
  return shift * BUCKETS_PER_OCTAVE + (unsigned)(value >> shift);
}

/* The middle of the bucket: the inverse of bucket_of, as far as there is one. */
static inline uint64_t value_of(unsigned bucket) {
  if (bucket < 2 * BUCKETS_PER_OCTAVE) return bucket;
  unsigned shift = bucket / BUCKETS_PER_OCTAVE - 1;
  uint64_t low = (uint64_t)(bucket - shift * BUCKETS_PER_OCTAVE) << shift;
  return low + (1ull << shift) / 2;
}

static inline void note_latency(struct latencies *latencies, uint64_t ns) {
  latencies->count++;
  latencies->buckets[bucket_of(ns)]++;
  if (ns > latencies->max_ns) latencies->max_ns = ns;
}

static inline uint64_t percentile_ns(const struct latencies *latencies, double fraction) {
  uint64_t rank = (uint64_t)((double)latencies->count * fraction);
  uint64_t seen = 0;
  for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
    seen += latencies->buckets[bucket];
    if (seen > rank) return value_of(bucket);
  }
  return latencies->max_ns;
}

/* ---- payloads ---- */

/*
 * Payloads are windows into one block of random bytes. The window moves with
 * sender and round, so that what another one sent, or what was sent in another
 * round or with bytes missing does not match, and no payload is ever built.
 */
enum { WINDOW_STARTS = 64 * 1024 };

static inline unsigned char *make_pattern(size_t payload_bytes) {
  unsigned char *pattern = malloc(WINDOW_STARTS + payload_bytes);
  if (pattern == NULL) fail("malloc");
  /* xorshift64: any fixed seed will do, as long as 64 bytes tell windows apart. */
  uint64_t state = 0x9e3779b97f4a7c15ull;
  for (size_t i = 0; i < WINDOW_STARTS + payload_bytes; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    pattern[i] = (unsigned char)(state >> 32);
  }
  return pattern;
}

/* Odd factors: consecutive rounds never share a window, nor do neighbours. */
static inline uint32_t window_of(uint32_t sender, uint32_t round) {
  return (sender * 2654435761u + round * 40503u) % WINDOW_STARTS;
}

/* ---- connections ---- */

/* From 127.0.0.1 first, then 127.0.0.2 and so on; all of them are this machine. */
static inline void bind_source(int fd, uint32_t index) {
  struct sockaddr_in source = {.sin_family = AF_INET};
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / CONNECTIONS_PER_ADDRESS);
  int on = 1;
  /* The port is chosen by connect(), which knows the peer; bind() would need it free for all. */
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0) {
    fail("IP_BIND_ADDRESS_NO_PORT");
  }
  if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
}

/* The `index`th connection, non-blocking once it is there. */
static inline int open_connection(const struct endpoint *server, uint32_t index) {
  int fd = endpoint_socket(server, 0);
  if (fd < 0) fail("socket");
  if (!endpoint_is_unix(server)) bind_source(fd, index);
  /* Blocking: the time it takes to connect is not measured. */
  if (connect(fd, &server->address.any, server->length) < 0) fail("connect");
  if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) fail("O_NONBLOCK");
  if (endpoint_set_no_delay(server, fd) < 0) fail("TCP_NODELAY");
  return fd;
}

/* ---- report ---- */

struct report {
  uint64_t started;
  uint64_t completed;
  uint64_t elapsed_ns;
  uint64_t content_errors;
  uint64_t broken_connections;
  uint32_t idle_connections;
};

/* One line, as `harness/echo-slice.ts` reads it. */
static inline void print_report(const struct report *report, const struct latencies *latencies) {
  printf("{\"started\":%llu,\"completed\":%llu,\"elapsedNs\":%llu,",
         (unsigned long long)report->started, (unsigned long long)report->completed,
         (unsigned long long)report->elapsed_ns);
  printf("\"contentErrors\":%llu,\"brokenConnections\":%llu,\"idleConnections\":%u,",
         (unsigned long long)report->content_errors,
         (unsigned long long)report->broken_connections, report->idle_connections);
  printf("\"latencyNs\":{\"p50\":%llu,\"p99\":%llu,\"max\":%llu}}\n",
         (unsigned long long)percentile_ns(latencies, 0.50),
         (unsigned long long)percentile_ns(latencies, 0.99),
         (unsigned long long)latencies->max_ns);
  fflush(stdout);
}

/* Says that all connections are there, and waits to be told to go; false if input ends instead. */
static inline bool told_to_go(void) {
  char line[16];
  puts("ready");
  fflush(stdout);
  return fgets(line, sizeof line, stdin) != NULL;
}

static inline void wait_for_end_of_input(void) {
  char line[16];
  while (fgets(line, sizeof line, stdin) != NULL) {
  }
}
