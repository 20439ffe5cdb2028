/* The addon's door: see types/native.d.ts for the contract of each function. */
#include "arguments.h"
#include "inet.h"
#include "netlink.h"
#include "netns.h"

static napi_value open_file(napi_env env, napi_callback_info info) {
  struct arguments arguments = arguments_of(env, info);
  char netns[MAX_PATH], file[MAX_PATH];
  if (!read_text(env, arguments.value[0], "netnsPath", netns, sizeof netns) ||
      !read_text(env, arguments.value[1], "file", file, sizeof file))
    return NULL;
  return number_value(env, netns_open(netns, file));
}

NAPI_MODULE_INIT() {
  define_method(env, exports, "open", netlink_open);
  define_method(env, exports, "openUdp", udp_open);
  define_method(env, exports, "openTcp", tcp_open);
  define_method(env, exports, "openRaw", raw_open);
  define_method(env, exports, "sendRaw", raw_send);
  define_method(env, exports, "openFile", open_file);
  return exports;
}
