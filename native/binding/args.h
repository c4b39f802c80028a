// Arguments in, results out.
//
// The functions on the hot path cost a few nanoseconds each beside the system
// call they make, so everything here is inline and makes one Node-API call an
// argument. A getter that returns false has thrown: the caller returns null.
#pragma once

#include <node_api.h>
#include <sys/uio.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>

namespace millrace {

class EnvState;

// Throw a TypeError, code ERR_INVALID_ARG_TYPE, that says what `name` must be;
// a RangeError, code ERR_OUT_OF_RANGE. Both return false for the caller to
// pass on.
bool throw_invalid_type(napi_env env, const char* name, const char* expected);
bool throw_out_of_range(napi_env env, const char* name, const char* expected);

// The arguments of one call. Absent ones are `undefined`, which no getter
// accepts, so that only optional ones need be counted.
template <size_t N>
struct Arguments {
  Arguments(napi_env env, napi_callback_info info) {
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values, nullptr, &data);
    state = static_cast<EnvState*>(data);
  }

  napi_value operator[](size_t index) const { return values[index]; }

  EnvState* state;
  size_t count = N;  // as passed; may be more than N
  napi_value values[N];
};

// The environment's state alone, for functions without arguments.
inline EnvState* state_of(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<EnvState*>(data);
}

inline bool get_int(napi_env env, napi_value value, const char* name, int32_t* result) {
  return napi_get_value_int32(env, value, result) == napi_ok ||
         throw_invalid_type(env, name, "a number");
}

inline bool get_uint(napi_env env, napi_value value, const char* name, uint32_t* result) {
  return napi_get_value_uint32(env, value, result) == napi_ok ||
         throw_invalid_type(env, name, "a number");
}

inline bool get_double(napi_env env, napi_value value, const char* name, double* result) {
  return napi_get_value_double(env, value, result) == napi_ok ||
         throw_invalid_type(env, name, "a number");
}

// A number that is never used twice, as in core/threads.h; 0, which names
// nobody, for one that cannot be such.
inline bool get_key(napi_env env, napi_value value, const char* name, uint64_t* result) {
  constexpr double kKeyMax = 9007199254740991.0;  // 2^53 - 1
  double number;
  if (!get_double(env, value, name, &number)) return false;
  *result = number >= 1 && number <= kKeyMax ? static_cast<uint64_t>(number) : 0;
  return true;
}

inline bool get_bool(napi_env env, napi_value value, const char* name, bool* result) {
  return napi_get_value_bool(env, value, result) == napi_ok ||
         throw_invalid_type(env, name, "a boolean");
}

// Bytes that belong to JavaScript. Valid until JavaScript runs again, which
// might detach the buffer.
struct Bytes {
  void* data;
  size_t size;
};

// A detached or empty array gives size 0. The size is cut to what a result can
// say; the kernel moves no more in one call either.
inline bool get_bytes(napi_env env, napi_value value, const char* name, Bytes* result) {
  napi_typedarray_type type;
  size_t size;
  if (napi_get_typedarray_info(env, value, &type, &size, &result->data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_uint8_array) {
    return throw_invalid_type(env, name, "a Uint8Array");
  }
  result->size = std::min<size_t>(size, INT_MAX);
  return true;
}

// The part of the bytes at argument `index` that the two after it name as
// start and end, or all of them where there are no such arguments.
template <size_t N>
inline bool get_part(napi_env env, const Arguments<N>& args, size_t index, const char* name,
                     Bytes* result) {
  if (!get_bytes(env, args[index], name, result)) return false;
  if (args.count <= index + 1) return true;
  uint32_t start;
  uint32_t end;
  if (!get_uint(env, args[index + 1], "start", &start) ||
      !get_uint(env, args[index + 2], "end", &end)) {
    return false;
  }
  if (start > end || end > result->size) {
    return throw_out_of_range(env, "start and end", "in order and within the buffer");
  }
  result->data = static_cast<char*>(result->data) + start;
  result->size = end - start;
  return true;
}

// One writev(2) takes no more buffers on any system of today (IOV_MAX).
constexpr uint32_t kBuffersMax = 1024;

// The first kBuffersMax of an array of Uint8Array, for which there is room.
bool get_buffers(napi_env env, napi_value value, iovec* buffers, uint32_t* count);

// False, with the TypeError thrown, if it is not a function.
bool check_function(napi_env env, napi_value value, const char* name);

inline napi_value make_number(napi_env env, int64_t value) {
  napi_value result = nullptr;
  // A result beyond 32 bits does not exist: sizes are cut to INT_MAX.
  napi_create_int32(env, static_cast<int32_t>(value), &result);
  return result;
}

inline napi_value make_double(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

inline napi_value make_boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

}  // namespace millrace
