// The process-wide poll thread; its contract is poll_thread.h.
//
// What it tells a loop (signals, interruptions) goes into one atomic word of
// the loop's entry, and then the loop's poller is woken. That makes the poller
// ready, which ends a wait of the loop's own thread, or wakes an armed loop by
// the usual way, or is found by the next arm(). So news need no protocol of
// their own and cannot fall between two states.
//
// Locks:
//   Registry::mutex  leases, the current run, the entries of every run and
//                    their subscriptions. Taken for moments, by the poll
//                    thread also; the locks of a PollerSet come after it.
//   Entry::mutex     held while the target is called, so that detach() can
//                    wait for the end of a call. Never taken together with
//                    the registry's.
#include "poll_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <unordered_map>

#include "signals.h"
#include "sys.h"

namespace millrace {

namespace {

// release() waits this often for this long: 100 ms in all.
constexpr int kJoinAttempts = 10;
constexpr std::chrono::milliseconds kJoinAttemptMax(10);

// The pause after a failure of the wait that no retry can be expected to
// cure: an error must not turn into a busy loop.
constexpr int64_t kErrorPauseNs = 10 * 1000000;

constexpr int kIdsMax = 64;

// Entries have the ids from 1 on. They are never used twice, so a late event
// of a detached entry finds nobody.
constexpr uint64_t kSignalId = 0;

// In the word of news, signal n has bit n - 1. No handler ever sees SIGKILL,
// so its bit is free to stand for the interruption.
constexpr uint64_t kInterrupted = signals::bit(SIGKILL);

// One life of the thread. Shared by the registry, its entries and the thread
// itself: a thread that was given up on still has what it stands on.
struct Run {
  std::unique_ptr<PollerSet> set;
  pthread_t thread;

  // Set by stop_thread(), read by the thread in is_stopping().
  std::atomic<bool> stopping{false};

  // Protected by Registry::mutex.
  std::unordered_map<uint64_t, std::shared_ptr<PollThread::Entry>> entries;
  bool has_signals = false;

  std::mutex mutex;  // Protects `finished`. Nothing else is locked under it.
  bool finished = false;
  std::condition_variable finished_changed;
};

struct Registry {
  std::mutex mutex;
  int leases = 0;
  uint64_t next_id = kSignalId + 1;
  std::shared_ptr<Run> run;
};

// Never destroyed: the thread may outlive main() and the static objects.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

class PollThread::Entry {
 public:
  Entry(std::shared_ptr<Run> owner, uint64_t number, Poller* loop_poller, WakeTarget* loop)
      : run(std::move(owner)), id(number), poller(loop_poller), target_(loop) {}

  const std::shared_ptr<Run> run;
  const uint64_t id;
  Poller* const poller;

  // Signals subscribed to; protected by Registry::mutex.
  uint64_t subscribed = 0;

  // Set by the poll thread in tell(), taken by the loop's thread in
  // take_signal() and take_interrupted().
  std::atomic<uint64_t> news{0};

  void tell(uint64_t bits) {
    // Release: pairs with the acquire in the take functions.
    news.fetch_or(bits, std::memory_order_release);
    poller->wake();
  }

  // Both take the entry's mutex.
  void call_target() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (alive_) target_->on_ready();
  }

  void die() {
    const std::lock_guard<std::mutex> lock(mutex_);
    alive_ = false;
  }

 private:
  std::mutex mutex_;
  bool alive_ = true;  // Protected by mutex_.
  WakeTarget* const target_;
};

namespace {

using Entry = PollThread::Entry;

// The poll thread's side.

void tell_all(const Run& run, uint64_t bits) {
  // The registry's lock keeps entries attached, and with them their pollers.
  const std::lock_guard<std::mutex> lock(registry().mutex);
  for (const auto& [id, entry] : run.entries) entry->tell(bits);
}

void deliver_signals(const Run& run) {
  const uint64_t arrived = signals::take();
  const std::lock_guard<std::mutex> lock(registry().mutex);
  for (const auto& [id, entry] : run.entries) {
    const uint64_t wanted = arrived & entry->subscribed;
    if (wanted != 0) entry->tell(wanted);
  }
}

void wake_entry(const Run& run, uint64_t id) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    const auto found = run.entries.find(id);
    if (found == run.entries.end()) return;
    entry = found->second;
  }
  entry->call_target();
}

// Relaxed: pairs with the store in stop_thread(), which is followed by a
// wake-up of the set, so that the load after that wait comes after the store.
bool is_stopping(const Run& run) { return run.stopping.load(std::memory_order_relaxed); }

void run_until_stopped(Run* run) {
  uint64_t ids[kIdsMax];
  while (!is_stopping(*run)) {
    const int count = run->set->wait(ids, kIdsMax);
    if (count == -EINTR) {
      tell_all(*run, kInterrupted);
    } else if (count < 0) {
      sys::poll(nullptr, 0, kErrorPauseNs);
    }
    // Asked before each: a thread that was given up on and comes back late
    // must not take signals away from the run that followed.
    for (int i = 0; i < count && !is_stopping(*run); i++) {
      if (ids[i] == kSignalId) {
        deliver_signals(*run);
      } else {
        wake_entry(*run, ids[i]);
      }
    }
  }
}

