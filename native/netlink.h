#ifndef CTHELPER_NETLINK_H
#define CTHELPER_NETLINK_H

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "sender.h"

/*
 * One netlink socket. Two parties may hold it: the JavaScript object (until its finalizer) and libuv's handle (from the
 * first start until its close callback); the last one frees it.
 */
struct netlink_socket {
  napi_env env;
  int holders;
  int fd; /* -1 once closed */

  /* Receiving: the caller's buffer, `slots` datagrams of `slot_size` bytes, and their lengths. */
  uint32_t slot_size;
  uint32_t slots;
  uint8_t *data; /* what the vectors point into; compared with the buffer's present address before use */
  struct iovec *vectors;
  struct mmsghdr *headers;

  struct sender *sender; /* NULL until one is needed */

  uv_poll_t poll;
  bool has_handle; /* poll is initialised and not yet closed */
  bool is_polling;

  napi_ref self;     /* weak; strong while polling, so that the object is not collected under libuv */
  napi_ref buffer;   /* strong */
  napi_ref lengths;  /* strong */
  napi_ref callback; /* strong, while polling */
  napi_async_cleanup_hook_handle cleanup;
};

/* netlink.c */
napi_value netlink_open(napi_env env, napi_callback_info info);
struct netlink_socket *netlink_of(napi_env env, napi_value object);
/* One recvmmsg. Number of datagrams, 0 when nothing is there, or a negative errno. */
int netlink_receive(struct netlink_socket *socket);
/* Idempotent. The struct stays valid until its holders have let go. */
void netlink_close(struct netlink_socket *socket);
void netlink_release(struct netlink_socket *socket);

/* poll.c */
int poll_start(struct netlink_socket *socket, napi_value callback);
void poll_stop(struct netlink_socket *socket);
void poll_close(struct netlink_socket *socket);
void poll_set_referenced(struct netlink_socket *socket, bool referenced);

#endif
