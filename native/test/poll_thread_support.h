// What the tests of the poll thread share: a loop that sleeps through it, and
// what the system tells about it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "../core/poll_thread.h"
#include "support.h"

namespace millrace::test {

// Stands in for a loop: counts its wake-ups and can sleep until one comes.
class Target final : public WakeTarget {
 public:
  void on_ready() override;

  // False if there was none for five seconds.
  bool wait();

  int wakes();

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
  int taken_ = 0;
};

struct Lease {
  Lease() { PollThread::acquire(); }
  ~Lease() { PollThread::release(); }
};

// A poller, its target and its entry.
struct Loop {
  Loop();
  ~Loop() { PollThread::detach(entry); }

  int arm() { return PollThread::arm(entry); }

  // Arms and sleeps, as an idle loop does; false if nothing woke it.
  bool sleep() { return arm() == 0 && target.wait(); }

  TestPoller poller;
  Target target;
  PollThread::Entry* entry;
};

// The thread ids of this process's poll threads. A thread takes its name
// itself, some time after it was started.
std::vector<std::string> poll_threads();

// A number from the kernel's status of a thread.
uint64_t thread_status(const std::string& id, const std::string& field, int base);

}  // namespace millrace::test
