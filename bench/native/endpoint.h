/*
 * Where a server listens: at a port of the loopback interface, or at the path
 * of a Unix socket. Servers print it and clients are given it in the same
 * form: a number, or a path, which begins with a slash.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct endpoint {
  union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
  } address;
  socklen_t length;
};

/* False for a text that is neither; port 0 lets the kernel choose one. */
static inline bool endpoint_parse(const char *text, struct endpoint *endpoint) {
  memset(endpoint, 0, sizeof *endpoint);
  if (text[0] == '/') {
    if (strlen(text) >= sizeof endpoint->address.un.sun_path) return false;
    endpoint->address.un.sun_family = AF_UNIX;
    strcpy(endpoint->address.un.sun_path, text);
    endpoint->length = sizeof endpoint->address.un;
    return true;
  }
  char *end;
  unsigned long port = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || port > UINT16_MAX) return false;
  endpoint->address.in.sin_family = AF_INET;
  endpoint->address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  endpoint->address.in.sin_port = htons((uint16_t)port);
  endpoint->length = sizeof endpoint->address.in;
  return true;
}

static inline bool endpoint_is_unix(const struct endpoint *endpoint) {
  return endpoint->address.any.sa_family == AF_UNIX;
}

/* A stream socket of the endpoint's kind; -1 and errno as socket(2). */
static inline int endpoint_socket(const struct endpoint *endpoint, int flags) {
  return socket(endpoint->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
}

/* Small payloads go out at once; Unix sockets know no other way. -1 and errno as setsockopt(2). */
static inline int endpoint_set_no_delay(const struct endpoint *endpoint, int fd) {
  int on = 1;
  if (endpoint_is_unix(endpoint)) return 0;
  return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* "address N" or "address PATH", as the harness reads it; -1 and errno as getsockname(2). */
static inline int endpoint_print(const struct endpoint *endpoint, int listener) {
  if (endpoint_is_unix(endpoint)) {
    printf("address %s\n", endpoint->address.un.sun_path);
  } else {
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    if (getsockname(listener, (struct sockaddr *)&bound, &length) < 0) return -1;
    printf("address %d\n", ntohs(bound.sin_port));
  }
  return fflush(stdout);
}
