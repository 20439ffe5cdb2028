#include "arguments.h"

#include <stdio.h>

struct arguments arguments_of(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  size_t count = MAX_ARGUMENTS;
  napi_get_cb_info(env, info, &count, arguments.value, &arguments.self, NULL);
  return arguments;
}

static bool refuse(napi_env env, const char *name, const char *wanted) {
  char message[96];
  snprintf(message, sizeof message, "%s must be %s", name, wanted);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

bool read_int(napi_env env, napi_value value, const char *name, int32_t *result) {
  return napi_get_value_int32(env, value, result) == napi_ok || refuse(env, name, "a number");
}

bool read_uint(napi_env env, napi_value value, const char *name, uint32_t *result) {
  return napi_get_value_uint32(env, value, result) == napi_ok || refuse(env, name, "a number");
}

bool read_text(napi_env env, napi_value value, const char *name, char *result, size_t size) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return refuse(env, name, "a string");
  if (length >= size) return refuse(env, name, "shorter");
  napi_get_value_string_utf8(env, value, result, size, &length);
  return true;
}

static bool read_array(napi_env env, napi_value value, napi_typedarray_type type, size_t width, struct bytes *result) {
  bool is_array = false;
  napi_typedarray_type found;
  size_t count = 0;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return false;
  if (napi_get_typedarray_info(env, value, &found, &count, &data, NULL, NULL) != napi_ok || found != type) return false;
  *result = (struct bytes){.data = data, .length = count * width};
  return true;
}

bool read_bytes(napi_env env, napi_value value, const char *name, struct bytes *result) {
  return read_array(env, value, napi_uint8_array, 1, result) || refuse(env, name, "a Uint8Array");
}

bool read_uint32_array(napi_env env, napi_value value, const char *name, struct bytes *result) {
  return read_array(env, value, napi_uint32_array, 4, result) || refuse(env, name, "a Uint32Array");
}

napi_value number_value(napi_env env, int64_t number) {
  napi_value value = NULL;
  napi_create_int64(env, number, &value);
  return value;
}

void define_method(napi_env env, napi_value object, const char *name, napi_callback method) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, method, NULL, &function) != napi_ok) return;
  napi_set_named_property(env, object, name, function);
}

void define_value(napi_env env, napi_value object, const char *name, int64_t number) {
  napi_set_named_property(env, object, name, number_value(env, number));
}
