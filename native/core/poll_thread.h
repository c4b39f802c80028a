// The process-wide poll thread: one native thread that sleeps on the pollers
// of all loops and wakes the loop whose poller became ready. It is a waker,
// not a courier: the events themselves are fetched by the loop's own thread.
//
// It also carries what is process-wide by nature: signals, and the news that
// a wait was interrupted.
//
// Life: the thread starts with the first attach() and is joined when the last
// lease is returned. Each attached loop has an entry {mutex, alive}; the
// thread calls a target only under that mutex while it is alive, and detach()
// returns only when no call is under way and none can follow.
#pragma once

#include <cstdint>
#include <memory>

#include "poller.h"

namespace millrace {

// Implemented by whoever owns a loop.
class WakeTarget {
 public:
  // The poller is ready (or a signal or an interruption is pending). Called
  // on the poll thread with the entry locked: must not block, and must not
  // call back into the poll thread.
  virtual void on_ready() = 0;

 protected:
  ~WakeTarget() = default;
};

class PollThread {
 public:
  // The share of one loop in the poll thread. Owned by the poll thread's
  // registry; invalid after detach().
  class Entry;

  // Keeps the thread alive from the first attach on; one for each
  // JavaScript environment that uses it. The last release() stops and joins
  // the thread. release() does not wait for more than 100 ms: a process on
  // its way out must not hang here, so a thread that does not answer by then
  // is detached.
  static void acquire();
  static void release();

  // Both threads-safe and process-wide. Returns null with *error set.
  // The poller must outlive the entry.
  static Entry* attach(Poller* poller, WakeTarget* target, int* error);

  // One wake-up, at once if the poller is ready already. -errno.
  static int arm(Entry* entry);

  // After it returns, the target is not called any more, its signals are
  // unsubscribed, and the poller may be destroyed. Never call it from
  // on_ready().
  static void detach(Entry* entry);

  // Delivers this signal to the entry from now on. The previous disposition
  // of the process is kept, called first where it is a function, and put back
  // when the last subscriber has gone. -EINVAL for signals that cannot be
  // caught or that the kernel raises for faults of the program itself.
  static int subscribe(Entry* entry, int signal_number);

  // Takes one pending signal (its number), or 0 when there is none. Called on
  // the loop's thread. Like the system's own, pending signals of one number
  // merge into one.
  static int take_signal(Entry* entry);

  // Whether the thread's sleep was interrupted (EINTR) since the last call.
  // Called on the loop's thread.
  static bool take_interrupted(Entry* entry);

  // Whether take_signal() or take_interrupted() has something to say: one
  // relaxed load, for the hot path.
  static bool has_news(const Entry* entry);
};

}  // namespace millrace
