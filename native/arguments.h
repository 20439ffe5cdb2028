#ifndef CTHELPER_ARGUMENTS_H
#define CTHELPER_ARGUMENTS_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ARGUMENTS 5
#define MAX_PATH 4096

/* A call's arguments; what was not passed is undefined, so a reader below refuses it. */
struct arguments {
  napi_value self;
  napi_value value[MAX_ARGUMENTS];
};

/* The memory behind a typed array, valid until control returns to JavaScript. */
struct bytes {
  uint8_t *data;
  size_t length;
};

struct arguments arguments_of(napi_env env, napi_callback_info info);

/* Each reads one argument; false leaves a TypeError naming `name` pending. */
bool read_int(napi_env env, napi_value value, const char *name, int32_t *result);
bool read_uint(napi_env env, napi_value value, const char *name, uint32_t *result);
bool read_text(napi_env env, napi_value value, const char *name, char *result, size_t size);
bool read_bytes(napi_env env, napi_value value, const char *name, struct bytes *result);
bool read_uint32_array(napi_env env, napi_value value, const char *name, struct bytes *result);

napi_value number_value(napi_env env, int64_t number);

/* Defines `name` on `object` as a method. */
void define_method(napi_env env, napi_value object, const char *name, napi_callback method);
void define_value(napi_env env, napi_value object, const char *name, int64_t number);

#endif
