#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <unistd.h>

#include "arguments.h"
#include "netns.h"

#define MAX_SLOTS 1024

/* Marks our objects, so that a method called on another `this` is refused instead of reading foreign memory. */
static const napi_type_tag socket_tag = {0x6374686c70657221ULL, 0x6e65746c696e6b31ULL};

struct netlink_socket *netlink_of(napi_env env, napi_value object) {
  bool is_ours = false;
  void *socket = NULL;
  if (napi_check_object_type_tag(env, object, &socket_tag, &is_ours) == napi_ok && is_ours &&
      napi_unwrap(env, object, &socket) == napi_ok)
    return socket;
  napi_throw_type_error(env, "ERR_INVALID_THIS", "not a NativeSocket");
  return NULL;
}

void netlink_release(struct netlink_socket *socket) {
  if (--socket->holders > 0) return;
  free(socket->vectors);
  free(socket->headers);
  free(socket);
}

void netlink_close(struct netlink_socket *socket) {
  if (socket->fd < 0) return;
  int fd = socket->fd;
  socket->fd = -1;
  sender_end(&socket->sender);
  /* First out of the loop, then the descriptor: the number may be given to someone else at once. */
  poll_close(socket);
  close(fd);
  napi_delete_reference(socket->env, socket->buffer);
  napi_delete_reference(socket->env, socket->lengths);
}

/* The environment ends (worker.terminate, process exit) with the socket open; the hook is removed once libuv let go. */
static void on_environment_end(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  netlink_close(data);
}

static void on_collected(napi_env env, void *data, void *hint) {
  struct netlink_socket *socket = data;
  (void)hint;
  netlink_close(socket);
  napi_delete_reference(env, socket->self);
  netlink_release(socket);
}

/* ---- receiving ---- */

/* A transferred ArrayBuffer leaves an array of length 0 behind: refuse, do not write where it was. */
static bool resolve_array(napi_env env, napi_ref reference, size_t needed, void **data) {
  napi_value array;
  size_t count = 0;
  return napi_get_reference_value(env, reference, &array) == napi_ok && array != NULL &&
         napi_get_typedarray_info(env, array, NULL, &count, data, NULL, NULL) == napi_ok && count >= needed;
}

static void point_vectors(struct netlink_socket *socket, uint8_t *data) {
  socket->data = data;
  for (uint32_t i = 0; i < socket->slots; i++) {
    socket->vectors[i] = (struct iovec){.iov_base = data + (size_t)i * socket->slot_size, .iov_len = socket->slot_size};
    socket->headers[i].msg_hdr = (struct msghdr){.msg_iov = &socket->vectors[i], .msg_iovlen = 1};
  }
}

int netlink_receive(struct netlink_socket *socket) {
  if (socket->fd < 0) return -EBADF;
  void *data, *lengths;
  if (!resolve_array(socket->env, socket->buffer, (size_t)socket->slots * socket->slot_size, &data) ||
      !resolve_array(socket->env, socket->lengths, socket->slots, &lengths))
    return -EFAULT;
  if (data != socket->data) point_vectors(socket, data);
  int count;
  do count = recvmmsg(socket->fd, socket->headers, socket->slots, MSG_DONTWAIT | MSG_TRUNC, NULL);
  while (count < 0 && errno == EINTR);
  if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  for (int i = 0; i < count; i++) ((uint32_t *)lengths)[i] = socket->headers[i].msg_len;
  return count;
}

/* ---- methods ---- */

/* The arguments of send and post: a range of bytes; false leaves an exception or the errno in `result`. */
static bool read_range(napi_env env, const struct arguments *arguments, struct netlink_socket *socket, struct bytes *range,
                       napi_value *result) {
  uint32_t offset, length;
  *result = NULL;
  if (!read_bytes(env, arguments->value[0], "bytes", range) || !read_uint(env, arguments->value[1], "offset", &offset) ||
      !read_uint(env, arguments->value[2], "length", &length))
    return false;
  if (socket->fd < 0) *result = number_value(env, -EBADF);
  else if (offset > range->length || length > range->length - offset) *result = number_value(env, -EINVAL);
  else *range = (struct bytes){.data = range->data + offset, .length = length};
  return *result == NULL;
}

static napi_value method_send(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  struct netlink_socket *socket = netlink_of(env, arguments.self);
  struct bytes range;
  napi_value result = NULL;
  if (socket == NULL || !read_range(env, &arguments, socket, &range, &result)) return result;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do sent = sendto(socket->fd, range.data, range.length, MSG_DONTWAIT, (struct sockaddr *)&kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);
  return number_value(env, sent < 0 ? -errno : sent);
}

static napi_value method_post(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  struct netlink_socket *socket = netlink_of(env, arguments.self);
  struct bytes range;
  napi_value result = NULL;
  if (socket == NULL || !read_range(env, &arguments, socket, &range, &result)) return result;
  return number_value(env, sender_post(&socket->sender, socket->fd, range.data, range.length));
}

static napi_value method_receive(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  struct netlink_socket *socket = netlink_of(env, arguments.self);
  return socket == NULL ? NULL : number_value(env, netlink_receive(socket));
}

static napi_value method_start(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  struct netlink_socket *socket = netlink_of(env, arguments.self);
  napi_valuetype type;
  if (socket == NULL) return NULL;
  if (napi_typeof(env, arguments.value[0], &type) != napi_ok || type != napi_function) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "onBatch must be a function");
    return NULL;
  }
  return number_value(env, poll_start(socket, arguments.value[0]));
}

