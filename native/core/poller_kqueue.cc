// The kqueue backend (macOS and the BSDs).
//
// kqueue knows filters, not interests: reading and writing of one descriptor
// are two entries that report one by one. wait() merges what one batch says of
// a descriptor, so that a loop sees one event for a source as everywhere else.
//
// The deadline is a one-shot EVFILT_TIMER and the wake-up the pipe of a Waker,
// edge-triggered and never read. User data tells internal entries (the address
// of a marker) from users' (null); key, interest and options of the latter are
// in a table by descriptor, for user data has no room for all of them.
#include <errno.h>
#include <sys/event.h>

#include <algorithm>
#include <vector>

#include "backends.h"
#include "descriptor.h"
#include "sys.h"
#include "waker.h"

namespace millrace {

namespace {

static_assert(sizeof(void*) >= sizeof(uint64_t), "ids of pollers travel as user data");

constexpr uintptr_t kTimerIdent = 0;
constexpr int kSetEventsMax = 64;
constexpr uint64_t kSetWakeId = UINT64_MAX;

void* to_user_data(uint64_t id) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(id));  // SAFETY: never followed.
}

uint64_t to_id(const void* user_data) { return reinterpret_cast<uintptr_t>(user_data); }

// One change, one call: kqueue stops at the first bad change of a list and
// leaves those before it in force, which nobody could take back.
int change(const Descriptor& queue, uintptr_t ident, int filter, int flags, void* user_data) {
  struct kevent entry = {};
  entry.ident = ident;
  entry.filter = static_cast<decltype(entry.filter)>(filter);
  entry.flags = static_cast<decltype(entry.flags)>(flags);
  entry.udata = user_data;
  return sys::kevent_change(queue.get(), entry);
}

// A filter that is gone already (one-shot, or its descriptor was closed) is
// as good as deleted.
int forget(const Descriptor& queue, uintptr_t ident, int filter) {
  const int result = change(queue, ident, filter, EV_DELETE, nullptr);
  return result == -ENOENT || result == -EBADF ? 0 : result;
}

// What one entry says of its descriptor. Without READABLE interest the read
// filter is there only to notice the end, so data alone is no event.
uint32_t to_bits(const struct kevent& entry, uint32_t interest) {
  uint32_t bits = 0;
  if (entry.filter == EVFILT_READ) bits |= interest & kReadable;
  if (entry.filter == EVFILT_WRITE) bits |= kWritable;
  if (entry.flags & EV_EOF) {
    bits |= kHup;
    if (entry.fflags != 0) bits |= kError;  // The socket's pending error.
  }
  return bits;
}

class KqueuePoller final : public Poller {
 public:
  explicit KqueuePoller(uint32_t events_capacity) : buffer_(events_capacity) {}

  int open();

  int add(int fd, Key key, uint32_t interest, uint32_t opt) override;
  int modify(int fd, Key key, uint32_t interest, uint32_t opt) override;
  int remove(int fd) override;
  int wait(Event* events, int timeout_ms, bool* full) override;
  int set_deadline(int64_t deadline_ns) override;
  int wake() override { return waker_.wake(); }
  int watch(int fd) override;

  int rearm(int, uint32_t) override { return 0; }
  bool needs_rearm() const override { return false; }
  int fd() const override { return queue_.get(); }

 private:
  struct Registration {
    Key key;
    uint32_t interest;
    uint32_t opt;
    bool is_registered;
    bool has_read;   // Filters that were installed; one may be gone by itself.
    bool has_write;
    uint64_t batch;  // The last batch that reported it ...
    int position;    // ... and where in that batch.
  };

  int add_internal(int fd);
  Registration* find(int fd);
  int install(int fd, Registration* registration);
  int uninstall(int fd, Registration* registration);

  Descriptor queue_;
  Waker waker_;
  int watched_fd_ = -1;
  char internal_ = 0;  // Its address marks internal entries.
  uint64_t batch_ = 0;
  std::vector<Registration> registrations_;  // By descriptor.
  std::vector<struct kevent> buffer_;
};

