#include "args.h"

#include <cstdio>

namespace millrace {

namespace {

// Names and expectations are literals of this addon; the longest pair fits.
constexpr size_t kMessageBytes = 160;

}  // namespace

bool throw_invalid_type(napi_env env, const char* name, const char* expected) {
  // A getter or proxy that threw has the better error to show.
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) return false;
  char message[kMessageBytes];
  snprintf(message, sizeof message, "The \"%s\" argument must be %s", name, expected);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

bool throw_out_of_range(napi_env env, const char* name, const char* expected) {
  char message[kMessageBytes];
  snprintf(message, sizeof message, "The \"%s\" argument must be %s", name, expected);
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message);
  return false;
}

bool get_buffers(napi_env env, napi_value value, iovec* buffers, uint32_t* count) {
  uint32_t length;
  if (napi_get_array_length(env, value, &length) != napi_ok) {
    return throw_invalid_type(env, "buffers", "an array of Uint8Array");
  }
  *count = std::min(length, kBuffersMax);
  // In two passes, because fetching an element may run a getter, which could
  // detach a buffer whose address was taken before.
  napi_value elements[kBuffersMax];
  for (uint32_t i = 0; i < *count; i++) {
    if (napi_get_element(env, value, i, &elements[i]) != napi_ok) return false;
  }
  size_t room = INT_MAX;  // of the result, and of what the kernel takes at once
  for (uint32_t i = 0; i < *count; i++) {
    Bytes bytes;
    if (!get_bytes(env, elements[i], "buffers", &bytes)) return false;
    buffers[i] = {bytes.data, std::min(bytes.size, room)};
    room -= buffers[i].iov_len;
  }
  return true;
}

bool check_function(napi_env env, napi_value value, const char* name) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_function || throw_invalid_type(env, name, "a function");
}

}  // namespace millrace
