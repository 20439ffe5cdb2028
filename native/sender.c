#include "sender.h"

#include <errno.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below this, waking a thread costs more than it spares: some eight rewritten messages. */
#define SMALL 8192
#define MOST_UNDER_WAY (4 << 20)
#define STACK_BYTES (64 << 10)
#define RETRY_USEC 500

struct chunk {
  struct chunk *next;
  size_t length;
  uint8_t bytes[];
};

struct sender {
  int fd;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t filled;
  pthread_cond_t drained;
  struct chunk *first;
  struct chunk **last;
  size_t under_way; /* bytes, those being sent included */
  bool is_ending;
  int error; /* errno of a datagram that could not be sent, until it is told */
};

/* 0 or an errno. */
static int send_now(int fd, const uint8_t *bytes, size_t length) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  while (sendto(fd, bytes, length, MSG_DONTWAIT, (struct sockaddr *)&kernel, sizeof kernel) < 0)
    if (errno != EINTR) return errno;
  return 0;
}

/* The kernel's want of memory passes; nothing else does. */
static int send_patiently(int fd, const uint8_t *bytes, size_t length) {
  int error;
  while ((error = send_now(fd, bytes, length)) == ENOBUFS || error == EAGAIN || error == ENOMEM) usleep(RETRY_USEC);
  return error;
}

static void *run(void *data) {
  struct sender *sender = data;
  pthread_mutex_lock(&sender->lock);
  for (;;) {
    while (sender->first == NULL && !sender->is_ending) pthread_cond_wait(&sender->filled, &sender->lock);
    struct chunk *chunk = sender->first;
    if (chunk == NULL) break;
    sender->first = chunk->next;
    if (sender->first == NULL) sender->last = &sender->first;
    pthread_mutex_unlock(&sender->lock);
    int error = send_patiently(sender->fd, chunk->bytes, chunk->length);
    pthread_mutex_lock(&sender->lock);
    if (error != 0) sender->error = error;
    sender->under_way -= chunk->length;
    free(chunk);
    pthread_cond_signal(&sender->drained);
  }
  pthread_mutex_unlock(&sender->lock);
  return NULL;
}

/* Signals are Node's. */
static int start_thread(struct sender *sender) {
  sigset_t all, before;
  pthread_attr_t attributes;
  sigfillset(&all);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&sender->thread, &attributes, run, sender);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

static struct sender *start(int fd) {
  struct sender *sender = calloc(1, sizeof *sender);
  if (sender == NULL) return NULL;
  sender->fd = fd;
  sender->last = &sender->first;
  pthread_mutex_init(&sender->lock, NULL);
  pthread_cond_init(&sender->filled, NULL);
  pthread_cond_init(&sender->drained, NULL);
  if (start_thread(sender) == 0) return sender;
  free(sender);
  return NULL;
}

static int64_t send_here(int fd, const uint8_t *bytes, size_t length) {
  int error = send_now(fd, bytes, length);
  return error == 0 ? (int64_t)length : -error;
}

int64_t sender_post(struct sender **owner, int fd, const uint8_t *bytes, size_t length) {
  if (*owner == NULL && (length < SMALL || (*owner = start(fd)) == NULL)) return send_here(fd, bytes, length);
  struct sender *sender = *owner;
  pthread_mutex_lock(&sender->lock);
  int error = sender->error;
  sender->error = 0;
  bool is_here = error == 0 && length < SMALL && sender->under_way == 0;
  struct chunk *chunk = error == 0 && !is_here ? malloc(sizeof *chunk + length) : NULL;
  if (error == 0 && !is_here && chunk == NULL) error = ENOMEM;
  if (chunk != NULL) {
    while (sender->under_way > MOST_UNDER_WAY) pthread_cond_wait(&sender->drained, &sender->lock);
    chunk->next = NULL;
    chunk->length = length;
    memcpy(chunk->bytes, bytes, length);
    *sender->last = chunk;
    sender->last = &chunk->next;
    sender->under_way += length;
    pthread_cond_signal(&sender->filled);
  }
  pthread_mutex_unlock(&sender->lock);
  if (is_here) return send_here(fd, bytes, length);
  return error == 0 ? (int64_t)length : -error;
}

void sender_end(struct sender **owner) {
  struct sender *sender = *owner;
  if (sender == NULL) return;
  *owner = NULL;
  pthread_mutex_lock(&sender->lock);
  sender->is_ending = true;
  pthread_cond_signal(&sender->filled);
  pthread_mutex_unlock(&sender->lock);
  pthread_join(sender->thread, NULL);
  pthread_mutex_destroy(&sender->lock);
  pthread_cond_destroy(&sender->filled);
  pthread_cond_destroy(&sender->drained);
  free(sender);
}
