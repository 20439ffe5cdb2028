/*
 * flood [-l LOCAL:PORT] [-w WINDOW -r FILE -i DEVICE] ADDRESS PORT COUNT RATE PAYLOAD...: sends COUNT UDP datagrams to ADDRESS
 * (IPv4 or IPv6) PORT, RATE a second (0: as fast as sendmmsg takes them). Each PAYLOAD is a file whose content a datagram carries,
 * or a number of bytes of 'x'; several take turns. -l (IPv4) sets the source. -w keeps at most WINDOW datagrams on their way:
 * those that DEVICE has not received by FILE, the /proc/PID/net/dev of a process in the receiver's namespace; when nothing has
 * arrived for a second, what is on its way counts as lost. To be run inside the sender's network namespace. Prints:
 * sent N refused N lost N seconds S, the seconds until the last arrival when there is a window.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define MAX_PAYLOAD 65507
#define MAX_PAYLOADS 1024
#define LOST_AFTER 1.0

static struct iovec payloads[MAX_PAYLOADS];
static long payload_count;

/* Who tells what has arrived: /proc/PID/net/dev and the device's line in it. */
static struct {
  long size; /* 0: no window */
  int fd;
  char device[32];
  long arrived_before;
} window;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void rest(double seconds) {
  struct timespec pause = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&pause, NULL);
}

static void add_payload(const char *argument) {
  if (payload_count == MAX_PAYLOADS) return;
  char *end, *bytes = malloc(MAX_PAYLOAD);
  if (bytes == NULL) die("malloc");
  size_t length = strtoul(argument, &end, 10);
  if (*end == '\0' && end != argument) {
    memset(bytes, 'x', MAX_PAYLOAD);
    if (length > MAX_PAYLOAD) length = MAX_PAYLOAD;
  } else {
    FILE *file = fopen(argument, "rb");
    if (file == NULL) die(argument);
    length = fread(bytes, 1, MAX_PAYLOAD, file);
    fclose(file);
  }
  payloads[payload_count++] = (struct iovec){.iov_base = bytes, .iov_len = length};
}

static void bind_to(int fd, char *local) {
  char *colon = strchr(local, ':');
  struct sockaddr_in from = {.sin_family = AF_INET};
  if (colon == NULL) die(local);
  *colon = '\0';
  from.sin_port = htons((uint16_t)atoi(colon + 1));
  if (inet_pton(AF_INET, local, &from.sin_addr) != 1) die(local);
  if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) die("bind");
}

static int connect_to(const char *address, const char *port, char *local) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
  int is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) die(address);
  int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int room = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  if (local != NULL) bind_to(fd, local);
  const struct sockaddr *to = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
  if (connect(fd, to, is_v4 ? sizeof v4 : sizeof v6) != 0) die("connect");
  return fd;
}

/* Packets the receiver's device has received since the beginning. */
static long arrived(void) {
  char text[4096];
  ssize_t length = pread(window.fd, text, sizeof text - 1, 0);
  if (length <= 0) die("read arrivals");
  text[length] = '\0';
  const char *line = strstr(text, window.device);
  long packets;
  if (line == NULL || sscanf(line + strlen(window.device), "%*d %ld", &packets) != 1) die(window.device);
  return packets - window.arrived_before;
}

/* Waits until fewer than `room` of the datagrams sent are on their way. Returns those that must be taken for lost. */
static long wait_for_room(long sent, long lost, long room) {
  long seen = arrived();
  for (double since = now(); sent - lost - seen >= room;) {
    if (now() - since > LOST_AFTER) return sent - lost - seen;
    rest(1e-3);
    long more = arrived();
    if (more != seen) since = now();
    seen = more;
  }
  return 0;
}

/* Waits until the time when datagram number `sent` is due. */
static void pace(double began, long sent, long rate) {
  double ahead = began + (double)sent / (double)rate - now();
  if (ahead > 0) rest(ahead);
}

static void flood(int fd, long count, long rate) {
  struct mmsghdr messages[BATCH];
  memset(messages, 0, sizeof messages);
  long sent = 0, refused = 0, lost = 0;
  double began = now();
  while (sent + refused < count) {
    if (rate > 0) pace(began, sent + refused, rate);
    if (window.size > 0) lost += wait_for_room(sent, lost, window.size - BATCH);
    long left = count - sent - refused;
    unsigned size = left < BATCH ? (unsigned)left : BATCH;
    for (unsigned i = 0; i < size; i++)
      messages[i].msg_hdr = (struct msghdr){.msg_iov = &payloads[(sent + i) % payload_count], .msg_iovlen = 1};
    int done = sendmmsg(fd, messages, size, 0);
    if (done > 0) sent += done;
    else if (errno != EINTR) refused++;
  }
  if (window.size > 0) lost += wait_for_room(sent, lost, 1);
  printf("sent %ld refused %ld lost %ld seconds %.6f\n", sent, refused, lost, now() - began);
}

int main(int argc, char **argv) {
  char *local = NULL;
  const char *arrivals = NULL;
  int option;
  while ((option = getopt(argc, argv, "l:w:r:i:")) != -1) {
    if (option == 'l') local = optarg;
    else if (option == 'w') window.size = atol(optarg);
    else if (option == 'r') arrivals = optarg;
    else if (option == 'i') snprintf(window.device, sizeof window.device, " %s:", optarg);
    else return 2;
  }
  if (argc - optind < 5 || (window.size > 0 && (arrivals == NULL || window.device[0] == '\0' || window.size <= BATCH))) {
    fprintf(stderr, "usage: flood [-l LOCAL:PORT] [-w WINDOW -r FILE -i DEVICE] ADDRESS PORT COUNT RATE PAYLOAD...\n");
    return 2;
  }
  for (int i = optind + 4; i < argc; i++) add_payload(argv[i]);
  int fd = connect_to(argv[optind], argv[optind + 1], local);
  if (window.size > 0) {
    window.fd = open(arrivals, O_RDONLY | O_CLOEXEC);
    if (window.fd < 0) die(arrivals);
    window.arrived_before = arrived();
  }
  flood(fd, atol(argv[optind + 2]), atol(argv[optind + 3]));
  return 0;
}
