// The signal handler and the book-keeping of dispositions; see signals.h.
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <atomic>

#include "sys.h"
#include "waker.h"

namespace millrace::signals {

namespace {

using PlainHandler = void (*)(int);
using InfoHandler = void (*)(int, siginfo_t*, void*);

struct Watched {
  int count = 0;
  struct sigaction previous = {};
  // What the handler calls first: the previous disposition if it is a
  // function, of either kind. Set before the handler is installed, and left in
  // place after it was taken away, for a late run of it. Release stores in
  // remember_previous() pair with the acquire loads in on_signal().
  std::atomic<PlainHandler> plain{nullptr};
  std::atomic<InfoHandler> info{nullptr};
};

// Constant-initialised and without destructors: a signal may come at any time
// of the process's life.
Watched watched[kNumberMax + 1];
std::atomic<uint64_t> arrived{0};

// Allocated once and never freed, for the same reason. The release store in
// descriptor() pairs with the acquire loads in on_signal() and take().
std::atomic<Waker*> waker{nullptr};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "the handler must not take a lock");
static_assert(std::atomic<Waker*>::is_always_lock_free, "the handler must not take a lock");

void on_signal(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const Watched& entry = watched[signal_number];
  if (const InfoHandler previous = entry.info.load(std::memory_order_acquire)) {
    previous(signal_number, info, context);
  } else if (const PlainHandler handler = entry.plain.load(std::memory_order_acquire)) {
    handler(signal_number);
  }
  // Release, and before the wake-up: pairs with the exchange in take(), which
  // comes after the descriptor was drained. A signal that arrives in between
  // makes the descriptor readable once more.
  arrived.fetch_or(bit(signal_number), std::memory_order_release);
  if (Waker* const target = waker.load(std::memory_order_acquire)) target->wake();
  errno = saved_errno;
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == on_signal;
}

void remember_previous(Watched* entry, const struct sigaction& action) {
  entry->previous = action;
  const bool with_info = action.sa_flags & SA_SIGINFO;
  // A one-shot handler relies on the kernel having taken it away before it
  // runs. Those of Node for SIGINT and SIGTERM then raise the signal again, to
  // die of it; called from ours they would come back here without end.
  const bool is_one_shot = action.sa_flags & SA_RESETHAND;
  const bool is_function = !is_one_shot && (with_info || (action.sa_handler != SIG_DFL &&
                                                          action.sa_handler != SIG_IGN));
  entry->plain.store(is_function && !with_info ? action.sa_handler : nullptr,
                     std::memory_order_release);
  entry->info.store(is_function && with_info ? action.sa_sigaction : nullptr,
                    std::memory_order_release);
}

bool can_be_watched(int signal_number) {
  if (signal_number < 1 || signal_number > kNumberMax) return false;
  switch (signal_number) {
    case SIGKILL:
    case SIGSTOP:
    // A handler that returns from these would return into the fault.
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
      return false;
    default:
      return true;
  }
}

int install(int signal_number) {
  Watched& entry = watched[signal_number];
  struct sigaction current = {};
  int result = sys::signal_action(signal_number, nullptr, &current);
  if (result < 0) return result;
  // Ours is still there when a restore failed; then the previous one is known.
  if (is_ours(current)) return 0;
  // Asked for first and installed after, so that the handler finds the
  // previous one in place however soon it runs.
  remember_previous(&entry, current);
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_mask = current.sa_mask;
  // RESTART spares other code EINTR (waits return it all the same); ONSTACK
  // suits threads that have a stack for signals and does nothing on others.
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  return sys::signal_action(signal_number, &action, nullptr);
}

}  // namespace

int descriptor() {
  // Relaxed: callers hold the registry's lock, so only they ever store it.
  Waker* const existing = waker.load(std::memory_order_relaxed);
  if (existing != nullptr) return existing->fd();
  Waker* const created = new Waker;
  const int result = created->open();
  if (result != 0) {
    delete created;
    return result;
  }
  waker.store(created, std::memory_order_release);
  return created->fd();
}

int watch(int signal_number) {
  if (!can_be_watched(signal_number)) return -EINVAL;
  const int fd = descriptor();
  if (fd < 0) return fd;
  Watched& entry = watched[signal_number];
  if (entry.count == 0) {
    const int result = install(signal_number);
    if (result < 0) return result;
  }
  entry.count++;
  return 0;
}

void unwatch(int signal_number) {
  Watched& entry = watched[signal_number];
  if (--entry.count > 0) return;
  struct sigaction current = {};
  if (sys::signal_action(signal_number, nullptr, &current) < 0) return;
  // A handler that was installed over ours is left alone. It may well call
  // ours, which then does no more than pass on to the previous one.
  if (is_ours(current)) sys::signal_action(signal_number, &entry.previous, nullptr);
}

uint64_t take() {
  waker.load(std::memory_order_acquire)->drain();
  // Acquire: pairs with the fetch_or in on_signal().
  return arrived.exchange(0, std::memory_order_acquire);
}

}  // namespace millrace::signals
