#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What to open: a socket, or a file if `file` is set. */
struct wanted {
  int domain, type, protocol;
  const char *file;
};

static int open_here(const struct wanted *wanted) {
  int fd = wanted->file != NULL ? open(wanted->file, O_RDONLY | O_CLOEXEC)
                                : socket(wanted->domain, wanted->type, wanted->protocol);
  return fd < 0 ? -errno : fd;
}

/*
 * A socket belongs for life to the namespace its creator's thread is in, so the thread visits it for one system call. A
 * thread that could not come back would run the rest of the program in the wrong network: better none at all.
 */
static int open_there(int there, int here, const struct wanted *wanted) {
  if (setns(there, CLONE_NEWNET) != 0) return -errno;
  int fd = open_here(wanted);
  if (setns(here, CLONE_NEWNET) != 0) {
    perror("cthelper: cannot return to the thread's own network namespace");
    abort();
  }
  return fd;
}

static int open_in(const char *netns, const struct wanted *wanted) {
  if (netns[0] == '\0') return open_here(wanted);
  int there = open(netns, O_RDONLY | O_CLOEXEC);
  if (there < 0) return -errno;
  int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  int result = here < 0 ? -errno : open_there(there, here, wanted);
  if (here >= 0) close(here);
  close(there);
  return result;
}

int netns_socket(const char *netns, int domain, int type, int protocol) {
  return open_in(netns, &(struct wanted){.domain = domain, .type = type, .protocol = protocol});
}

int netns_open(const char *netns, const char *file) {
  return open_in(netns, &(struct wanted){.file = file});
}
