// The epoll backend.
//
// The deadline is a timerfd and the wake-up an eventfd, both in the loop's own
// epoll set, so that one descriptor says all there is to say about a loop and
// can be nested in the poll thread's set. Both are registered edge-triggered
// and are never read: each expiry and each write is an edge of its own.
//
//   user data:  slot (low 32 bits) | generation (high 32 bits)
//               0xffffffff         | which internal entry
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <vector>

#include "backends.h"
#include "descriptor.h"
#include "sys.h"
#include "waker.h"

namespace millrace {

namespace {

constexpr uint64_t internal_data(uint32_t which) {
  return kSignalSlot | static_cast<uint64_t>(which) << 32;
}

constexpr uint64_t kDeadlineData = internal_data(0);
constexpr uint64_t kWakeData = internal_data(1);
constexpr uint64_t kWatchData = internal_data(2);
constexpr uint64_t kSilentData = internal_data(3);

// Pollers that one wait of the poll thread reports at most; the others come
// with the next wait, for epoll goes round those that are ready.
constexpr int kSetEventsMax = 64;

constexpr uint64_t kSetWakeId = UINT64_MAX;

int control(const Descriptor& epoll, int operation, int fd, uint32_t events, uint64_t data) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = data;
  return sys::epoll_ctl(epoll.get(), operation, fd, &event);
}

uint32_t to_epoll(uint32_t interest, uint32_t opt) {
  uint32_t events = 0;
  if (interest & kReadable) events |= EPOLLIN;
  if (interest & kWritable) events |= EPOLLOUT;
  // A writer does not ask to hear that its peer has finished sending.
  if (interest & (kReadable | kHup)) events |= EPOLLRDHUP;
  if ((opt & kEdge) && !(opt & kLevel)) events |= EPOLLET;
  if (opt & kOneshot) events |= EPOLLONESHOT;
  return events;
}

uint32_t to_bits(uint32_t events) {
  uint32_t bits = 0;
  if (events & EPOLLIN) bits |= kReadable;
  if (events & EPOLLOUT) bits |= kWritable;
  if (events & EPOLLERR) bits |= kError;
  if (events & (EPOLLHUP | EPOLLRDHUP)) bits |= kHup;
  return bits;
}

class EpollPoller final : public Poller {
 public:
  explicit EpollPoller(uint32_t events_capacity) : buffer_(events_capacity) {}

  int open() {
    epoll_ = Descriptor(sys::epoll_create());
    if (!epoll_.is_open()) return epoll_.get();
    timer_ = Descriptor(sys::timerfd_create());
    if (!timer_.is_open()) return timer_.get();
    int result = waker_.open();
    if (result == 0) result = add_internal(timer_.get(), kDeadlineData);
    if (result == 0) result = add_internal(waker_.fd(), kWakeData);
    return result;
  }

  int add(int fd, Key key, uint32_t interest, uint32_t opt) override {
    return put(EPOLL_CTL_ADD, fd, key, interest, opt);
  }

  int modify(int fd, Key key, uint32_t interest, uint32_t opt) override {
    return put(EPOLL_CTL_MOD, fd, key, interest, opt);
  }

  // Not left to close(): epoll goes by the open file, so it would go on
  // reporting for as long as a duplicate of the descriptor exists anywhere.
  int remove(int fd) override { return control(epoll_, EPOLL_CTL_DEL, fd, 0, 0); }

  int wait(Event* events, int timeout_ms, bool* full) override {
    const int capacity = static_cast<int>(buffer_.size());
    const int count = sys::epoll_wait(epoll_.get(), buffer_.data(), capacity, timeout_ms);
    *full = count == capacity;
    if (count < 0) return count;
    int reported = 0;
    for (int i = 0; i < count; i++) {
      const uint64_t data = buffer_[i].data.u64;
      const uint32_t slot = static_cast<uint32_t>(data);
      if (slot == kSignalSlot) continue;
      const uint32_t generation = static_cast<uint32_t>(data >> 32);
      events[reported++] = Event{slot, generation, to_bits(buffer_[i].events)};
    }
    return reported;
  }

