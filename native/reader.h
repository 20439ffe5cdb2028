#ifndef CTHELPER_READER_H
#define CTHELPER_READER_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * A thread that receives for one socket, one batch ahead: under load the copying belongs on another core than JavaScript, which has the
 * batch before in hand meanwhile.
 */
struct reader;

/* One recvmmsg without waiting. Number of datagrams, 0 when nothing is there, or a negative errno. */
int reader_receive(int fd, struct mmsghdr *headers, unsigned slots);

/*
 * Begins to receive up to `slots` datagrams into `headers`, which are the thread's until `reader_take`. The thread is started when it is
 * first needed (*reader NULL until then). False when it cannot be had, or has a batch that was not taken.
 */
bool reader_ask(struct reader **reader, int fd, struct mmsghdr *headers, unsigned slots);

/* Whether there is a batch to take, or will be. */
bool reader_is_asked(const struct reader *reader);

/* Waits for what was asked for. Like `reader_receive`. */
int reader_take(struct reader *reader);

/* Ends the thread, after what it is doing, and frees the reader. */
void reader_end(struct reader **reader);

#endif
