#ifndef CTHELPER_NETLINK_H
#define CTHELPER_NETLINK_H

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "reader.h"
#include "sender.h"

/*
 * One netlink socket. Two parties may hold it: the JavaScript object (until its finalizer) and libuv's handle (from the
 * first start until its close callback); the last one frees it.
 */
struct netlink_socket {
  napi_env env;
  int holders;
  int fd; /* -1 once closed */

  /*
   * Receiving: the caller's buffer, `slots` datagrams of `slot_size` bytes, and their lengths; twice that many where the socket reads
   * ahead, and then batches take turns in the two halves.
   */
  uint32_t slot_size;
  uint32_t slots;
  bool reads_ahead;
  uint8_t *data; /* what the vectors point into; compared with the buffer's present address before use */
  struct iovec *vectors;
  struct mmsghdr *headers;

  struct sender *sender; /* NULL until one is needed */
  struct reader *reader; /* the same */
  int asked_half;        /* where it puts what it was asked for */

  uv_poll_t poll;
  bool has_handle; /* poll is initialised and not yet closed */
  bool is_polling;
  bool is_waiting_ahead; /* polls for writing too, to be called about what was read ahead */

  napi_ref self;     /* weak; strong while polling, so that the object is not collected under libuv */
  napi_ref buffer;   /* strong */
  napi_ref lengths;  /* strong */
  napi_ref callback; /* strong, while polling */
  napi_async_cleanup_hook_handle cleanup;
};

/* netlink.c */
napi_value netlink_open(napi_env env, napi_callback_info info);
struct netlink_socket *netlink_of(napi_env env, napi_value object);
/* One recvmmsg into the first half. Number of datagrams, 0 when nothing is there, or a negative errno. */
int netlink_receive(struct netlink_socket *socket);
/* Has the thread receive into a half. False: it does not, and what is there is to be received the other way. */
bool netlink_ask(struct netlink_socket *socket, int half);
/* Like `netlink_receive`, for what was asked for. */
int netlink_take(struct netlink_socket *socket, int half);
/* Idempotent. The struct stays valid until its holders have let go. */
void netlink_close(struct netlink_socket *socket);
void netlink_release(struct netlink_socket *socket);

/* poll.c */
int poll_start(struct netlink_socket *socket, napi_value callback);
void poll_stop(struct netlink_socket *socket);
void poll_close(struct netlink_socket *socket);
void poll_set_referenced(struct netlink_socket *socket, bool referenced);

#endif
