/*
 * accept-loop NUMBER: the loop every libnetfilter_queue program begins with. One recv, one nfq_handle_packet, one verdict: accept
 * untouched. Prints `ready` when bound, and on SIGTERM: accepted N cpu S (user and system seconds).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

static long accepted;
static volatile sig_atomic_t is_ending;

static void on_term(int signal) {
  (void)signal;
  is_ending = 1;
}

static int on_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *context) {
  (void)message;
  (void)context;
  struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
  unsigned char *payload;
  nfq_get_payload(data, &payload);
  accepted++;
  return nfq_set_verdict(queue, ntohl(header->packet_id), NF_ACCEPT, 0, NULL);
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  static char buffer[65536 + 4096];
  if (argc != 2) return 2;
  struct sigaction action = {.sa_handler = on_term};
  sigaction(SIGTERM, &action, NULL);
  struct nfq_handle *handle = nfq_open();
  if (handle == NULL) die("nfq_open");
  struct nfq_q_handle *queue = nfq_create_queue(handle, (uint16_t)atoi(argv[1]), on_packet, NULL);
  if (queue == NULL) die("nfq_create_queue");
  if (nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xffff) < 0) die("nfq_set_mode");
  nfq_set_queue_maxlen(queue, 8192);
  int fd = nfq_fd(handle), room = 32 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  printf("ready\n");
  fflush(stdout);
  while (!is_ending) {
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length >= 0) nfq_handle_packet(handle, buffer, (int)length);
    else if (errno != ENOBUFS && errno != EINTR) die("recv");
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("accepted %ld cpu %.3f\n", accepted,
         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  nfq_destroy_queue(queue);
  nfq_close(handle);
  return 0;
}
