// Descriptors that move between environments; as TransferIo in
// src/poll/transfer-io.ts. At every moment one owner has the descriptor: the
// environment that releases it, the flight, or the one that acquires it.

#include <cerrno>
#include <vector>

#include "../core/in_flight.h"
#include "addon.h"
#include "call.h"

namespace millrace {

namespace {

napi_value release_descriptor(Call& call) {
  const int fd = call.handle();
  const int kind = call.int32("kind");
  if (!call.descriptors().has(fd)) call.refuse(-EBADF);
  if (call.refused()) return call.refusal();
  const Generation generation = InFlight::release(fd, kind, call.state()->trustee());
  // Two environments have taken over the same foreign descriptor.
  if (generation == kNoGeneration) return call.answer(-EEXIST);
  call.descriptors().release(fd);
  return call.answer_large(generation);
}

napi_value acquire_descriptor(Call& call) {
  const int fd = call.handle();
  const Generation generation = call.key("generation");
  const int kind = call.int32("kind");
  if (call.refused()) return call.refusal();
  if (!InFlight::acquire(fd, generation, kind)) return call.answer(-ENOENT);
  // Taken over here by its number before it was given away elsewhere: it has an
  // owner, and two would close it twice, the second time somebody else's.
  if (call.descriptors().has(fd)) return call.answer(-EEXIST);
  return call.answer_opened(fd);
}

napi_value count_in_flight(Call& call) { return call.answer_large(InFlight::count()); }

napi_value trust_this_thread(napi_env env, napi_callback_info info) {
  state_of(env, info)->trust_itself();
  return nullptr;
}

// A word of memory that threads share; of no use if the call is refused.
int32_t* shared_word(Call& call) {
  Elements words;
  if (!call.elements(napi_int32_array, &words)) call.refuse_type("words", "an Int32Array");
  const uint32_t index = call.uint32("index");
  if (index >= words.count) call.refuse_range("index", "within the words");
  return static_cast<int32_t*>(words.data) + index;
}

// Of each descriptor its number and its generation.
std::vector<FlightName> flight_names(Call& call) {
  Elements numbers;
  if (!call.elements(napi_float64_array, &numbers)) call.refuse_type("names", "a Float64Array");
  const double* const values = static_cast<double*>(numbers.data);
  std::vector<FlightName> names;
  for (size_t at = 0; at + 1 < numbers.count; at += 2) {
    names.push_back({static_cast<int>(values[at]), static_cast<Generation>(values[at + 1])});
  }
  return names;
}

napi_value publish_message(Call& call) {
  int32_t* const word = shared_word(call);
  const int32_t value = call.int32("value");
  const int32_t refusal = call.int32("refusal");
  const std::vector<FlightName> names = flight_names(call);
  const ThreadKey receiver = call.key("receiver");
  if (call.refused()) return call.refusal();
  return call.answer(
      InFlight::publish(word, value, refusal, names.data(), names.size(), receiver));
}

constexpr Export kExports[] = {
    {"release", entry<release_descriptor>},
    {"acquire", entry<acquire_descriptor>},
    {"countInFlight", entry<count_in_flight>},
    {"trustThisThread", trust_this_thread},
    {"publishMessage", entry<publish_message>},
};

}  // namespace

void export_transfers(EnvState* state, napi_value exports) { state->define(exports, kExports); }

}  // namespace millrace
