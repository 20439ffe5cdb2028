/*
 * calls CALLER_NETNS CALLEE_NETNS CALLER:PORT CALLEE:PORT COUNT SLOTS PREFIX: COUNT complete SIP calls over UDP (IPv4), SLOTS of them
 * at a time: INVITE with a description, 200 with one, ACK, BYE, 200. Both ends are here, a socket in each namespace (paths as in
 * /run/netns). A call of which nothing is heard for a second is given up. PREFIX is how inside addresses begin: an INVITE, ACK
 * or BYE that arrives with it in it was not rewritten. Prints: calls N failed N raw N messages N seconds S.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SLOTS 1024
#define MAX_MESSAGE 4096
#define GIVE_UP 1.0

struct end {
  int fd;
  char address[32];
  int port;
};

/* One call under way. `number` 0: none. */
struct call {
  long number;
  double heard;
};

static struct end caller, callee;
static struct call calls[MAX_SLOTS];
static long started, done, failed, raw, messages, wanted;
static long run;
static const char *prefix;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct sockaddr_in address_of(const struct end *end) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)end->port)};
  if (inet_pton(AF_INET, end->address, &address.sin_addr) != 1) die(end->address);
  return address;
}

static void open_end(struct end *end, const char *netns, const char *local) {
  int namespace = open(netns, O_RDONLY | O_CLOEXEC);
  if (namespace < 0 || setns(namespace, CLONE_NEWNET) != 0) die(netns);
  close(namespace);
  if (sscanf(local, "%31[^:]:%d", end->address, &end->port) != 2) die(local);
  end->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = address_of(end);
  if (end->fd < 0 || bind(end->fd, (struct sockaddr *)&address, sizeof address) != 0) die(local);
}

static void send_to(int fd, const struct sockaddr_in *to, const char *text, int length) {
  if (sendto(fd, text, (size_t)length, 0, (const struct sockaddr *)to, sizeof *to) < 0) die("send");
  messages++;
}

static int description(char *text, size_t size, const char *address, int port) {
  return snprintf(text, size,
                  "v=0\r\no=- 3721 1 IN IP4 %s\r\ns=call\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0 8 101\r\n"
                  "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
                  address, address, port);
}

