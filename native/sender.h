#ifndef CTHELPER_SENDER_H
#define CTHELPER_SENDER_H

#include <stddef.h>
#include <stdint.h>

/*
 * A thread that sends for one socket, in order. The kernel carries a queued packet on within the sendto() that brings its verdict, down
 * to the wire: under load that work belongs on another core than JavaScript.
 */
struct sender;

/*
 * Posts bytes[0, length), copied. Small datagrams on an idle sender are sent at once, by the caller's thread; the others by the sender's,
 * which is started when it is first needed (*sender NULL until then). Waits while too much is under way. The length, or a negative errno:
 * this one's when it was sent at once, an earlier one's else, and then these bytes are dropped.
 */
int64_t sender_post(struct sender **sender, int fd, const uint8_t *bytes, size_t length);

/* Sends what is under way, ends the thread, and frees the sender. */
void sender_end(struct sender **sender);

#endif
