// One call from JavaScript: its arguments in, its result out.
//
// An entry point reads its arguments in their order, asks once whether the
// call is refused, and then does its work:
//
//   napi_value take_error(Call& call) {
//     const int fd = call.handle();
//     if (call.refused()) return call.refusal();
//     return call.answer(socket_take_error(fd));
//   }
//
// A call is refused by an exception or by an error of the system. The first
// exception stays: while one is pending, none is put in its place. It goes
// before any error, and the first error before the others. What an argument
// that was refused reads as is of no use.
//
// The functions on the hot path cost a few nanoseconds each beside the system
// call they make, so what they need is inline and makes one Node-API call an
// argument.
#pragma once

#include <node_api.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "../core/address.h"
#include "addon.h"

namespace millrace {

// Bytes that belong to JavaScript. Valid until JavaScript runs again, which
// might detach the buffer.
struct Bytes {
  void* data = nullptr;
  size_t size = 0;
};

// The elements of a typed array, as valid as Bytes, and the array itself.
struct Elements {
  napi_value array = nullptr;
  void* data = nullptr;
  size_t count = 0;
};

// One writev(2) takes no more buffers on any system of today (IOV_MAX).
constexpr uint32_t kBuffersMax = 1024;

struct Buffers {
  iovec parts[kBuffersMax];
  int count;
};

class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env_(env) {
    void* data = nullptr;
    napi_get_cb_info(env, info, &count_, values_, nullptr, &data);
    state_ = static_cast<EnvState*>(data);
  }

  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  napi_env env() const { return env_; }
  EnvState* state() const { return state_; }
  Descriptors& descriptors() const { return state_->descriptors; }

  // The next argument, unread. Absent ones are `undefined`, which no reader
  // below accepts, so that only optional ones need be asked for.
  napi_value next() { return values_[next_++]; }
  bool has_next() const { return next_ < count_; }

  // Readers of the next argument. `name` is for the exception.

  int32_t int32(const char* name) {
    int32_t result = 0;
    if (napi_get_value_int32(env_, next(), &result) != napi_ok) refuse_type(name, "a number");
    return result;
  }

  uint32_t uint32(const char* name) {
    uint32_t result = 0;
    if (napi_get_value_uint32(env_, next(), &result) != napi_ok) refuse_type(name, "a number");
    return result;
  }

  double number(const char* name) {
    double result = 0;
    if (napi_get_value_double(env_, next(), &result) != napi_ok) refuse_type(name, "a number");
    return result;
  }

  bool boolean(const char* name) {
    bool result = false;
    if (napi_get_value_bool(env_, next(), &result) != napi_ok) refuse_type(name, "a boolean");
    return result;
  }

  // The descriptor that nearly every call is about.
  int handle() { return int32("handle"); }

  // A number that is never used twice, as in core/threads.h; 0, which names
  // nobody, for one that cannot be such.
  uint64_t key(const char* name) {
    constexpr double kKeyMax = 9007199254740991.0;  // 2^53 - 1
    const double key = number(name);
    return key >= 1 && key <= kKeyMax ? static_cast<uint64_t>(key) : 0;
  }

  // A detached or empty array gives size 0. The size is cut to what a result
  // can say; the kernel moves no more in one call either.
  Bytes bytes(const char* name) { return bytes(next(), name); }

  // The part of the bytes that the two arguments after them name as start and
  // end, or all of them where there are no such arguments.
  Bytes part(const char* name) {
    const Bytes whole = bytes(name);
    if (!has_next()) return whole;
    const uint32_t start = uint32("start");
    const uint32_t end = uint32("end");
    if (start > end || end > whole.size) {
      refuse_range("start and end", "in order and within the buffer");
      return whole;
    }
    return {static_cast<char*>(whole.data) + start, end - start};
  }

  // The first kBuffersMax of an array of Uint8Array.
  Buffers buffers();

  // Whether it is a typed array of this type. Throws nothing.
  bool elements(napi_typedarray_type type, Elements* result);

  napi_value function(const char* name);

  // A string and its end, cut off after `room` bytes. Returns its length.
  size_t text(const char* name, char* result, size_t room);

  // The address that JavaScript has written into the words that it shares with
  // this environment. Refused with -EAFNOSUPPORT, as the kernel says, for a
  // family that they do not know.
  Address address() {
    Address result;
    if (!address_from_words(state_->address(), &result)) refuse(-EAFNOSUPPORT);
    return result;
  }

  // Throw a TypeError, code ERR_INVALID_ARG_TYPE, that says what `name` must
  // be; a RangeError, code ERR_OUT_OF_RANGE.
  void refuse_type(const char* name, const char* expected);
  void refuse_range(const char* name, const char* expected);

  // -errno, or 0 for none.
  void refuse(int error) {
    if (error_ == 0) error_ = error;
  }

  bool refused() const { return thrown_ || error_ != 0; }
  napi_value refusal() const { return thrown_ ? nullptr : answer(error_); }

  // The result: a size, a count, or -errno. Beyond 32 bits there is none: sizes
  // are cut to INT_MAX.
  napi_value answer(int64_t value) const {
    napi_value result = nullptr;
    napi_create_int32(env_, static_cast<int32_t>(value), &result);
    return result;
  }

  // The result of an opening call. A descriptor belongs to the environment.
  napi_value answer_opened(int result) const { return answer(descriptors().adopt(result)); }

  // A key, or a count of any size: below 2^53, so that JavaScript can hold it.
  napi_value answer_large(uint64_t value) const {
    napi_value result = nullptr;
    napi_create_double(env_, static_cast<double>(value), &result);
    return result;
  }

  napi_value answer_bool(bool value) const {
    napi_value result = nullptr;
    napi_get_boolean(env_, value, &result);
    return result;
  }

 private:
  // As many as any function takes.
  static constexpr size_t kArgumentsMax = 6;

  Bytes bytes(napi_value value, const char* name) {
    Bytes result;
    napi_typedarray_type type;
    if (napi_get_typedarray_info(env_, value, &type, &result.size, &result.data, nullptr,
                                 nullptr) != napi_ok ||
        type != napi_uint8_array) {
      refuse_type(name, "a Uint8Array");
    }
    result.size = std::min<size_t>(result.size, INT_MAX);
    return result;
  }

  napi_env env_;
  EnvState* state_;
  size_t count_ = kArgumentsMax;  // as passed; may be more
  size_t next_ = 0;
  bool thrown_ = false;
  int error_ = 0;
  napi_value values_[kArgumentsMax];
};

// What Node calls, for an entry point.
template <napi_value (*function)(Call&)>
napi_value entry(napi_env env, napi_callback_info info) {
  Call call(env, info);
  return function(call);
}

// The environment's state alone, for functions without arguments.
inline EnvState* state_of(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<EnvState*>(data);
}

}  // namespace millrace
