// What the threads of a process may ask of each other: whether a thread is
// still alive, and to wake a loop of another one.
//
// Both go by keys, numbers that are never used twice. A key may be kept, sent
// to other threads and used at any time: one whose owner has gone finds
// nobody. Keys are below 2^53, so that JavaScript can hold them.
#pragma once

#include <cstdint>

namespace millrace {

using ThreadKey = uint64_t;
using WakeKey = uint64_t;

// No owner ever has this key.
constexpr uint64_t kNoKey = 0;

// Any thread, all of them.
class Threads {
 public:
  static ThreadKey enter();
  static void leave(ThreadKey key);

  // From enter() until leave().
  static bool is_alive(ThreadKey key);
};

// Implemented by whoever owns a loop.
class RemoteWakeTarget {
 public:
  // Called on any thread with the entry locked: must not block, and must not
  // call back into RemoteWakes.
  virtual void on_remote_wake() = 0;

 protected:
  ~RemoteWakeTarget() = default;
};

// Any thread, all of them.
class RemoteWakes {
 public:
  static WakeKey add(RemoteWakeTarget* target);

  // After it returns, no call is under way and none can follow. Never call it
  // from on_remote_wake().
  static void remove(WakeKey key);

  // Calls the target on this thread. Does nothing for a key whose target was
  // removed, or that never was one.
  static void wake(WakeKey key);
};

}  // namespace millrace
