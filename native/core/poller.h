// The contract between a loop and the system's readiness facility, in one page.
//
// Three backends fulfil it: epoll (poller_epoll.cc), kqueue (poller_kqueue.cc)
// and poll(2) (poller_poll.cc), which every developer can force with
// MILLRACE_POLL_BACKEND=poll. One conformance suite runs against each.
//
// Results follow the kernel's convention: a value of 0 or more is success, a
// negative one is -errno. Nothing here allocates after the poller is open,
// except when the number of registered descriptors reaches a new maximum.
//
// Threads: a Poller belongs to the thread of its loop. Only wake() may be
// called from any thread. PollerSet belongs to the poll thread, except for
// add(), arm(), remove() and wake(), which may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>

namespace millrace {

// Readiness bits: the values of Interest in src/poll/interest.ts.
constexpr uint32_t kReadable = 0x01;
constexpr uint32_t kWritable = 0x02;
constexpr uint32_t kError = 0x04;
constexpr uint32_t kHup = 0x08;

// Registration options: the values of PollOpt in src/poll/poll-opt.ts.
// Neither EDGE nor LEVEL, or both, means LEVEL. ONESHOT combines with either.
constexpr uint32_t kEdge = 0x20;
constexpr uint32_t kLevel = 0x40;
constexpr uint32_t kOneshot = 0x80;

// The name of a registration. The slot indexes the loop's registration table;
// the generation tells apart the registrations that used the slot one after
// another, so that an event fetched for a dead one can be recognised.
struct Key {
  uint32_t slot;
  uint32_t generation;
};

// One event as the loop reads it. The layout is shared with the Uint32Array
// that JavaScript sees: three words an event.
//
//   word 0: slot   word 1: generation   word 2: bits
struct Event {
  uint32_t slot;
  uint32_t generation;
  uint32_t bits;
};
static_assert(sizeof(Event) == 12, "an event is three words in JavaScript");

// No event of the backend ever carries this slot. The binding uses it to put
// signals (generation = signal number) into the same batch.
constexpr uint32_t kSignalSlot = 0xffffffff;

constexpr int64_t kNoDeadline = INT64_MAX;
constexpr int kForever = -1;

enum class Backend { kEpoll, kKqueue, kPoll };

// What MILLRACE_POLL_BACKEND asks for ("epoll", "kqueue", "poll"), read once a
// process; else the best that was compiled in.
Backend default_backend();
const char* backend_name(Backend backend);

class Poller {
 public:
  // Opens a poller whose wait() fetches at most `events_capacity` events.
  // Returns null and sets *error to -errno when the system refuses.
  static std::unique_ptr<Poller> open(Backend backend, uint32_t events_capacity, int* error);

  virtual ~Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Registers a descriptor. -EEXIST if it is registered already.
  virtual int add(int fd, Key key, uint32_t interest, uint32_t opt) = 0;

  // Replaces key, interest and options and evaluates readiness afresh: what
  // is ready now is reported again, under the new key. Interest 0 keeps the
  // descriptor registered but silent. -ENOENT if it is not registered.
  virtual int modify(int fd, Key key, uint32_t interest, uint32_t opt) = 0;

  // -ENOENT if it is not registered.
  virtual int remove(int fd) = 0;

  // Fetches ready events into `events`, at most the capacity given to open().
  // Waits up to timeout_ms (0: not at all; kForever: without end) for the
  // first of: an event, the deadline, wake(), a watched descriptor.
  // Returns the number of user events, which may be 0, or -errno; -EINTR when
  // a signal ended the wait. Sets *full when the kernel's answer took every
  // slot, so that more may be ready than was reported: internal events
  // (deadline, wake-up) take slots too and are filtered out afterwards.
  virtual int wait(Event* events, int timeout_ms, bool* full) = 0;

  // Ends a wait, or makes the poller ready, at this time of CLOCK_MONOTONIC
  // in nanoseconds. One deadline at a time; kNoDeadline takes it away.
  virtual int set_deadline(int64_t deadline_ns) = 0;

  // Any thread. Ends the wait under way, or the next one, once.
  virtual int wake() = 0;

  // Ends a wait, without an event, whenever this foreign descriptor newly
  // becomes readable (edge-triggered). At most one; -1 takes it away.
  virtual int watch(int fd) = 0;

  // EDGE only: the caller met would-block for these bits, so the next change
  // is an edge again. A no-op where the kernel keeps edges itself.
  virtual int rearm(int fd, uint32_t bits) = 0;

  // Whether rearm() does something, so that callers can skip the call.
  virtual bool needs_rearm() const = 0;

  // The descriptor that becomes readable when the poller is ready, for
  // nesting in another poller; -1 where the backend has none (poll(2)).
  virtual int fd() const = 0;

 protected:
  Poller() = default;
};

// The set of pollers that the poll thread sleeps on. One-shot: a poller that
// was reported is silent until it is armed again, and arming re-checks its
// readiness, so that nothing that happened in between is lost.
class PollerSet {
 public:
  static std::unique_ptr<PollerSet> open(Backend backend, int* error);

  virtual ~PollerSet() = default;
  PollerSet(const PollerSet&) = delete;
  PollerSet& operator=(const PollerSet&) = delete;

  // Ids are the caller's; they come back from wait(). Added unarmed.
  virtual int add(Poller& poller, uint64_t id) = 0;
  virtual int arm(Poller& poller, uint64_t id) = 0;
  virtual int remove(Poller& poller) = 0;

  // A plain descriptor in the set, level-triggered, always armed: the read
  // end of the signal pipe.
  virtual int add_descriptor(int fd, uint64_t id) = 0;

  // Sleeps until a poller is ready or wake() was called; fills `ids` and
  // returns how many, or -EINTR. Called by the poll thread only.
  virtual int wait(uint64_t* ids, int capacity) = 0;

  virtual int wake() = 0;

 protected:
  PollerSet() = default;
};

}  // namespace millrace
