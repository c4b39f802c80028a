// The poll(2) backend: for systems with nothing better, and for developers,
// who can run the whole test suite on it anywhere.
//
// poll(2) is level-triggered and keeps no state, so everything else is done
// here. ONESHOT takes a descriptor out of the array after one event. EDGE
// masks each bit that was reported until the caller has met would-block and
// says so with rearm(). POLLERR and POLLHUP cannot be masked, so an EDGE
// descriptor that showed one of them is parked outside the array.
//
// Without a descriptor of its own a poller cannot be nested. The set polls the
// descriptors of all its armed pollers instead, and a poller that changes while
// it is armed makes the set look again.
//
// Locks, taken in this order:
//   PollPollerSet::mutex_  the members of the set and whether it sleeps;
//   PollPoller::mutex_     what the poll thread reads of a poller. The loop's
//                          thread alone writes it, under the mutex, and may
//                          therefore read it without.
#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "backends.h"
#include "sys.h"
#include "waker.h"

namespace millrace {

namespace {

// poll(2) cannot see an edge of a watched descriptor, whose owner reads it on
// a thread that waits here. One that stays readable ends a wait this often.
constexpr int64_t kWatchPauseNs = 10 * 1000000;

// The longest that remove() waits for the set to let go of a descriptor.
constexpr std::chrono::milliseconds kLetGoMax(100);

// The places of the array before the registrations begin.
constexpr size_t kWakerIndex = 0;
constexpr size_t kWatchIndex = 1;
constexpr size_t kFixedCount = 2;

constexpr size_t kNotRegistered = SIZE_MAX;

#ifdef POLLRDHUP
constexpr short kPeerClosed = POLLRDHUP;
#else
constexpr short kPeerClosed = 0;
#endif

constexpr short kUnmaskable = POLLERR | POLLHUP;

class PollPollerSet;

class PollPoller final : public Poller {
 public:
  explicit PollPoller(uint32_t events_capacity) : events_capacity_(events_capacity) {}

  int open();

  int add(int fd, Key key, uint32_t interest, uint32_t opt) override;
  int modify(int fd, Key key, uint32_t interest, uint32_t opt) override;
  int remove(int fd) override;
  int wait(Event* events, int timeout_ms, bool* full) override;
  int set_deadline(int64_t deadline_ns) override;
  int wake() override { return waker_.wake(); }
  int watch(int fd) override;
  int rearm(int fd, uint32_t bits) override;
  bool needs_rearm() const override { return true; }
  int fd() const override { return -1; }

  // The set's side. It is listening from arm() until it reports the poller;
  // called with the set's mutex held.
  void set_listener(PollPollerSet* listener);

  // Appends what to poll for this poller, and returns its deadline.
  int64_t collect(std::vector<pollfd>* descriptors);

 private:
  struct Registration {
    Key key;
    uint32_t interest;
    uint32_t opt;
    uint32_t masked;  // EDGE: reported, and not rearmed since.
    bool parked;      // EDGE: showed POLLERR or POLLHUP.
    bool disarmed;    // ONESHOT: has had its event.

    bool is_edge() const { return (opt & kEdge) && !(opt & kLevel); }
  };

  size_t index_of(int fd) const;
  void apply(size_t index, int fd);
  uint32_t take_bits(size_t index);
  int take_ready(Event* events, int64_t now_ns, bool* full);
  void return_parked();
  void changed_locked();

  const uint32_t events_capacity_;
  Waker waker_;

  // Of the loop's thread alone.
  std::vector<Registration> registrations_;  // [i] belongs to pollfds_[kFixedCount + i]
  std::vector<size_t> index_by_fd_;
  size_t parked_count_ = 0;
  size_t scan_start_ = 0;  // Where the last full batch broke off.
  int watched_fd_ = -1;
  int64_t watch_paused_until_ns_ = 0;

