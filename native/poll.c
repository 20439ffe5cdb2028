#include "netlink.h"

#include <errno.h>

/* Batches a loop turn, so that timers and other sockets get theirs under a flood; epoll is level-triggered and comes back. */
#define BATCHES_PER_TURN 8

/*
 * Calls JavaScript with `count`. What it throws goes where every event handler's exception goes: 'uncaughtException'. A
 * handled one leaves the poll running.
 */
static void call_back(struct netlink_socket *socket, int count) {
  napi_env env = socket->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value self, callback, argument;
  if (napi_get_reference_value(env, socket->self, &self) == napi_ok && self != NULL &&
      napi_get_reference_value(env, socket->callback, &callback) == napi_ok && callback != NULL &&
      napi_create_int32(env, count, &argument) == napi_ok) {
    napi_make_callback(env, NULL, self, callback, 1, &argument, NULL);
    bool is_pending = false;
    napi_value error;
    if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok)
      napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

static int receive_in_scope(struct netlink_socket *socket) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(socket->env, &scope) != napi_ok) return -ECANCELED;
  int count = netlink_receive(socket);
  napi_close_handle_scope(socket->env, scope);
  return count;
}

static void on_poll(uv_poll_t *handle, int status, int events);

/* libuv stops a handle whose descriptor reports POLLERR, and a netlink overrun (ENOBUFS) is just that: go on. */
static void resume(struct netlink_socket *socket) {
  if (!socket->is_polling || uv_is_active((uv_handle_t *)&socket->poll)) return;
  int error = uv_poll_start(&socket->poll, UV_READABLE, on_poll);
  if (error == 0) return;
  call_back(socket, error);
  poll_stop(socket);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  struct netlink_socket *socket = handle->data;
  (void)status; /* the receive says what is wrong, and better */
  (void)events;
  /* The callback may stop or close the socket: look again before every step. */
  for (int batch = 0; batch < BATCHES_PER_TURN && socket->is_polling; batch++) {
    int count = receive_in_scope(socket);
    if (count == 0) break;
    call_back(socket, count);
    if (count < 0 && count != -ENOBUFS) {
      /* It would fail again at once, for ever. */
      poll_stop(socket);
      return;
    }
  }
  resume(socket);
}

int poll_start(struct netlink_socket *socket, napi_value callback) {
  if (socket->fd < 0) return -EBADF;
  poll_stop(socket);
  if (!socket->has_handle) {
    uv_loop_t *loop;
    if (napi_get_uv_event_loop(socket->env, &loop) != napi_ok) return -ENOTSUP;
    int error = uv_poll_init(loop, &socket->poll, socket->fd);
    if (error != 0) return error;
    socket->poll.data = socket;
    socket->has_handle = true;
    socket->holders++;
  }
  int error = uv_poll_start(&socket->poll, UV_READABLE, on_poll);
  if (error != 0) return error;
  uv_ref((uv_handle_t *)&socket->poll);
  napi_create_reference(socket->env, callback, 1, &socket->callback);
  napi_reference_ref(socket->env, socket->self, NULL);
  socket->is_polling = true;
  return 0;
}

void poll_stop(struct netlink_socket *socket) {
  if (!socket->is_polling) return;
  socket->is_polling = false;
  uv_poll_stop(&socket->poll);
  napi_delete_reference(socket->env, socket->callback);
  socket->callback = NULL;
  napi_reference_unref(socket->env, socket->self, NULL);
}

static void on_closed(uv_handle_t *handle) {
  struct netlink_socket *socket = handle->data;
  napi_remove_async_cleanup_hook(socket->cleanup);
  netlink_release(socket);
}

void poll_close(struct netlink_socket *socket) {
  poll_stop(socket);
  if (!socket->has_handle) {
    napi_remove_async_cleanup_hook(socket->cleanup);
    return;
  }
  socket->has_handle = false;
  uv_close((uv_handle_t *)&socket->poll, on_closed);
}

void poll_set_referenced(struct netlink_socket *socket, bool referenced) {
  if (!socket->has_handle) return;
  if (referenced)
    uv_ref((uv_handle_t *)&socket->poll);
  else
    uv_unref((uv_handle_t *)&socket->poll);
}