/* A request of the caller; `tag` is the callee's, empty in the first. */
static void request(int slot, const char *method, int cseq, const char *tag, const char *body) {
  char text[MAX_MESSAGE];
  long number = calls[slot].number;
  int length = snprintf(
      text, sizeof text,
      "%s sip:bob@%s:%d SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bK%ld-%ld-%s;rport\r\nMax-Forwards: 70\r\n"
      "From: <sip:alice@example.com>;tag=a%ld-%ld\r\nTo: <sip:bob@example.com>%s%s\r\nCall-ID: %ld-%ld-%d@caller\r\n"
      "CSeq: %d %s\r\nContact: <sip:alice@%s:%d>\r\nUser-Agent: calls\r\n%sContent-Length: %zu\r\n\r\n%s",
      method, callee.address, callee.port, caller.address, caller.port, run, number, method, run, number,
      *tag ? ";tag=" : "", tag, run, number, slot, cseq, method, caller.address, caller.port,
      *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
  struct sockaddr_in to = address_of(&callee);
  send_to(caller.fd, &to, text, length);
}

static void begin(int slot) {
  calls[slot] = (struct call){0};
  if (started == wanted) return;
  calls[slot] = (struct call){.number = ++started, .heard = now()};
  char body[1024];
  description(body, sizeof body, caller.address, 20000 + 4 * slot);
  request(slot, "INVITE", 1, "", body);
}

static int copy_lines(char *to, size_t size, const char *from) {
  static const char *const names[] = {"Via:", "From:", "To:", "Call-ID:", "CSeq:"};
  int length = 0;
  for (const char *line = strstr(from, "\r\n"); line != NULL && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
    const char *end = strstr(line + 2, "\r\n");
    for (size_t i = 0; end != NULL && i < sizeof names / sizeof *names; i++) {
      if (strncasecmp(line + 2, names[i], strlen(names[i])) != 0) continue;
      int is_untagged = i == 2 && memmem(line, (size_t)(end - line), ";tag=", 5) == NULL;
      length += snprintf(to + length, size - (size_t)length, "%.*s%s\r\n", (int)(end - line - 2), line + 2,
                         is_untagged ? ";tag=callee" : "");
    }
  }
  return length;
}

/* The callee: answers INVITE and BYE at once. */
static void answer(const char *text, const struct sockaddr_in *from) {
  char reply[MAX_MESSAGE], body[1024] = "", lines[2048];
  if (strstr(text, prefix) != NULL) raw++;
  if (strncmp(text, "ACK ", 4) == 0) return;
  if (strncmp(text, "INVITE ", 7) == 0) description(body, sizeof body, callee.address, 40000);
  int copied = copy_lines(lines, sizeof lines, text);
  int length = snprintf(reply, sizeof reply, "SIP/2.0 200 OK\r\n%.*sContact: <sip:bob@%s:%d>\r\n%sContent-Length: %zu\r\n\r\n%s",
                        copied, lines, callee.address, callee.port,
                        *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
  send_to(callee.fd, from, reply, length);
}

/* The caller: a response to its INVITE or BYE. */
static void proceed(const char *text) {
  long of_run, number;
  int slot;
  const char *id = strstr(text, "Call-ID: "), *cseq = strstr(text, "CSeq: ");
  if (id == NULL || cseq == NULL || sscanf(id + 9, "%ld-%ld-%d@", &of_run, &number, &slot) != 3) return;
  if (of_run != run || slot < 0 || slot >= MAX_SLOTS || calls[slot].number != number) return;
  calls[slot].heard = now();
  if (strstr(cseq, " BYE\r\n") != NULL) {
    done++;
    begin(slot);
  } else if (strncmp(cseq, "CSeq: 1 INVITE", 14) == 0) {
    request(slot, "ACK", 1, "callee", "");
    request(slot, "BYE", 2, "callee", "");
  }
}

/* Reads all that has come. */
static void receive(int fd) {
  char text[MAX_MESSAGE];
  struct sockaddr_in from;
  for (;;) {
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(fd, text, sizeof text - 1, 0, (struct sockaddr *)&from, &size);
    if (length < 0) return;
    text[length] = '\0';
    messages++;
    if (fd == callee.fd) answer(text, &from);
    else proceed(text);
  }
}

static void give_up(int slots) {
  double limit = now() - GIVE_UP;
  for (int slot = 0; slot < slots; slot++) {
    if (calls[slot].number == 0 || calls[slot].heard > limit) continue;
    failed++;
    begin(slot);
  }
}

int main(int argc, char **argv) {
  if (argc != 8) return 2;
  open_end(&callee, argv[2], argv[4]);
  open_end(&caller, argv[1], argv[3]);
  wanted = atol(argv[5]);
  int slots = atoi(argv[6]);
  if (slots < 1 || slots > MAX_SLOTS) return 2;
  prefix = argv[7];
  run = getpid();
  double began = now();
  for (int slot = 0; slot < slots; slot++) begin(slot);
  struct pollfd polled[] = {{.fd = callee.fd, .events = POLLIN}, {.fd = caller.fd, .events = POLLIN}};
  for (double checked = began; done + failed < wanted;) {
    poll(polled, 2, 100);
    receive(callee.fd);
    receive(caller.fd);
    if (now() - checked < 0.1) continue;
    checked = now();
    give_up(slots);
  }
  /* Sent and received: each message counts once. */
  printf("calls %ld failed %ld raw %ld messages %ld seconds %.6f\n", done, failed, raw, messages / 2, now() - began);
  return 0;
}
