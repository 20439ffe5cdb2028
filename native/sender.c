#include "sender.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "thread.h"

/* Below this, waking a thread costs more than it spares: some eight rewritten messages. */
#define SMALL 8192
#define MOST_UNDER_WAY (4 << 20)
#define RETRY_USEC 500
/* Chunks kept for the next batches: fresh memory would be paged in for each. */
#define MOST_SPARE 8
#define SPARE_BYTES (128 << 10)

struct chunk {
  struct chunk *next;
  size_t length;
  size_t room;
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
  struct chunk *spare;
  int spare_count;
  size_t under_way; /* bytes, those being sent included */
  int posting_cpu; /* where the posting thread ran when `keep_apart` last looked */
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

/* Under the lock, as `recycle`. NULL: no memory. */
static struct chunk *make_chunk(struct sender *sender, size_t length) {
  struct chunk *chunk = sender->spare;
  if (chunk != NULL && length <= chunk->room) {
    sender->spare = chunk->next;
    sender->spare_count--;
    return chunk;
  }
  size_t room = length > SPARE_BYTES ? length : SPARE_BYTES;
  chunk = malloc(sizeof *chunk + room);
  if (chunk != NULL) chunk->room = room;
  return chunk;
}

static void recycle(struct sender *sender, struct chunk *chunk) {
  if (sender->spare_count == MOST_SPARE || chunk->room > SPARE_BYTES) {
    free(chunk);
    return;
  }
  chunk->next = sender->spare;
  sender->spare = chunk;
  sender->spare_count++;
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
    recycle(sender, chunk);
    pthread_cond_signal(&sender->drained);
  }
  pthread_mutex_unlock(&sender->lock);
  return NULL;
}

/*
 * Keeps the thread off the CPU that posts. A thread that is woken is often put where its waker runs, and then goes first: JavaScript would
 * wait for the sending, which was to be spared it (18 % of its time on two CPUs). Best effort: where it fails, the scheduler decides.
 */
static void keep_apart(struct sender *sender) {
  int cpu = sched_getcpu();
  if (cpu < 0 || cpu == sender->posting_cpu) return;
  sender->posting_cpu = cpu;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  if (CPU_COUNT(&allowed) > 1) CPU_CLR(cpu, &allowed);
  pthread_setaffinity_np(sender->thread, sizeof allowed, &allowed);
}

static struct sender *start(int fd) {
  struct sender *sender = calloc(1, sizeof *sender);
  if (sender == NULL) return NULL;
  sender->fd = fd;
  sender->last = &sender->first;
  sender->posting_cpu = -1;
  pthread_mutex_init(&sender->lock, NULL);
  pthread_cond_init(&sender->filled, NULL);
  pthread_cond_init(&sender->drained, NULL);
  if (thread_start(&sender->thread, run, sender) == 0) return sender;
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
  struct chunk *chunk = error == 0 && !is_here ? make_chunk(sender, length) : NULL;
  if (error == 0 && !is_here && chunk == NULL) error = ENOMEM;
  if (chunk != NULL) {
    while (sender->under_way > MOST_UNDER_WAY) pthread_cond_wait(&sender->drained, &sender->lock);
    chunk->next = NULL;
    chunk->length = length;
    memcpy(chunk->bytes, bytes, length);
    *sender->last = chunk;
    sender->last = &chunk->next;
    sender->under_way += length;
    keep_apart(sender);
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
  for (struct chunk *chunk = sender->spare; chunk != NULL; chunk = sender->spare) {
    sender->spare = chunk->next;
    free(chunk);
  }
  pthread_mutex_destroy(&sender->lock);
  pthread_cond_destroy(&sender->filled);
  pthread_cond_destroy(&sender->drained);
  free(sender);
}