class KqueuePollerSet final : public PollerSet {
 public:
  int open() {
    queue_ = Descriptor(sys::kqueue());
    if (!queue_.is_open()) return queue_.get();
    const int result = waker_.open();
    if (result != 0) return result;
    return change(queue_, waker_.fd(), EVFILT_READ, EV_ADD | EV_CLEAR, to_user_data(kSetWakeId));
  }

  // Nothing for the kernel to know until the poller is armed.
  int add(Poller& poller, uint64_t) override { return poller.fd() >= 0 ? 0 : -EINVAL; }

  // Adding evaluates the filter at once, so a poller that is ready already is
  // reported; one-shot takes the entry away with its event.
  int arm(Poller& poller, uint64_t id) override {
    return change(queue_, poller.fd(), EVFILT_READ, EV_ADD | EV_ONESHOT, to_user_data(id));
  }

  int remove(Poller& poller) override { return forget(queue_, poller.fd(), EVFILT_READ); }

  int add_descriptor(int fd, uint64_t id) override {
    return change(queue_, fd, EVFILT_READ, EV_ADD, to_user_data(id));
  }

  int wait(uint64_t* ids, int capacity) override {
    struct kevent buffer[kSetEventsMax];
    const int count = sys::kevent_wait(queue_.get(), buffer, std::min(capacity, kSetEventsMax),
                                       kForever);
    if (count < 0) return count;
    int reported = 0;
    for (int i = 0; i < count; i++) {
      const uint64_t id = to_id(buffer[i].udata);
      if (id != kSetWakeId) ids[reported++] = id;
    }
    return reported;
  }

  int wake() override { return waker_.wake(); }

 private:
  Descriptor queue_;
  Waker waker_;
};

int KqueuePoller::open() {
  queue_ = Descriptor(sys::kqueue());
  if (!queue_.is_open()) return queue_.get();
  const int result = waker_.open();
  return result == 0 ? add_internal(waker_.fd()) : result;
}

int KqueuePoller::add(int fd, Key key, uint32_t interest, uint32_t opt) {
  // With interest 0 there is no filter whose installation would say so.
  const int result = sys::check_descriptor(fd);
  if (result != 0) return result;
  if (find(fd) != nullptr) return -EEXIST;
  if (registrations_.size() <= static_cast<size_t>(fd)) {
    registrations_.resize(static_cast<size_t>(fd) + 1);
  }
  registrations_[fd] = {key, interest, opt, false, false, false, 0, 0};
  const int installed = install(fd, &registrations_[fd]);
  registrations_[fd].is_registered = installed == 0;
  return installed;
}

int KqueuePoller::modify(int fd, Key key, uint32_t interest, uint32_t opt) {
  Registration* const registration = find(fd);
  if (registration == nullptr) return -ENOENT;
  // Deleted and added again, for only adding evaluates an edge-triggered
  // filter afresh on every system.
  const int result = uninstall(fd, registration);
  if (result != 0) return result;
  *registration = {key, interest, opt, true, false, false, 0, 0};
  return install(fd, registration);
}

int KqueuePoller::remove(int fd) {
  Registration* const registration = find(fd);
  if (registration == nullptr) return -ENOENT;
  registration->is_registered = false;
  return uninstall(fd, registration);
}

int KqueuePoller::wait(Event* events, int timeout_ms, bool* full) {
  const int capacity = static_cast<int>(buffer_.size());
  const int count = sys::kevent_wait(queue_.get(), buffer_.data(), capacity, timeout_ms);
  *full = count == capacity;
  if (count < 0) return count;
  batch_++;
  int reported = 0;
  for (int i = 0; i < count; i++) {
    const struct kevent& entry = buffer_[i];
    if (entry.udata == &internal_ || (entry.flags & EV_ERROR)) continue;
    const int fd = static_cast<int>(entry.ident);
    Registration* const registration = find(fd);
    if (registration == nullptr) continue;
    const uint32_t bits = to_bits(entry, registration->interest);
    if (bits == 0) continue;
    if (registration->batch == batch_) {
      events[registration->position].bits |= bits;
      continue;
    }
    registration->batch = batch_;
    registration->position = reported;
    events[reported++] = Event{registration->key.slot, registration->key.generation, bits};
    // Both filters go: EV_ONESHOT would take only the one that reported.
    if (registration->opt & kOneshot) uninstall(fd, registration);
  }
  return reported;
}

