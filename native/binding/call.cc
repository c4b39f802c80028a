#include "call.h"

#include <cstdio>

namespace millrace {

namespace {

// Names and expectations are literals of this addon; the longest pair fits.
constexpr size_t kMessageBytes = 160;

struct Message {
  Message(const char* name, const char* expected) {
    snprintf(text, sizeof text, "The \"%s\" argument must be %s", name, expected);
  }

  char text[kMessageBytes];
};

}  // namespace

// A getter or proxy that threw has the better error to show, and stays: as
// long as an exception is pending, Node-API throws no other.

void Call::refuse_type(const char* name, const char* expected) {
  thrown_ = true;
  napi_throw_type_error(env_, "ERR_INVALID_ARG_TYPE", Message(name, expected).text);
}

void Call::refuse_range(const char* name, const char* expected) {
  thrown_ = true;
  napi_throw_range_error(env_, "ERR_OUT_OF_RANGE", Message(name, expected).text);
}

Buffers Call::buffers() {
  Buffers result;
  result.count = 0;
  const napi_value array = next();
  uint32_t length;
  if (napi_get_array_length(env_, array, &length) != napi_ok) {
    refuse_type("buffers", "an array of Uint8Array");
    return result;
  }
  const uint32_t count = std::min(length, kBuffersMax);
  // In two passes, because fetching an element may run a getter, which could
  // detach a buffer whose address was taken before.
  napi_value values[kBuffersMax];
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env_, array, i, &values[i]) == napi_ok) continue;
    thrown_ = true;
    return result;
  }
  size_t room = INT_MAX;  // of the result, and of what the kernel takes at once
  for (uint32_t i = 0; i < count && !thrown_; i++) {
    const Bytes part = bytes(values[i], "buffers");
    result.parts[i] = {part.data, std::min(part.size, room)};
    room -= result.parts[i].iov_len;
  }
  result.count = static_cast<int>(count);
  return result;
}

bool Call::elements(napi_typedarray_type type, Elements* result) {
  napi_typedarray_type actual;
  result->array = next();
  return napi_get_typedarray_info(env_, result->array, &actual, &result->count, &result->data,
                                  nullptr, nullptr) == napi_ok &&
         actual == type;
}

napi_value Call::function(const char* name) {
  const napi_value value = next();
  napi_valuetype type = napi_undefined;
  napi_typeof(env_, value, &type);
  if (type != napi_function) refuse_type(name, "a function");
  return value;
}

size_t Call::text(const char* name, char* result, size_t room) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env_, next(), result, room, &length) != napi_ok) {
    refuse_type(name, "a string");
  }
  return length;
}

}  // namespace millrace
