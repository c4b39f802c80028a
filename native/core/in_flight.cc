// Descriptors in flight; the contract is in_flight.h.
#include "in_flight.h"

#include <mutex>
#include <unordered_map>
#include <utility>

#include "sys.h"

namespace millrace {

namespace {

struct Flight {
  Generation generation;
  int kind;
};

// By descriptor: its number cannot be given away again while it is open.
using Flights = std::unordered_map<int, Flight>;

struct Registry {
  std::mutex mutex;
  Generation next_generation = kNoGeneration + 1;
  Flights flights;
  size_t environments = 0;
};

// Never destroyed: threads may outlive main() and the static objects.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

void InFlight::enter() {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().environments++;
}

void InFlight::leave() {
  Flights abandoned;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    if (--registry().environments == 0) abandoned.swap(registry().flights);
  }
  // Not under the mutex: close(2) may take as long as SO_LINGER says.
  for (const auto& [fd, flight] : abandoned) sys::close(fd);
}

Generation InFlight::release(int fd, int kind) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  const Generation generation = registry().next_generation;
  const bool is_new = registry().flights.emplace(fd, Flight{generation, kind}).second;
  if (!is_new) return kNoGeneration;
  registry().next_generation++;
  return generation;
}

bool InFlight::acquire(int fd, Generation generation, int kind) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  const auto found = registry().flights.find(fd);
  if (found == registry().flights.end()) return false;
  const Flight& flight = found->second;
  if (flight.generation != generation || flight.kind != kind) return false;
  registry().flights.erase(found);
  return true;
}

bool InFlight::has(int fd) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  return registry().flights.count(fd) != 0;
}

size_t InFlight::count() {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  return registry().flights.size();
}

}  // namespace millrace
