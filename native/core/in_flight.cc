// Descriptors in flight; the contract is in_flight.h.
#include "in_flight.h"

#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sys.h"

namespace millrace {

namespace {

struct Flight {
  Generation generation;
  int kind;
  ThreadKey trustee;
};

// By descriptor: its number cannot be given away again while it is open.
using Flights = std::unordered_map<int, Flight>;

struct Registry {
  std::mutex mutex;
  Generation next_generation = kNoGeneration + 1;
  Flights flights;
  std::unordered_set<ThreadKey> environments;
};

// Never destroyed: threads may outlive main() and the static objects.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

// Not under the mutex: close(2) may take as long as SO_LINGER says.
void close_all(const std::vector<int>& fds) {
  for (const int fd : fds) sys::close(fd);
}

}  // namespace

void InFlight::enter(ThreadKey thread) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().environments.insert(thread);
}

void InFlight::leave(ThreadKey thread) {
  std::vector<int> abandoned;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    registry().environments.erase(thread);
    const bool is_last = registry().environments.empty();
    Flights& flights = registry().flights;
    for (auto at = flights.begin(); at != flights.end();) {
      if (!is_last && at->second.trustee != thread) {
        ++at;
        continue;
      }
      abandoned.push_back(at->first);
      at = flights.erase(at);
    }
  }
  close_all(abandoned);
}

Generation InFlight::release(int fd, int kind, ThreadKey trustee) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  const Generation generation = registry().next_generation;
  const bool is_new = registry().flights.emplace(fd, Flight{generation, kind, trustee}).second;
  if (!is_new) return kNoGeneration;
  registry().next_generation++;
  return generation;
}

int32_t InFlight::publish(int32_t* word, int32_t value, int32_t refusal, const FlightName* names,
                          size_t count, ThreadKey receiver) {
  std::vector<int> abandoned;
  int32_t seen;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    // The word is JavaScript's too, whose Atomics have this order.
    seen = __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
    if (seen == refusal) return seen;
    const bool is_read = receiver == kNoKey || registry().environments.count(receiver) != 0;
    for (size_t i = 0; i < count; i++) {
      const auto found = registry().flights.find(names[i].fd);
      if (found == registry().flights.end()) continue;
      if (found->second.generation != names[i].generation) continue;
      found->second.trustee = receiver;
      if (is_read) continue;
      abandoned.push_back(found->first);
      registry().flights.erase(found);
    }
  }
  close_all(abandoned);
  return seen;
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
