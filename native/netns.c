#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_here(int domain, int type, int protocol) {
  int fd = socket(domain, type, protocol);
  return fd < 0 ? -errno : fd;
}

/*
 * A socket belongs for life to the namespace its creator's thread is in, so the thread visits it for one system call. A
 * thread that could not come back would run the rest of the program in the wrong network: better none at all.
 */
static int open_there(int there, int here, int domain, int type, int protocol) {
  if (setns(there, CLONE_NEWNET) != 0) return -errno;
  int fd = open_here(domain, type, protocol);
  if (setns(here, CLONE_NEWNET) != 0) {
    perror("cthelper: cannot return to the thread's own network namespace");
    abort();
  }
  return fd;
}

int netns_socket(const char *path, int domain, int type, int protocol) {
  if (path[0] == '\0') return open_here(domain, type, protocol);
  int there = open(path, O_RDONLY | O_CLOEXEC);
  if (there < 0) return -errno;
  int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  int result = here < 0 ? -errno : open_there(there, here, domain, type, protocol);
  if (here >= 0) close(here);
  close(there);
  return result;
}