  std::mutex mutex_;
  // Protected by mutex_ as the header says. The `revents` in here are not:
  // only the loop's thread uses them.
  std::vector<pollfd> pollfds_;
  int64_t deadline_ns_ = kNoDeadline;
  // Protected by mutex_ alone.
  PollPollerSet* listener_ = nullptr;
};

class PollPollerSet final : public PollerSet {
 public:
  int open() { return waker_.open(); }

  int add(Poller& poller, uint64_t id) override;
  int arm(Poller& poller, uint64_t id) override;
  int remove(Poller& poller) override;
  int add_descriptor(int fd, uint64_t id) override;
  int wait(uint64_t* ids, int capacity) override;
  int wake() override { return waker_.wake(); }

  // Returns when no sleep that began before the call is under way: what the
  // set polled then, it holds no longer. The kernel keeps a file open while
  // it is being polled, so a close() before that would not free its port.
  void let_go();

 private:
  struct Member {
    PollPoller* poller;
    uint64_t id;
    bool armed;
  };
  struct Foreign {
    int fd;
    uint64_t id;
  };
  // The part of pollfds_ that one poller contributed.
  struct Span {
    uint64_t id;
    size_t end;
    int64_t deadline_ns;
  };

  int64_t begin_sleep();
  int end_sleep(uint64_t* ids, int capacity);
  bool disarm_locked(uint64_t id);
  std::vector<Member>::iterator find_locked(const Poller& poller);

  Waker waker_;

  // Of the poll thread alone.
  std::vector<pollfd> pollfds_;  // the waker, foreigns, then the spans
  std::vector<Span> spans_;
  size_t polled_foreigns_ = 0;

  std::mutex mutex_;
  // Protected by mutex_.
  std::vector<Member> members_;
  std::vector<Foreign> foreigns_;
  bool sleeping_ = false;
  uint64_t sleeps_ = 0;
  std::condition_variable woke_;
};

uint32_t to_bits(short revents) {
  uint32_t bits = 0;
  if (revents & POLLIN) bits |= kReadable;
  if (revents & POLLOUT) bits |= kWritable;
  if (revents & POLLERR) bits |= kError;
  if (revents & (POLLHUP | kPeerClosed)) bits |= kHup;
  return bits;
}

// The poller.

int PollPoller::open() {
  const int result = waker_.open();
  if (result != 0) return result;
  pollfds_.push_back({waker_.fd(), POLLIN, 0});
  pollfds_.push_back({-1, POLLIN, 0});
  return 0;
}

int PollPoller::add(int fd, Key key, uint32_t interest, uint32_t opt) {
  // poll(2) would say so only later, and not to the one who is at fault.
  const int result = sys::check_descriptor(fd);
  if (result != 0) return result;
  if (index_of(fd) != kNotRegistered) return -EEXIST;
  const size_t index = registrations_.size();
  if (index_by_fd_.size() <= static_cast<size_t>(fd)) {
    index_by_fd_.resize(static_cast<size_t>(fd) + 1, kNotRegistered);
  }
  index_by_fd_[fd] = index;
  registrations_.push_back({key, interest, opt, 0, false, false});
  const std::lock_guard<std::mutex> lock(mutex_);
  pollfds_.push_back({-1, 0, 0});
  apply(index, fd);
  changed_locked();
  return 0;
}

int PollPoller::modify(int fd, Key key, uint32_t interest, uint32_t opt) {
  const size_t index = index_of(fd);
  if (index == kNotRegistered) return -ENOENT;
  if (registrations_[index].parked) parked_count_--;
  registrations_[index] = {key, interest, opt, 0, false, false};
  const std::lock_guard<std::mutex> lock(mutex_);
  apply(index, fd);
  changed_locked();
  return 0;
}

int PollPoller::remove(int fd) {
  const size_t index = index_of(fd);
  if (index == kNotRegistered) return -ENOENT;
  if (registrations_[index].parked) parked_count_--;
  // The last registration moves into the gap.
  PollPollerSet* listener;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const pollfd last = pollfds_.back();
    pollfds_[kFixedCount + index] = last;
    pollfds_.pop_back();
    registrations_[index] = registrations_.back();
    registrations_.pop_back();
    index_by_fd_[last.fd >= 0 ? last.fd : ~last.fd] = index;
    index_by_fd_[fd] = kNotRegistered;
    listener = listener_;
  }
  // Without the mutex, which the set needs to wake up. The set itself stays:
  // its owner takes the poller out of it on this thread.
  if (listener != nullptr) listener->let_go();
  return 0;
}

int PollPoller::wait(Event* events, int timeout_ms, bool* full) {
  *full = false;
  if (parked_count_ > 0) return_parked();
  int64_t now_ns = sys::monotonic_ns();
  const int64_t end_ns =
      timeout_ms < 0 ? kNoDeadline : now_ns + static_cast<int64_t>(timeout_ms) * 1000000;
  for (;;) {
    const bool paused = now_ns < watch_paused_until_ns_;
    pollfds_[kWatchIndex].fd = paused ? -1 : watched_fd_;
    int64_t until_ns = std::min(end_ns, deadline_ns_);
    if (paused) until_ns = std::min(until_ns, watch_paused_until_ns_);
    const int64_t timeout_ns =
        until_ns == kNoDeadline ? kForever : std::max<int64_t>(until_ns - now_ns, 0);
    const int ready = sys::poll(pollfds_.data(), pollfds_.size(), timeout_ns);
    if (ready < 0) return ready;
    now_ns = sys::monotonic_ns();
    if (ready > 0 || now_ns >= std::min(end_ns, deadline_ns_)) break;
  }
  return take_ready(events, now_ns, full);
}

int PollPoller::set_deadline(int64_t deadline_ns) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // No time before the clock's own zero, so that differences cannot overflow.
  deadline_ns_ = std::max<int64_t>(deadline_ns, 0);
  changed_locked();
  return 0;
}