void* thread_main(void* argument) {
  std::shared_ptr<Run>* const handed_over = static_cast<std::shared_ptr<Run>*>(argument);
  const std::shared_ptr<Run> run = std::move(*handed_over);
  delete handed_over;
#ifdef __linux__
  pthread_setname_np(pthread_self(), "millrace-poll");
#elif defined(__APPLE__)
  pthread_setname_np("millrace-poll");
#endif
  run_until_stopped(run.get());
  const std::lock_guard<std::mutex> lock(run->mutex);
  run->finished = true;
  run->finished_changed.notify_all();
  return nullptr;
}

// Starting and stopping.

int start_thread(const std::shared_ptr<Run>& run) {
  // A new thread inherits the mask. All signals are blocked in this one:
  // handlers belong to the threads that run user code.
  sigset_t all;
  sigset_t previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  auto* const argument = new std::shared_ptr<Run>(run);
  const int result = sys::thread_create(&run->thread, thread_main, argument);
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  if (result != 0) delete argument;
  return result;
}

// Adds the descriptor of signals to the set of the run, once. The registry's
// lock is held.
int join_signals_locked(Run* run) {
  if (run->has_signals) return 0;
  const int fd = signals::descriptor();
  if (fd < 0) return fd;
  const int result = run->set->add_descriptor(fd, kSignalId);
  run->has_signals = result == 0;
  return result;
}

// Makes sure that there is a run. The registry's lock is held.
int ensure_run_locked() {
  if (registry().run != nullptr) return 0;
  int error = 0;
  auto run = std::make_shared<Run>();
  run->set = PollerSet::open(default_backend(), &error);
  if (run->set == nullptr) return error;
  const int result = start_thread(run);
  if (result == 0) registry().run = std::move(run);
  return result;
}

void stop_thread(Run* run) {
  // Relaxed: pairs with the load in is_stopping().
  run->stopping.store(true, std::memory_order_relaxed);
  bool finished = false;
  for (int attempt = 0; attempt < kJoinAttempts && !finished; attempt++) {
    // Repeated, for a wake-up that failed would cost the thread for ever.
    run->set->wake();
    std::unique_lock<std::mutex> lock(run->mutex);
    finished = run->finished_changed.wait_for(lock, kJoinAttemptMax, [&] { return run->finished; });
  }
  if (finished) {
    pthread_join(run->thread, nullptr);
  } else {
    pthread_detach(run->thread);
  }
}

}  // namespace

void PollThread::acquire() {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().leases++;
}

void PollThread::release() {
  std::shared_ptr<Run> last;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    if (--registry().leases > 0) return;
    last = std::move(registry().run);
    registry().run = nullptr;
  }
  // Without the lock, which the thread may need on its way out. An attach()
  // meanwhile starts a run of its own.
  if (last != nullptr) stop_thread(last.get());
}

PollThread::Entry* PollThread::attach(Poller* poller, WakeTarget* target, int* error) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  *error = ensure_run_locked();
  if (*error != 0) return nullptr;
  const std::shared_ptr<Run>& run = registry().run;
  const uint64_t id = registry().next_id++;
  *error = run->set->add(*poller, id);
  if (*error != 0) return nullptr;
  auto entry = std::make_shared<Entry>(run, id, poller, target);
  Entry* const result = entry.get();
  run->entries.emplace(id, std::move(entry));
  return result;
}

int PollThread::arm(Entry* entry) { return entry->run->set->arm(*entry->poller, entry->id); }

void PollThread::detach(Entry* entry) {
  std::shared_ptr<Entry> last;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    for (int number = 1; number <= signals::kNumberMax; number++) {
      if (entry->subscribed & signals::bit(number)) signals::unwatch(number);
    }
    entry->run->set->remove(*entry->poller);
    const auto found = entry->run->entries.find(entry->id);
    last = std::move(found->second);
    entry->run->entries.erase(found);
  }
  // The thread may have found the entry just before. This waits for its call.
  last->die();
}

int PollThread::subscribe(Entry* entry, int signal_number) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  if (signal_number < 1 || signal_number > signals::kNumberMax) return -EINVAL;
  const uint64_t bit = signals::bit(signal_number);
  if (entry->subscribed & bit) return 0;
  int result = signals::watch(signal_number);
  if (result != 0) return result;
  // What arrives before the descriptor is in the set waits in it.
  result = join_signals_locked(entry->run.get());
  if (result == 0) {
    entry->subscribed |= bit;
  } else {
    signals::unwatch(signal_number);
  }
  return result;
}

int PollThread::take_signal(Entry* entry) {
  // Only this thread takes bits away, so the lowest bit seen stays there.
  // Acquire: pairs with the release in tell().
  const uint64_t pending = entry->news.load(std::memory_order_acquire) & ~kInterrupted;
  if (pending == 0) return 0;
  const int number = __builtin_ctzll(pending) + 1;
  entry->news.fetch_and(~signals::bit(number), std::memory_order_acquire);
  return number;
}

bool PollThread::take_interrupted(Entry* entry) {
  // Acquire: pairs with the release in tell().
  if (!(entry->news.load(std::memory_order_relaxed) & kInterrupted)) return false;
  entry->news.fetch_and(~kInterrupted, std::memory_order_acquire);
  return true;
}

bool PollThread::has_news(const Entry* entry) {
  // Relaxed: pairs with tell(), whose wake-up comes after the bits, so that
  // whoever was woken by it finds them.
  return entry->news.load(std::memory_order_relaxed) != 0;
}

}  // namespace millrace