int KqueuePoller::set_deadline(int64_t deadline_ns) {
  // Deleted first: that also takes back an expiry that was not fetched yet.
  const int result = forget(queue_, kTimerIdent, EVFILT_TIMER);
  if (result != 0 || deadline_ns == kNoDeadline) return result;
  const int64_t now_ns = sys::monotonic_ns();
  const int64_t delay_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 1;
  struct kevent entry = {};
  entry.ident = kTimerIdent;
  entry.filter = EVFILT_TIMER;
  entry.flags = EV_ADD | EV_ONESHOT;
  entry.udata = &internal_;
#ifdef NOTE_NSECONDS
  entry.fflags = NOTE_NSECONDS;
  entry.data = delay_ns;
#else
  entry.data = delay_ns / 1000000 + 1;  // Milliseconds, and never early.
#endif
#ifdef NOTE_CRITICAL
  entry.fflags |= NOTE_CRITICAL;  // macOS would put it off to save power.
#endif
  return sys::kevent_change(queue_.get(), entry);
}

int KqueuePoller::watch(int fd) {
  if (watched_fd_ >= 0) forget(queue_, watched_fd_, EVFILT_READ);
  watched_fd_ = -1;
  if (fd < 0) return 0;
  const int result = add_internal(fd);
  if (result == 0) watched_fd_ = fd;
  return result;
}

int KqueuePoller::add_internal(int fd) {
  return change(queue_, fd, EVFILT_READ, EV_ADD | EV_CLEAR, &internal_);
}

KqueuePoller::Registration* KqueuePoller::find(int fd) {
  const size_t position = static_cast<size_t>(fd);
  if (position >= registrations_.size() || !registrations_[position].is_registered) return nullptr;
  return &registrations_[position];
}

// Installs the filters that the interest asks for: both or, if one of them
// fails, neither.
int KqueuePoller::install(int fd, Registration* registration) {
  const uint32_t interest = registration->interest;
  const bool is_edge = (registration->opt & kEdge) && !(registration->opt & kLevel);
  const int trigger = is_edge ? EV_CLEAR : 0;
  if (interest & (kReadable | kHup | kError)) {
    // Without READABLE nobody reads, so a level would never end.
    const int read_trigger = interest & kReadable ? trigger : EV_CLEAR;
    const int result = change(queue_, fd, EVFILT_READ, EV_ADD | read_trigger, nullptr);
    if (result != 0) return result;
    registration->has_read = true;
  }
  if (interest & kWritable) {
    const int result = change(queue_, fd, EVFILT_WRITE, EV_ADD | trigger, nullptr);
    if (result != 0) {
      uninstall(fd, registration);
      return result;
    }
    registration->has_write = true;
  }
  return 0;
}

int KqueuePoller::uninstall(int fd, Registration* registration) {
  int result = 0;
  if (registration->has_read) result = forget(queue_, fd, EVFILT_READ);
  if (registration->has_write) {
    const int second = forget(queue_, fd, EVFILT_WRITE);
    if (result == 0) result = second;
  }
  registration->has_read = false;
  registration->has_write = false;
  return result;
}

}  // namespace

std::unique_ptr<Poller> open_kqueue_poller(uint32_t events_capacity, int* error) {
  return open_or_error<Poller, KqueuePoller>(error, events_capacity);
}

std::unique_ptr<PollerSet> open_kqueue_set(int* error) {
  return open_or_error<PollerSet, KqueuePollerSet>(error);
}

}  // namespace millrace