  int set_deadline(int64_t deadline_ns) override {
    // All zeroes disarm a timerfd, so the past begins at one nanosecond. A
    // new time also takes back an expiry that was not fetched yet.
    itimerspec absolute = {};
    if (deadline_ns != kNoDeadline) {
      const int64_t time_ns = std::max<int64_t>(deadline_ns, 1);
      absolute.it_value.tv_sec = time_ns / 1000000000;
      absolute.it_value.tv_nsec = time_ns % 1000000000;
    }
    return sys::timerfd_settime(timer_.get(), absolute);
  }

  int wake() override { return waker_.wake(); }

  int watch(int fd) override {
    if (watched_fd_ >= 0) control(epoll_, EPOLL_CTL_DEL, watched_fd_, 0, 0);
    watched_fd_ = -1;
    if (fd < 0) return 0;
    const int result = add_internal(fd, kWatchData);
    if (result == 0) watched_fd_ = fd;
    return result;
  }

  int rearm(int, uint32_t) override { return 0; }
  bool needs_rearm() const override { return false; }
  int fd() const override { return epoll_.get(); }

 private:
  int add_internal(int fd, uint64_t data) {
    return control(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, data);
  }

  int put(int operation, int fd, Key key, uint32_t interest, uint32_t opt) {
    if (interest == 0) {
      // epoll reports errors and hang-ups whatever it was asked for. One-shot
      // turns the entry off with the first of them, and the marker filters
      // that one out. So the kernel alone knows what is registered, and no
      // table here can disagree with it; the cost is one wait without result.
      return control(epoll_, operation, fd, EPOLLONESHOT, kSilentData);
    }
    const uint64_t data = key.slot | static_cast<uint64_t>(key.generation) << 32;
    return control(epoll_, operation, fd, to_epoll(interest, opt), data);
  }

  Descriptor epoll_;
  Descriptor timer_;
  Waker waker_;
  int watched_fd_ = -1;
  std::vector<epoll_event> buffer_;
};

// No lock: the kernel's set is the only state, and its calls are atomic.
class EpollPollerSet final : public PollerSet {
 public:
  int open() {
    epoll_ = Descriptor(sys::epoll_create());
    if (!epoll_.is_open()) return epoll_.get();
    const int result = waker_.open();
    if (result != 0) return result;
    return control(epoll_, EPOLL_CTL_ADD, waker_.fd(), EPOLLIN | EPOLLET, kSetWakeId);
  }

  // Without events an epoll descriptor says nothing: it has no errors and no
  // hang-ups of its own.
  int add(Poller& poller, uint64_t id) override {
    return control(epoll_, EPOLL_CTL_ADD, poller.fd(), EPOLLONESHOT, id);
  }

  // MOD looks at the poller's readiness afresh: a poller that became ready
  // while it was not armed is reported at once.
  int arm(Poller& poller, uint64_t id) override {
    return control(epoll_, EPOLL_CTL_MOD, poller.fd(), EPOLLIN | EPOLLONESHOT, id);
  }

  int remove(Poller& poller) override {
    return control(epoll_, EPOLL_CTL_DEL, poller.fd(), 0, 0);
  }

  int add_descriptor(int fd, uint64_t id) override {
    return control(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN, id);
  }

  int wait(uint64_t* ids, int capacity) override {
    epoll_event buffer[kSetEventsMax];
    const int count = sys::epoll_wait(epoll_.get(), buffer, std::min(capacity, kSetEventsMax),
                                      kForever);
    if (count < 0) return count;
    int reported = 0;
    for (int i = 0; i < count; i++) {
      if (buffer[i].data.u64 != kSetWakeId) ids[reported++] = buffer[i].data.u64;
    }
    return reported;
  }

  int wake() override { return waker_.wake(); }

 private:
  Descriptor epoll_;
  Waker waker_;
};

}  // namespace

std::unique_ptr<Poller> open_epoll_poller(uint32_t events_capacity, int* error) {
  return open_or_error<Poller, EpollPoller>(error, events_capacity);
}

std::unique_ptr<PollerSet> open_epoll_set(int* error) {
  return open_or_error<PollerSet, EpollPollerSet>(error);
}

}  // namespace millrace