// Only waits on the loop's thread heed it, not the set: it is there for a
// thread that blocks in its poller and must notice its own end.
int PollPoller::watch(int fd) {
  watched_fd_ = fd;
  watch_paused_until_ns_ = 0;
  return 0;
}

int PollPoller::rearm(int fd, uint32_t bits) {
  const size_t index = index_of(fd);
  if (index == kNotRegistered) return -ENOENT;
  Registration& registration = registrations_[index];
  if (!registration.is_edge()) return 0;
  registration.masked &= ~bits;
  // Would-block means that the error has been read and that the hang-up, if
  // it was one, has not silenced the descriptor.
  if (registration.parked) {
    registration.parked = false;
    parked_count_--;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  apply(index, fd);
  changed_locked();
  return 0;
}

void PollPoller::set_listener(PollPollerSet* listener) {
  const std::lock_guard<std::mutex> lock(mutex_);
  listener_ = listener;
}

int64_t PollPoller::collect(std::vector<pollfd>* descriptors) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (size_t i = 0; i < pollfds_.size(); i++) {
    if (i == kWatchIndex || pollfds_[i].fd < 0) continue;
    descriptors->push_back({pollfds_[i].fd, pollfds_[i].events, 0});
  }
  return deadline_ns_;
}

size_t PollPoller::index_of(int fd) const {
  const size_t position = static_cast<size_t>(fd);
  return position < index_by_fd_.size() ? index_by_fd_[position] : kNotRegistered;
}

// Brings the array in line with the registration. mutex_ is held.
void PollPoller::apply(size_t index, int fd) {
  const Registration& registration = registrations_[index];
  const uint32_t wanted = registration.interest & ~registration.masked;
  short events = 0;
  if (wanted & kReadable) events |= POLLIN;
  if (wanted & kWritable) events |= POLLOUT;
  if ((registration.interest & (kReadable | kHup)) && !(registration.masked & kHup)) {
    events |= kPeerClosed;
  }
  const bool polled =
      registration.interest != 0 && !registration.parked && !registration.disarmed;
  pollfd& entry = pollfds_[kFixedCount + index];
  entry.fd = polled ? fd : ~fd;  // poll(2) skips negative numbers.
  entry.events = events;
}

