#ifndef CTHELPER_UDP_H
#define CTHELPER_UDP_H

#include <node_api.h>

/* openUdp(netnsPath, family, address, port): a bound, non-blocking descriptor that the caller owns, or a negative errno. */
napi_value udp_open(napi_env env, napi_callback_info info);

#endif
