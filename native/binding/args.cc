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

bool check_function(napi_env env, napi_value value, const char* name) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_function || throw_invalid_type(env, name, "a function");
}

}  // namespace millrace