// What to report of an entry with `revents`, after which it is masked, parked
// or disarmed as its options say. mutex_ is held.
uint32_t PollPoller::take_bits(size_t index) {
  Registration& registration = registrations_[index];
  const pollfd entry = pollfds_[kFixedCount + index];
  const uint32_t bits = to_bits(entry.revents);
  if (registration.is_edge()) {
    registration.masked |= bits;
    if (entry.revents & kUnmaskable) {
      registration.parked = true;
      parked_count_++;
    }
  }
  // POLLNVAL: it was closed without remove(). epoll forgets such a descriptor
  // by itself; here it at least must not make every wait return.
  if ((registration.opt & kOneshot) || (entry.revents & POLLNVAL)) registration.disarmed = true;
  apply(index, entry.fd);
  return bits;
}

// Turns the result of poll(2) into events, beginning where the last full batch
// broke off, so that none of many ready descriptors starves.
int PollPoller::take_ready(Event* events, int64_t now_ns, bool* full) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (pollfds_[kWakerIndex].revents != 0) waker_.drain();
  if (pollfds_[kWatchIndex].revents != 0) watch_paused_until_ns_ = now_ns + kWatchPauseNs;
  if (now_ns >= deadline_ns_) deadline_ns_ = kNoDeadline;

  const size_t count = registrations_.size();
  uint32_t reported = 0;
  size_t visited = 0;
  for (; visited < count && reported < events_capacity_; visited++) {
    const size_t index = (scan_start_ + visited) % count;
    if (pollfds_[kFixedCount + index].revents == 0) continue;
    const uint32_t bits = take_bits(index);
    if (bits == 0) continue;
    const Key key = registrations_[index].key;
    events[reported++] = Event{key.slot, key.generation, bits};
  }
  if (count > 0) scan_start_ = (scan_start_ + visited) % count;
  *full = reported == events_capacity_;
  return static_cast<int>(reported);
}

// An error that was taken in another way than by reading (SO_ERROR) leaves no
// would-block behind to rearm with. So parked descriptors are looked at before
// each wait, and those without error or hang-up return to the array.
void PollPoller::return_parked() {
  for (size_t index = 0; index < registrations_.size(); index++) {
    if (!registrations_[index].parked) continue;
    const int fd = ~pollfds_[kFixedCount + index].fd;
    pollfd probe = {fd, 0, 0};
    if (sys::poll(&probe, 1, 0) != 0) continue;
    registrations_[index].parked = false;
    parked_count_--;
    const std::lock_guard<std::mutex> lock(mutex_);
    apply(index, fd);
    changed_locked();
  }
}

// The set that sleeps on the old state must look again. mutex_ is held, which
// keeps the listener in place; its waker needs no lock.
void PollPoller::changed_locked() {
  if (listener_ != nullptr) listener_->wake();
}

// The set.

int PollPollerSet::add(Poller& poller, uint64_t id) {
  // Pollers of other backends have a descriptor.
  if (poller.fd() >= 0) return -EINVAL;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (find_locked(poller) != members_.end()) return -EEXIST;
  // SAFETY: what has no descriptor is a PollPoller.
  members_.push_back({static_cast<PollPoller*>(&poller), id, false});
  return 0;
}

int PollPollerSet::arm(Poller& poller, uint64_t id) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto member = find_locked(poller);
    if (member == members_.end()) return -ENOENT;
    member->id = id;
    member->armed = true;
    // Before the set can collect from it: a change either comes before that
    // and is collected, or finds the listener and makes the set look again.
    member->poller->set_listener(this);
  }
  return waker_.wake();
}

