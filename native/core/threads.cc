// What the threads of a process may ask of each other; the contract is
// threads.h.
//
// Locks, of which no two are ever held together:
//   Registry::mutex  the keys and the entries. Taken for the time of one look
//                    into a hash table, so that threads that wake different
//                    loops hardly meet.
//   Entry::mutex     held while the target is called, so that remove() can
//                    wait for the end of a call. Those who wake one loop at
//                    the same time do so one after the other.
#include "threads.h"

#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace millrace {

namespace {

class Entry {
 public:
  explicit Entry(RemoteWakeTarget* target) : target_(target) {}

  void call_target() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (target_ != nullptr) target_->on_remote_wake();
  }

  void die() {
    const std::lock_guard<std::mutex> lock(mutex_);
    target_ = nullptr;
  }

 private:
  std::mutex mutex_;
  RemoteWakeTarget* target_;  // Protected by mutex_.
};

struct Registry {
  std::mutex mutex;
  uint64_t next_key = kNoKey + 1;
  std::unordered_set<ThreadKey> threads;
  std::unordered_map<WakeKey, std::shared_ptr<Entry>> entries;
};

// Never destroyed: threads may outlive main() and the static objects.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

ThreadKey Threads::enter() {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  const ThreadKey key = registry().next_key++;
  registry().threads.insert(key);
  return key;
}

void Threads::leave(ThreadKey key) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().threads.erase(key);
}

bool Threads::is_alive(ThreadKey key) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  return registry().threads.count(key) != 0;
}

WakeKey RemoteWakes::add(RemoteWakeTarget* target) {
  auto entry = std::make_shared<Entry>(target);
  const std::lock_guard<std::mutex> lock(registry().mutex);
  const WakeKey key = registry().next_key++;
  registry().entries.emplace(key, std::move(entry));
  return key;
}

void RemoteWakes::remove(WakeKey key) {
  std::shared_ptr<Entry> last;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    const auto found = registry().entries.find(key);
    if (found == registry().entries.end()) return;
    last = std::move(found->second);
    registry().entries.erase(found);
  }
  // Another thread may have found the entry just before. This waits for its call.
  last->die();
}

void RemoteWakes::wake(WakeKey key) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    const auto found = registry().entries.find(key);
    if (found == registry().entries.end()) return;
    entry = found->second;
  }
  entry->call_target();
}

}  // namespace millrace
