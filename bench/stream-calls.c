/*
 * stream-calls CALLER_NETNS CALLEE_NETNS CALLER TARGET SERVER COUNT SLOTS PREFIX: COUNT complete SIP calls over one TCP connection (IPv4,
 * port 5060), SLOTS of them at a time: INVITE with a description, 200 with one, ACK, BYE, 200. Both ends are here: the caller connects from
 * CALLER to TARGET, the callee listens at SERVER (namespaces as paths in /run/netns). PREFIX is how inside addresses begin: a request
 * that arrives with it in it was not rewritten. Nothing heard for five seconds ends it.
 * SLOTS 0: COUNT times OPTIONS and its answer instead, one after the other. Prints: calls N raw N messages N seconds S.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 5060
#define ROOM (1 << 20)
#define SILENCE_MS 5000

struct end {
  int fd;
  char in[ROOM], out[ROOM];
  size_t in_length, out_length;
};

static struct end caller, callee;
static const char *inside, *server, *prefix;
static long started, done, raw, messages, wanted;
static int is_ping;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static int open_in(const char *netns) {
  int there = open(netns, O_RDONLY), here = open("/proc/self/ns/net", O_RDONLY);
  if (there < 0 || here < 0 || setns(there, CLONE_NEWNET) != 0) fail(netns);
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (fd < 0 || setns(here, CLONE_NEWNET) != 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  close(there);
  close(here);
  return fd;
}

static struct sockaddr_in at(const char *address, int port) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, address, &name.sin_addr);
  return name;
}

/* Appends a message of call `number`; a body makes it a description at `address`. */
static void say(struct end *end, const char *start, const char *method, int cseq, long number, const char *address, int has_body) {
  char body[256] = "";
  if (has_body)
    snprintf(body, sizeof body,
             "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %ld RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n", address,
             address, 4000 + number % 1000 * 2);
  end->out_length += snprintf(
      end->out + end->out_length, ROOM - end->out_length,
      "%s\r\nVia: SIP/2.0/TCP %s:5060;branch=z9hG4bK%ld.%d;rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@bench.invalid>;tag=a%ld\r\n"
      "To: <sip:b@bench.invalid>%s%ld\r\nCall-ID: %ld@bench\r\nCSeq: %d %s\r\nContact: <sip:x@%s:5060;transport=tcp>\r\n"
      "%sContent-Length: %zu\r\n\r\n%s",
      start, inside, number, cseq, number, cseq == 1 && start[0] == 'I' ? ";x=" : ";tag=b", number, number, cseq, method, address,
      has_body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

static void begin_call(void) {
  if (started >= wanted) return;
  if (is_ping) say(&caller, "OPTIONS sip:b@bench.invalid SIP/2.0", "OPTIONS", 3, ++started, inside, 0);
  else say(&caller, "INVITE sip:b@bench.invalid SIP/2.0", "INVITE", 1, ++started, inside, 1);
}

static long number_of(const char *message) {
  const char *found = strstr(message, "Call-ID: ");
  return found ? atol(found + 9) : 0;
}

static void at_caller(const char *message) {
  long number = number_of(message);
  if (strstr(message, "CSeq: 1 INVITE")) {
    say(&caller, "ACK sip:b@bench.invalid SIP/2.0", "ACK", 1, number, inside, 0);
    say(&caller, "BYE sip:b@bench.invalid SIP/2.0", "BYE", 2, number, inside, 0);
  } else {
    done++;
    begin_call();
  }
}

static void at_callee(const char *message) {
  long number = number_of(message);
  if (strstr(message, prefix)) raw++;
  if (message[0] == 'I') say(&callee, "SIP/2.0 200 OK", "INVITE", 1, number, server, 1);
  else if (message[0] == 'O') say(&callee, "SIP/2.0 200 OK", "OPTIONS", 3, number, server, 0);
  else if (message[0] == 'B') say(&callee, "SIP/2.0 200 OK", "BYE", 2, number, server, 0);
}

/* Cuts what has come into messages. */
static void cut(struct end *end, void (*take)(const char *)) {
  size_t from = 0;
  end->in[end->in_length] = 0;
  for (;;) {
    char *head = strstr(end->in + from, "\r\n\r\n"), *length = strstr(end->in + from, "Content-Length:");
    if (!head || !length || length > head) break;
    size_t to = head + 4 - end->in + atol(length + 15);
    if (to > end->in_length) break;
    char saved = end->in[to];
    end->in[to] = 0;
    messages++;
    take(end->in + from);
    end->in[to] = saved;
    from = to;
  }
  memmove(end->in, end->in + from, end->in_length - from);
  end->in_length -= from;
}

static void move(struct end *end, short events, void (*take)(const char *)) {
  if (events & (POLLIN | POLLHUP)) {
    ssize_t count = recv(end->fd, end->in + end->in_length, ROOM - 1 - end->in_length, MSG_DONTWAIT);
    if (count == 0) exit(2);
    if (count > 0) end->in_length += count, cut(end, take);
  }
  if (end->out_length > 0) {
    ssize_t count = send(end->fd, end->out, end->out_length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) memmove(end->out, end->out + count, end->out_length -= count);
  }
}

int main(int argc, char **argv) {
  if (argc != 9) return 2;
  inside = argv[3], server = argv[5], wanted = atol(argv[6]), prefix = argv[8];
  struct sockaddr_in from = at(argv[3], 0), to = at(argv[4], PORT), listens = at(server, PORT);
  int listener = open_in(argv[2]);
  if (bind(listener, (void *)&listens, sizeof listens) || listen(listener, 8)) fail("listen");
  caller.fd = open_in(argv[1]);
  if (bind(caller.fd, (void *)&from, sizeof from) || connect(caller.fd, (void *)&to, sizeof to)) fail("connect");
  callee.fd = accept(listener, NULL, NULL);
  int on = 1;
  setsockopt(callee.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  is_ping = atoi(argv[7]) == 0;
  double start = now();
  if (is_ping) begin_call();
  for (int i = atoi(argv[7]); i > 0; i--) begin_call();
  while (done < wanted) {
    struct pollfd polled[2] = {{caller.fd, POLLIN | (caller.out_length ? POLLOUT : 0), 0},
                               {callee.fd, POLLIN | (callee.out_length ? POLLOUT : 0), 0}};
    if (poll(polled, 2, SILENCE_MS) <= 0) break;
    move(&caller, polled[0].revents, at_caller);
    move(&callee, polled[1].revents, at_callee);
  }
  printf("calls %ld raw %ld messages %ld seconds %.6f\n", done, raw, messages, now() - start);
  return 0;
}
