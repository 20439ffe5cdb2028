#include "inet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"
#include "netns.h"

/* The socket address' size, or 0 when family and address do not belong together. */
static socklen_t fill(struct sockaddr_storage *storage, int32_t family, struct bytes address, uint32_t port) {
  memset(storage, 0, sizeof *storage);
  if (family == 4 && address.length == 4) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    memcpy(&v4->sin_addr, address.data, 4);
    return sizeof *v4;
  }
  if (family == 6 && address.length == 16) {
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    memcpy(&v6->sin6_addr, address.data, 16);
    return sizeof *v6;
  }
  return 0;
}

/* An IPv6 socket takes IPv6 only, so that the same port can be opened for IPv4 beside it. */
static int only_own_family(int fd, int domain) {
  int on = 1;
  if (domain != AF_INET6) return 0;
  return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0 ? 0 : -errno;
}

/* Other people's addresses as its own, and ports that an ended connection still keeps for its last packets (TIME_WAIT). */
static int transparent(int fd, int domain) {
  int on = 1;
  int failed = domain == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on)
                                  : setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on);
  if (failed != 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -errno;
  return 0;
}

static int bind_to(int fd, int type, const struct sockaddr_storage *address, socklen_t size) {
  int error = only_own_family(fd, address->ss_family);
  if (error == 0 && type == SOCK_STREAM) error = transparent(fd, address->ss_family);
  if (error != 0) return error;
  return bind(fd, (const struct sockaddr *)address, size) == 0 ? 0 : -errno;
}

static napi_value open_bound(napi_env env, napi_callback_info info, int type) {
  struct arguments arguments = arguments_of(env, info);
  char path[MAX_PATH];
  int32_t family;
  uint32_t port;
  struct bytes address;
  if (!read_text(env, arguments.value[0], "netnsPath", path, sizeof path) ||
      !read_int(env, arguments.value[1], "family", &family) || !read_bytes(env, arguments.value[2], "address", &address) ||
      !read_uint(env, arguments.value[3], "port", &port))
    return NULL;
  struct sockaddr_storage storage;
  socklen_t size = fill(&storage, family, address, port);
  if (size == 0 || port > 65535) return number_value(env, -EINVAL);
  int fd = netns_socket(path, storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return number_value(env, fd);
  int error = bind_to(fd, type, &storage, size);
  if (error != 0) close(fd);
  return number_value(env, error == 0 ? fd : error);
}

napi_value udp_open(napi_env env, napi_callback_info info) {
  return open_bound(env, info, SOCK_DGRAM);
}

napi_value tcp_open(napi_env env, napi_callback_info info) {
  return open_bound(env, info, SOCK_STREAM);
}

/* IPPROTO_RAW: packets come with their IP headers, whatever source these name. */
napi_value raw_open(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  char path[MAX_PATH];
  int32_t family;
  uint32_t mark;
  if (!read_text(env, arguments.value[0], "netnsPath", path, sizeof path) ||
      !read_int(env, arguments.value[1], "family", &family) || !read_uint(env, arguments.value[2], "mark", &mark))
    return NULL;
  int domain = family == 6 ? AF_INET6 : AF_INET;
  int fd = netns_socket(path, domain, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) {
    int error = errno;
    close(fd);
    return number_value(env, -error);
  }
  return number_value(env, fd);
}

napi_value raw_send(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  int32_t fd, family;
  struct bytes address, packet;
  if (!read_int(env, arguments.value[0], "fd", &fd) || !read_int(env, arguments.value[1], "family", &family) ||
      !read_bytes(env, arguments.value[2], "address", &address) || !read_bytes(env, arguments.value[3], "packet", &packet))
    return NULL;
  struct sockaddr_storage storage;
  socklen_t size = fill(&storage, family, address, 0);
  if (size == 0) return number_value(env, -EINVAL);
  ssize_t sent = sendto(fd, packet.data, packet.length, 0, (struct sockaddr *)&storage, size);
  return number_value(env, sent < 0 ? -errno : sent);
}
