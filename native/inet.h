#ifndef CTHELPER_INET_H
#define CTHELPER_INET_H

#include <node_api.h>

/* openUdp(netnsPath, family, address, port): a bound, non-blocking descriptor that the caller owns, or a negative errno. */
napi_value udp_open(napi_env env, napi_callback_info info);
/* openTcp(netnsPath, family, address, port): the same for TCP, transparent: the address may be anybody's. */
napi_value tcp_open(napi_env env, napi_callback_info info);
/* openRaw(netnsPath, family, mark): a descriptor for whole IP packets, or a negative errno. */
napi_value raw_open(napi_env env, napi_callback_info info);
/* sendRaw(fd, family, address, packet): bytes sent, or a negative errno. */
napi_value raw_send(napi_env env, napi_callback_info info);

#endif
