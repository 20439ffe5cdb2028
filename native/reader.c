#include "reader.h"

#include <errno.h>
#include <stdlib.h>

#include "thread.h"

enum state { IDLE, ASKED, DONE };

struct reader {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  enum state state;
  bool is_ending;
  int fd;
  struct mmsghdr *headers;
  unsigned slots;
  int count;
};

int reader_receive(int fd, struct mmsghdr *headers, unsigned slots) {
  int count;
  do count = recvmmsg(fd, headers, slots, MSG_DONTWAIT | MSG_TRUNC, NULL);
  while (count < 0 && errno == EINTR);
  if (count >= 0) return count;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

static void *run(void *data) {
  struct reader *reader = data;
  pthread_mutex_lock(&reader->lock);
  for (;;) {
    while (reader->state != ASKED && !reader->is_ending) pthread_cond_wait(&reader->changed, &reader->lock);
    if (reader->is_ending) break;
    pthread_mutex_unlock(&reader->lock);
    int count = reader_receive(reader->fd, reader->headers, reader->slots);
    pthread_mutex_lock(&reader->lock);
    reader->count = count;
    reader->state = DONE;
    pthread_cond_signal(&reader->changed);
  }
  pthread_mutex_unlock(&reader->lock);
  return NULL;
}

static struct reader *start(int fd) {
  struct reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return NULL;
  reader->fd = fd;
  pthread_mutex_init(&reader->lock, NULL);
  pthread_cond_init(&reader->changed, NULL);
  if (thread_start(&reader->thread, run, reader) == 0) return reader;
  free(reader);
  return NULL;
}

bool reader_ask(struct reader **owner, int fd, struct mmsghdr *headers, unsigned slots) {
  if (*owner == NULL && (*owner = start(fd)) == NULL) return false;
  struct reader *reader = *owner;
  if (reader_is_asked(reader)) return false;
  pthread_mutex_lock(&reader->lock);
  reader->headers = headers;
  reader->slots = slots;
  reader->state = ASKED;
  pthread_cond_signal(&reader->changed);
  pthread_mutex_unlock(&reader->lock);
  return true;
}

/* Only the asking thread leaves IDLE and comes back to it, so that it may look without the lock. */
bool reader_is_asked(const struct reader *reader) {
  return reader != NULL && __atomic_load_n(&reader->state, __ATOMIC_RELAXED) != IDLE;
}

int reader_take(struct reader *reader) {
  pthread_mutex_lock(&reader->lock);
  while (reader->state != DONE) pthread_cond_wait(&reader->changed, &reader->lock);
  reader->state = IDLE;
  int count = reader->count;
  pthread_mutex_unlock(&reader->lock);
  return count;
}

void reader_end(struct reader **owner) {
  struct reader *reader = *owner;
  if (reader == NULL) return;
  *owner = NULL;
  pthread_mutex_lock(&reader->lock);
  reader->is_ending = true;
  pthread_cond_signal(&reader->changed);
  pthread_mutex_unlock(&reader->lock);
  pthread_join(reader->thread, NULL);
  pthread_mutex_destroy(&reader->lock);
  pthread_cond_destroy(&reader->changed);
  free(reader);
}