static napi_value method_stop(napi_env env, napi_callback_info info) {
  struct netlink_socket *socket = netlink_of(env, arguments_of(env, info).self);
  if (socket != NULL) poll_stop(socket);
  return NULL;
}

static napi_value method_ref(napi_env env, napi_callback_info info) {
  struct netlink_socket *socket = netlink_of(env, arguments_of(env, info).self);
  if (socket != NULL) poll_set_referenced(socket, true);
  return NULL;
}

static napi_value method_unref(napi_env env, napi_callback_info info) {
  struct netlink_socket *socket = netlink_of(env, arguments_of(env, info).self);
  if (socket != NULL) poll_set_referenced(socket, false);
  return NULL;
}

static napi_value method_set_option(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  struct netlink_socket *socket = netlink_of(env, arguments.self);
  int32_t level, name, value;
  if (socket == NULL || !read_int(env, arguments.value[0], "level", &level) ||
      !read_int(env, arguments.value[1], "name", &name) || !read_int(env, arguments.value[2], "value", &value))
    return NULL;
  return number_value(env, setsockopt(socket->fd, level, name, &value, sizeof value) == 0 ? 0 : -errno);
}

static napi_value method_get_option(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  struct netlink_socket *socket = netlink_of(env, arguments.self);
  int32_t level, name, value = 0;
  socklen_t size = sizeof value;
  if (socket == NULL || !read_int(env, arguments.value[0], "level", &level) ||
      !read_int(env, arguments.value[1], "name", &name))
    return NULL;
  return number_value(env, getsockopt(socket->fd, level, name, &value, &size) == 0 ? value : -errno);
}

static napi_value method_close(napi_env env, napi_callback_info info) {
  struct netlink_socket *socket = netlink_of(env, arguments_of(env, info).self);
  if (socket != NULL) netlink_close(socket);
  return NULL;
}

static void define_methods(napi_env env, napi_value object) {
  define_method(env, object, "send", method_send);
  define_method(env, object, "post", method_post);
  define_method(env, object, "receive", method_receive);
  define_method(env, object, "start", method_start);
  define_method(env, object, "stop", method_stop);
  define_method(env, object, "ref", method_ref);
  define_method(env, object, "unref", method_unref);
  define_method(env, object, "setOption", method_set_option);
  define_method(env, object, "getOption", method_get_option);
  define_method(env, object, "close", method_close);
}

/* ---- opening ---- */

/* Binds `fd` with a port id of the kernel's choice and tells which. 0 or a negative errno. */
static int bind_automatically(int fd, uint32_t *port_id) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  socklen_t size = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, size) != 0) return -errno;
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return -errno;
  *port_id = address.nl_pid;
  return 0;
}

static struct netlink_socket *allocate(napi_env env, int fd, uint32_t slot_size, uint32_t slots) {
  struct netlink_socket *socket = calloc(1, sizeof *socket);
  if (socket == NULL) return NULL;
  *socket = (struct netlink_socket){.env = env, .holders = 1, .fd = fd, .slot_size = slot_size, .slots = slots};
  socket->vectors = calloc(slots, sizeof *socket->vectors);
  socket->headers = calloc(slots, sizeof *socket->headers);
  if (socket->vectors != NULL && socket->headers != NULL) return socket;
  netlink_release(socket);
  return NULL;
}

static napi_value wrap(napi_env env, struct netlink_socket *socket, uint32_t port_id, const struct arguments *arguments) {
  napi_value object;
  napi_create_object(env, &object);
  define_value(env, object, "fd", socket->fd);
  define_value(env, object, "portId", port_id);
  define_methods(env, object);
  napi_create_reference(env, arguments->value[2], 1, &socket->buffer);
  napi_create_reference(env, arguments->value[4], 1, &socket->lengths);
  napi_type_tag_object(env, object, &socket_tag);
  napi_add_async_cleanup_hook(env, on_environment_end, socket, &socket->cleanup);
  napi_wrap(env, object, socket, on_collected, NULL, &socket->self);
  return object;
}

napi_value netlink_open(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  char path[MAX_PATH];
  int32_t protocol;
  uint32_t slot_size, port_id = 0;
  struct bytes buffer, lengths;
  if (!read_int(env, arguments.value[0], "protocol", &protocol) ||
      !read_text(env, arguments.value[1], "netnsPath", path, sizeof path) ||
      !read_bytes(env, arguments.value[2], "buffer", &buffer) ||
      !read_uint(env, arguments.value[3], "slotSize", &slot_size) ||
      !read_uint32_array(env, arguments.value[4], "lengths", &lengths))
    return NULL;
  if (slot_size == 0 || buffer.length < slot_size) return number_value(env, -EINVAL);
  size_t slots = buffer.length / slot_size;
  if (slots > lengths.length / sizeof(uint32_t)) slots = lengths.length / sizeof(uint32_t);
  if (slots > MAX_SLOTS) slots = MAX_SLOTS;
  if (slots == 0) return number_value(env, -EINVAL);
  int fd = netns_socket(path, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return number_value(env, fd);
  int error = bind_automatically(fd, &port_id);
  struct netlink_socket *socket = error == 0 ? allocate(env, fd, slot_size, (uint32_t)slots) : NULL;
  if (socket != NULL) return wrap(env, socket, port_id, &arguments);
  close(fd);
  return number_value(env, error == 0 ? -ENOMEM : error);
}
