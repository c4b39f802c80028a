// DatagramIo: batches of datagrams, and the options of UDP sockets. Each
// function is one call of core/datagrams.h or core/multicast.h.
//
// A batch is an external value: its finalizer runs when JavaScript has
// forgotten it, or when the environment ends.

#include "../core/datagrams.h"

#include <sys/socket.h>

#include <cerrno>

#include "../core/multicast.h"
#include "addon.h"
#include "args.h"

namespace millrace {

namespace {

// Sizes of batches that src/limits.ts allows; here they keep sums from overflowing.
constexpr uint32_t kCapacityMax = 1 << 16;
constexpr uint32_t kSizeMax = 1 << 16;

// Longer than any name of an interface (IF_NAMESIZE), and its end.
constexpr size_t kInterfaceNameBytes = 64;

bool get_batch(napi_env env, napi_value value, DatagramBatch** result) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) {
    return throw_invalid_type(env, "batch", "what openBatch() returned");
  }
  *result = static_cast<DatagramBatch*>(data);
  return true;
}

// Fetched for each call: JavaScript may have transferred the memory away, and
// then the length is 0. False, without an exception, if it is not all there.
bool get_payloads(napi_env env, napi_value value, const DatagramBatch* batch, uint8_t** result) {
  Bytes bytes;
  if (!get_bytes(env, value, "payloads", &bytes)) return false;
  *result = static_cast<uint8_t*>(bytes.data);
  return bytes.size >= batch->payload_bytes();
}

// Words that stay where they are: nobody but the batch's owner has the array.
bool get_words(napi_env env, napi_value value, const char* name, size_t count_min,
               uint32_t** result) {
  napi_typedarray_type type;
  size_t count;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array) {
    return throw_invalid_type(env, name, "a Uint32Array");
  }
  *result = static_cast<uint32_t*>(data);
  return count >= count_min || throw_out_of_range(env, name, "long enough for the batch");
}

// Lets the garbage collector know what a batch weighs: it sees only a pointer.
void account_for(napi_env env, int64_t bytes) {
  int64_t total = 0;
  napi_adjust_external_memory(env, bytes, &total);
}

napi_value open_batch(napi_env env, napi_callback_info info) {
  Arguments<4> args(env, info);
  uint32_t capacity;
  uint32_t size_max;
  if (!get_uint(env, args[0], "capacity", &capacity) ||
      !get_uint(env, args[1], "maxSizeBytes", &size_max)) {
    return nullptr;
  }
  if (capacity == 0 || capacity > kCapacityMax || size_max == 0 || size_max > kSizeMax) {
    throw_out_of_range(env, "capacity and maxSizeBytes", "from 1 to 65536");
    return nullptr;
  }
  uint32_t* headers = nullptr;
  uint32_t* addresses = nullptr;
  const size_t header_words = kBatchHeaderWords + size_t{capacity} * kBatchDatagramWords;
  const size_t address_words = size_t{capacity} * kAddressWords;
  if (!get_words(env, args[2], "headers", header_words, &headers) ||
      !get_words(env, args[3], "addresses", address_words, &addresses)) {
    return nullptr;
  }
  DatagramBatch* batch = new DatagramBatch(capacity, size_max, headers, addresses);
  auto finalize = [](napi_env environment, void* data, void*) {
    DatagramBatch* forgotten = static_cast<DatagramBatch*>(data);
    account_for(environment, -static_cast<int64_t>(forgotten->own_bytes()));
    delete forgotten;
  };
  napi_value result = nullptr;
  if (napi_create_external(env, batch, finalize, nullptr, &result) != napi_ok) {
    delete batch;
    return nullptr;
  }
  account_for(env, static_cast<int64_t>(batch->own_bytes()));
  return result;
}

napi_value recv_many(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  DatagramBatch* batch = nullptr;
  uint8_t* payloads;
  if (!get_int(env, args[0], "handle", &fd) || !get_batch(env, args[1], &batch)) return nullptr;
  if (!get_payloads(env, args[2], batch, &payloads)) return make_number(env, -EFAULT);
  return make_number(env, batch->receive(fd, payloads));
}

napi_value send_many(napi_env env, napi_callback_info info) {
  Arguments<5> args(env, info);
  int32_t fd;
  DatagramBatch* batch = nullptr;
  uint8_t* payloads;
  uint32_t start;
  uint32_t end;
  if (!get_int(env, args[0], "handle", &fd) || !get_batch(env, args[1], &batch) ||
      !get_uint(env, args[3], "start", &start) || !get_uint(env, args[4], "end", &end)) {
    return nullptr;
  }
  if (!get_payloads(env, args[2], batch, &payloads)) return make_number(env, -EFAULT);
  if (start > end || end > batch->capacity()) {
    throw_out_of_range(env, "start and end", "in order and within the batch");
    return nullptr;
  }
  return make_number(env, batch->send(fd, payloads, start, end));
}

napi_value read_batch_address(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  DatagramBatch* batch = nullptr;
  uint32_t index;
  if (!get_batch(env, args[0], &batch) || !get_uint(env, args[1], "index", &index)) return nullptr;
  if (index >= batch->capacity()) {
    throw_out_of_range(env, "index", "within the batch");
    return nullptr;
  }
  batch->read_address(index);
  return nullptr;
}

napi_value set_udp_option(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  int32_t option;
  int32_t value;
  if (!get_int(env, args[0], "handle", &fd) || !get_int(env, args[1], "option", &option) ||
      !get_int(env, args[2], "value", &value)) {
    return nullptr;
  }
  if (option < 0 || option > kUdpOptionLast) return make_number(env, -ENOPROTOOPT);
  return make_number(env, udp_set_option(fd, static_cast<UdpOption>(option), value));
}

napi_value udp_membership(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  bool join;
  uint32_t interface;
  if (!get_int(env, args[0], "handle", &fd) || !get_bool(env, args[1], "join", &join) ||
      !get_uint(env, args[2], "iface", &interface)) {
    return nullptr;
  }
  Address group;
  if (!address_from_words(args.state->address(), &group)) return make_number(env, -EAFNOSUPPORT);
  return make_number(env, join ? multicast_join(fd, group, interface)
                               : multicast_leave(fd, group, interface));
}

napi_value udp_multicast_interface(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  int32_t fd;
  int32_t family;
  uint32_t interface;
  if (!get_int(env, args[0], "handle", &fd) || !get_int(env, args[1], "family", &family) ||
      !get_uint(env, args[2], "iface", &interface)) {
    return nullptr;
  }
  return make_number(env, multicast_set_interface(fd, family == 6 ? AF_INET6 : AF_INET, interface));
}

napi_value index_of_interface(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  char name[kInterfaceNameBytes];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, args[0], name, sizeof(name), &length) != napi_ok) {
    throw_invalid_type(env, "name", "a string");
    return nullptr;
  }
  // A name that was cut off must not become that of another interface.
  if (length >= sizeof(name) - 1) return make_number(env, -ENODEV);
  return make_number(env, interface_index(name));
}

constexpr Export kExports[] = {
    {"openBatch", open_batch},
    {"recvMany", recv_many},
    {"sendMany", send_many},
    {"readBatchAddress", read_batch_address},
    {"udpSetOption", set_udp_option},
    {"udpMembership", udp_membership},
    {"udpMulticastInterface", udp_multicast_interface},
    {"interfaceIndex", index_of_interface},
};

}  // namespace

void export_datagrams(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
