#ifndef CTHELPER_NETNS_H
#define CTHELPER_NETNS_H

/* socket(2) in the network namespace at `path` (empty: the caller's own). The descriptor, or a negative errno. */
int netns_socket(const char *path, int domain, int type, int protocol);

#endif
