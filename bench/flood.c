/*
 * flood ADDRESS PORT COUNT RATE PAYLOAD: sends COUNT UDP datagrams to ADDRESS (IPv4 or IPv6) PORT, RATE a second (0: as fast as
 * sendmmsg takes them). PAYLOAD is a file whose content each datagram carries, or a number of bytes of 'x'. To be run inside
 * the sender's network namespace. Prints: sent N refused N seconds S.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define MAX_PAYLOAD 65507

static char payload[MAX_PAYLOAD];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t load_payload(const char *argument) {
  char *end;
  unsigned long length = strtoul(argument, &end, 10);
  if (*end == '\0' && end != argument) {
    memset(payload, 'x', sizeof payload);
    return length < sizeof payload ? length : sizeof payload;
  }
  FILE *file = fopen(argument, "rb");
  if (file == NULL) die(argument);
  length = fread(payload, 1, sizeof payload, file);
  fclose(file);
  return length;
}

static int connect_to(const char *address, const char *port) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
  int is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) die(address);
  int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int room = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  const struct sockaddr *to = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
  if (connect(fd, to, is_v4 ? sizeof v4 : sizeof v6) != 0) die("connect");
  return fd;
}

/* Waits until the time when datagram number `sent` is due. */
static void pace(double began, long sent, long rate) {
  double ahead = began + (double)sent / (double)rate - now();
  if (ahead <= 0) return;
  struct timespec pause = {.tv_sec = (time_t)ahead, .tv_nsec = (long)((ahead - (double)(time_t)ahead) * 1e9)};
  nanosleep(&pause, NULL);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: flood ADDRESS PORT COUNT RATE PAYLOAD\n");
    return 2;
  }
  long count = atol(argv[3]), rate = atol(argv[4]), sent = 0, refused = 0;
  struct iovec vector = {.iov_base = payload, .iov_len = load_payload(argv[5])};
  struct mmsghdr messages[BATCH];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < BATCH; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
  int fd = connect_to(argv[1], argv[2]);
  double began = now();
  while (sent + refused < count) {
    if (rate > 0) pace(began, sent + refused, rate);
    long left = count - sent - refused;
    int done = sendmmsg(fd, messages, left < BATCH ? (unsigned)left : BATCH, 0);
    if (done > 0) sent += done;
    else if (errno != EINTR) refused++;
  }
  printf("sent %ld refused %ld seconds %.6f\n", sent, refused, now() - began);
  return 0;
}
