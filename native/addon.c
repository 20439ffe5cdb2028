/* The addon's door: see types/native.d.ts for the contract of each function. */
#include "arguments.h"
#include "netlink.h"
#include "udp.h"

NAPI_MODULE_INIT() {
  define_method(env, exports, "open", netlink_open);
  define_method(env, exports, "openUdp", udp_open);
  return exports;
}
