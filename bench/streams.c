/*
 * streams FROM:PORT TO FIRST-PORT STREAMS SECONDS: STREAMS streams of RTP-sized datagrams (172 bytes, one each 20 ms), from one IPv4 source
 * to TO, destination ports FIRST-PORT, FIRST-PORT + 2 ... Spread over the 20 ms, as real streams are. Prints: sent N late N, the ticks that
 * began more than a tick late, cpu S, its own user and system seconds: the packets' way through the kernel is in them, or in softirqs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define TICK_NSEC 1000000L
#define TICKS_A_PERIOD 20
#define MAX_STREAMS 20000
#define PAYLOAD 172

static struct sockaddr_in targets[MAX_STREAMS];
static struct mmsghdr messages[MAX_STREAMS];
static char payload[PAYLOAD];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_socket(char *from) {
  char *colon = strchr(from, ':');
  struct sockaddr_in local = {.sin_family = AF_INET};
  if (colon == NULL) die(from);
  *colon = '\0';
  local.sin_port = htons((uint16_t)atoi(colon + 1));
  int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
  if (fd < 0 || inet_pton(AF_INET, from, &local.sin_addr) != 1) die(from);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  if (bind(fd, (struct sockaddr *)&local, sizeof local) != 0) die("bind");
  return fd;
}

static void prepare(const char *to, int first, int streams, struct iovec *vector) {
  for (int i = 0; i < streams; i++) {
    targets[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)(first + 2 * i))};
    if (inet_pton(AF_INET, to, &targets[i].sin_addr) != 1) die(to);
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &targets[i], .msg_namelen = sizeof targets[i], .msg_iov = vector, .msg_iovlen = 1};
  }
}

static void add(struct timespec *time, long nanoseconds) {
  time->tv_nsec += nanoseconds;
  if (time->tv_nsec < 1000000000L) return;
  time->tv_nsec -= 1000000000L;
  time->tv_sec++;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int fd = open_socket(argv[1]), streams = atoi(argv[4]);
  if (streams < 1 || streams > MAX_STREAMS) return 2;
  struct iovec vector = {.iov_base = payload, .iov_len = PAYLOAD};
  payload[0] = (char)0x80;
  prepare(argv[2], atoi(argv[3]), streams, &vector);
  long ticks = atol(argv[5]) * 1000, sent = 0, late = 0;
  struct timespec due, now;
  clock_gettime(CLOCK_MONOTONIC, &due);
  for (long tick = 0; tick < ticks; tick++) {
    long part = tick % TICKS_A_PERIOD;
    int from = (int)(streams * part / TICKS_A_PERIOD), to = (int)(streams * (part + 1) / TICKS_A_PERIOD);
    for (int at = from; at < to;) {
      int done = sendmmsg(fd, messages + at, (unsigned)(to - at), 0);
      if (done <= 0) die("sendmmsg");
      at += done;
      sent += done;
    }
    add(&due, TICK_NSEC);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > due.tv_sec || (now.tv_sec == due.tv_sec && now.tv_nsec > due.tv_nsec)) late++;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("sent %ld late %ld cpu %.6f\n", sent, late,
         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  return 0;
}
