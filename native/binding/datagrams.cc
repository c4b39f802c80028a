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
#include "call.h"

namespace millrace {

namespace {

// Sizes of batches that src/limits.ts allows; here they keep sums from overflowing.
constexpr uint32_t kCapacityMax = 1 << 16;
constexpr uint32_t kSizeMax = 1 << 16;

// Longer than any name of an interface (IF_NAMESIZE), and its end.
constexpr size_t kInterfaceNameBytes = 64;

// The next argument, what openBatch() returned.
DatagramBatch* batch_argument(Call& call) {
  void* data = nullptr;
  if (napi_get_value_external(call.env(), call.next(), &data) != napi_ok) {
    call.refuse_type("batch", "what openBatch() returned");
  }
  return static_cast<DatagramBatch*>(data);
}

// Refused with -EFAULT if it is not all there: it is fetched for each call,
// and JavaScript may have transferred the memory away, which leaves length 0.
uint8_t* payloads_argument(Call& call, const DatagramBatch* batch) {
  const Bytes bytes = call.bytes("payloads");
  if (batch != nullptr && bytes.size < batch->payload_bytes()) call.refuse(-EFAULT);
  return static_cast<uint8_t*>(bytes.data);
}

// Words that stay where they are: nobody but the batch's owner has the array.
uint32_t* words_argument(Call& call, const char* name, size_t count_min) {
  Elements words;
  if (!call.elements(napi_uint32_array, &words)) {
    call.refuse_type(name, "a Uint32Array");
  } else if (words.count < count_min) {
    call.refuse_range(name, "long enough for the batch");
  }
  return static_cast<uint32_t*>(words.data);
}

// Lets the garbage collector know what a batch weighs: it sees only a pointer.
void account_for(napi_env env, int64_t bytes) {
  int64_t total = 0;
  napi_adjust_external_memory(env, bytes, &total);
}

// A value that deletes the batch when it is forgotten.
napi_value make_batch(napi_env env, DatagramBatch* batch) {
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

napi_value open_batch(Call& call) {
  const uint32_t capacity = call.uint32("capacity");
  const uint32_t size_max = call.uint32("maxSizeBytes");
  if (capacity == 0 || capacity > kCapacityMax || size_max == 0 || size_max > kSizeMax) {
    call.refuse_range("capacity and maxSizeBytes", "from 1 to 65536");
    return nullptr;
  }
  const size_t header_words = kBatchHeaderWords + size_t{capacity} * kBatchDatagramWords;
  const size_t address_words = size_t{capacity} * kAddressWords;
  uint32_t* const headers = words_argument(call, "headers", header_words);
  uint32_t* const addresses = words_argument(call, "addresses", address_words);
  if (call.refused()) return call.refusal();
  return make_batch(call.env(), new DatagramBatch(capacity, size_max, headers, addresses));
}

napi_value recv_many(Call& call) {
  const int fd = call.handle();
  DatagramBatch* const batch = batch_argument(call);
  uint8_t* const payloads = payloads_argument(call, batch);
  if (call.refused()) return call.refusal();
  return call.answer(batch->receive(fd, payloads));
}

napi_value send_many(Call& call) {
  const int fd = call.handle();
  DatagramBatch* const batch = batch_argument(call);
  uint8_t* const payloads = payloads_argument(call, batch);
  const uint32_t start = call.uint32("start");
  const uint32_t end = call.uint32("end");
  if (call.refused()) return call.refusal();
  if (start > end || end > batch->capacity()) {
    call.refuse_range("start and end", "in order and within the batch");
    return nullptr;
  }
  return call.answer(batch->send(fd, payloads, start, end));
}

napi_value read_batch_address(Call& call) {
  DatagramBatch* const batch = batch_argument(call);
  const uint32_t index = call.uint32("index");
  if (call.refused()) return call.refusal();
  if (index < batch->capacity()) {
    batch->read_address(index);
  } else {
    call.refuse_range("index", "within the batch");
  }
  return nullptr;
}

napi_value set_udp_option(Call& call) {
  const int fd = call.handle();
  const int option = call.int32("option");
  const int value = call.int32("value");
  if (option < 0 || option > kUdpOptionLast) call.refuse(-ENOPROTOOPT);
  if (call.refused()) return call.refusal();
  return call.answer(udp_set_option(fd, static_cast<UdpOption>(option), value));
}

napi_value udp_membership(Call& call) {
  const int fd = call.handle();
  const bool join = call.boolean("join");
  const uint32_t interface = call.uint32("iface");
  const Address group = call.address();
  if (call.refused()) return call.refusal();
  return call.answer(join ? multicast_join(fd, group, interface)
                          : multicast_leave(fd, group, interface));
}

napi_value udp_multicast_interface(Call& call) {
  const int fd = call.handle();
  const int family = call.int32("family") == 6 ? AF_INET6 : AF_INET;
  const uint32_t interface = call.uint32("iface");
  if (call.refused()) return call.refusal();
  return call.answer(multicast_set_interface(fd, family, interface));
}

napi_value index_of_interface(Call& call) {
  char name[kInterfaceNameBytes];
  const size_t length = call.text("name", name, sizeof name);
  // A name that was cut off must not become that of another interface.
  if (length >= sizeof name - 1) call.refuse(-ENODEV);
  if (call.refused()) return call.refusal();
  return call.answer(interface_index(name));
}

constexpr Export kExports[] = {
    {"openBatch", entry<open_batch>},
    {"recvMany", entry<recv_many>},
    {"sendMany", entry<send_many>},
    {"readBatchAddress", entry<read_batch_address>},
    {"udpSetOption", entry<set_udp_option>},
    {"udpMembership", entry<udp_membership>},
    {"udpMulticastInterface", entry<udp_multicast_interface>},
    {"interfaceIndex", entry<index_of_interface>},
};

}  // namespace

void export_datagrams(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