int PollPollerSet::remove(Poller& poller) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto member = find_locked(poller);
    if (member == members_.end()) return -ENOENT;
    member->poller->set_listener(nullptr);
    members_.erase(member);
  }
  let_go();
  return 0;
}

int PollPollerSet::add_descriptor(int fd, uint64_t id) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    foreigns_.push_back({fd, id});
  }
  return waker_.wake();
}

int PollPollerSet::wait(uint64_t* ids, int capacity) {
  const int64_t deadline_ns = begin_sleep();
  int64_t timeout_ns = kForever;
  if (deadline_ns != kNoDeadline) {
    timeout_ns = std::max<int64_t>(deadline_ns - sys::monotonic_ns(), 0);
  }
  const int result = sys::poll(pollfds_.data(), pollfds_.size(), timeout_ns);
  if (result < 0) {
    // Nothing was written, so nothing may be taken for ready.
    end_sleep(ids, 0);
    return result;
  }
  return end_sleep(ids, capacity);
}

void PollPollerSet::let_go() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!sleeping_) return;
  const uint64_t sleep = sleeps_;
  waker_.wake();
  // Bounded, because at the very end of a process the poll thread may be gone.
  woke_.wait_for(lock, kLetGoMax, [&] { return !sleeping_ || sleeps_ != sleep; });
}

// Gathers all that is to be polled; returns the earliest deadline.
int64_t PollPollerSet::begin_sleep() {
  pollfds_.clear();
  spans_.clear();
  pollfds_.push_back({waker_.fd(), POLLIN, 0});
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Foreign& foreign : foreigns_) pollfds_.push_back({foreign.fd, POLLIN, 0});
  polled_foreigns_ = foreigns_.size();
  int64_t earliest_ns = kNoDeadline;
  for (const Member& member : members_) {
    if (!member.armed) continue;
    const int64_t deadline_ns = member.poller->collect(&pollfds_);
    spans_.push_back({member.id, pollfds_.size(), deadline_ns});
    earliest_ns = std::min(earliest_ns, deadline_ns);
  }
  sleeping_ = true;
  sleeps_++;
  return earliest_ns;
}

// Reports whose descriptors became ready or whose deadline has passed. What
// finds no room in `ids` stays armed and is reported by the next wait.
int PollPollerSet::end_sleep(uint64_t* ids, int capacity) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sleeping_ = false;
  woke_.notify_all();
  if (capacity == 0) return 0;
  if (pollfds_[0].revents != 0) waker_.drain();
  int reported = 0;
  for (size_t i = 0; i < polled_foreigns_ && reported < capacity; i++) {
    if (pollfds_[1 + i].revents != 0) ids[reported++] = foreigns_[i].id;
  }
  const int64_t now_ns = sys::monotonic_ns();
  size_t position = 1 + polled_foreigns_;
  for (const Span& span : spans_) {
    bool ready = now_ns >= span.deadline_ns;
    for (; position < span.end; position++) ready |= pollfds_[position].revents != 0;
    // By its id, because the member may have been removed meanwhile.
    if (ready && reported < capacity && disarm_locked(span.id)) ids[reported++] = span.id;
  }
  return reported;
}

bool PollPollerSet::disarm_locked(uint64_t id) {
  for (Member& member : members_) {
    if (member.id != id || !member.armed) continue;
    member.armed = false;
    member.poller->set_listener(nullptr);
    return true;
  }
  return false;
}

std::vector<PollPollerSet::Member>::iterator PollPollerSet::find_locked(const Poller& poller) {
  return std::find_if(members_.begin(), members_.end(),
                      [&](const Member& member) { return member.poller == &poller; });
}

}  // namespace

std::unique_ptr<Poller> open_poll_poller(uint32_t events_capacity, int* error) {
  return open_or_error<Poller, PollPoller>(error, events_capacity);
}

std::unique_ptr<PollerSet> open_poll_set(int* error) {
  return open_or_error<PollerSet, PollPollerSet>(error);
}

}  // namespace millrace
