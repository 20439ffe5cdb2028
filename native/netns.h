#ifndef CTHELPER_NETNS_H
#define CTHELPER_NETNS_H

/* Both work in the network namespace at `netns` (empty: the caller's own) and give a descriptor, or a negative errno. */
int netns_socket(const char *netns, int domain, int type, int protocol);
/* open(file, O_RDONLY): a file under /proc/thread-self/net shows the namespace it was opened in, for as long as it is open. */
int netns_open(const char *netns, const char *file);

#endif
