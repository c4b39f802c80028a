// The wrappers around the system, and the fault hook before each of them.
// What differs between systems in these calls is decided here and nowhere else.
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#endif
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
#define MILLRACE_HAS_KQUEUE 1
#include <sys/event.h>
#endif

namespace millrace::sys {

namespace {

constexpr const char* kCallNames[] = {
    "socket", "bind", "listen", "accept", "connect", "read", "write", "writev", "recvfrom",
    "sendto", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "close",
    "eventfd", "timerfd_create", "timerfd_settime", "epoll_create", "epoll_ctl", "epoll_wait",
    "poll", "pipe", "sigaction", "thread", "fcntl", "kqueue", "kevent_change", "kevent_wait",
    "socketpair", "fstat", "waker_read", "waker_write", "recvmmsg", "sendmmsg",
};
static_assert(sizeof(kCallNames) / sizeof(kCallNames[0]) == kCallCount, "one name for each call");

struct Fault {
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> nth{0};
  std::atomic<uint64_t> times{0};
  std::atomic<int> error{0};
  std::atomic<bool> armed{false};
};

// Constant-initialised and without destructors, so that threads which outlive
// main() may still pass through the hook.
Fault faults[kCallCount];
std::atomic<bool> any_armed{false};

Fault& fault_of(Call call) { return faults[static_cast<int>(call)]; }

// Out of line, so that the unarmed path is a load and a branch.
[[gnu::noinline]] int count_fault(Call call) {
  Fault& fault = fault_of(call);
  // Pairs with the release store in inject_fault(): the plan is complete.
  if (!fault.armed.load(std::memory_order_acquire)) return 0;
  const uint64_t number = fault.calls.fetch_add(1, std::memory_order_relaxed) + 1;
  const uint64_t nth = fault.nth.load(std::memory_order_relaxed);
  const bool hit = number >= nth && number - nth < fault.times.load(std::memory_order_relaxed);
  return hit ? fault.error.load(std::memory_order_relaxed) : 0;
}

// The errno to fail with, or 0. The relaxed load pairs with the stores in
// inject_fault() and clear_faults(): a test arms before it starts what it
// tests, so no order between threads is needed here.
inline int injected(Call call) {
  return any_armed.load(std::memory_order_relaxed) ? count_fault(call) : 0;
}

// One attempt: for waits, whose interruption is news.
template <typename Function>
inline auto attempt(Call call, Function&& function) -> decltype(function()) {
  const int error = injected(call);
  if (error != 0) return -error;
  const auto result = function();
  return result >= 0 ? result : -errno;
}

template <typename Function>
inline auto retry(Call call, Function&& function) -> decltype(function()) {
  for (;;) {
    const auto result = attempt(call, function);
    if (result != -EINTR) return result;
  }
}

#if !defined(__linux__)
// For systems that cannot open a descriptor with its flags in one step. A
// child forked by another thread in between inherits it; nothing helps there.
int with_flags(int fd) {
  if (fd < 0) return fd;
  const int error = injected(Call::kFcntl);
  if (error == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) {
    return fd;
  }
  const int result = error != 0 ? -error : -errno;
  ::close(fd);
  return result;
}

// SIGPIPE is switched off for each socket where sends have no flag for it.
// That fails only on a socket which the peer has reset already.
int without_sigpipe(int fd) {
#ifdef SO_NOSIGPIPE
  const int on = 1;
  if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
  return fd;
}

int with_flags_on_both(int ends[2]) {
  const int first = without_sigpipe(with_flags(ends[0]));
  const int second = without_sigpipe(with_flags(ends[1]));
  if (first >= 0 && second >= 0) return 0;
  if (first >= 0) ::close(ends[0]);
  if (second >= 0) ::close(ends[1]);
  return first < 0 ? first : second;
}
#endif  // !__linux__

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

// recv() and send() of the C library are cancellation points, which costs two
// atomic operations a call in a process with threads. Nobody cancels threads
// here, so Linux is asked directly. Thread sanitizer follows descriptors
// through the library's functions and would see races where there are none.
#if defined(__linux__) && defined(SYS_recvfrom) && !defined(__SANITIZE_THREAD__)
ssize_t receive(int fd, void* buffer, size_t size) {
  return ::syscall(SYS_recvfrom, fd, buffer, size, 0, nullptr, nullptr);
}

ssize_t receive_from(int fd, void* buffer, size_t size, int flags, sockaddr* from,
                     socklen_t* length) {
  return ::syscall(SYS_recvfrom, fd, buffer, size, flags, from, length);
}

ssize_t transmit_to(int fd, const void* buffer, size_t size, const sockaddr* to,
                    socklen_t length) {
  return ::syscall(SYS_sendto, fd, buffer, size, kSendFlags, to, length);
}

ssize_t transmit(int fd, const void* buffer, size_t size) {
  return ::syscall(SYS_sendto, fd, buffer, size, kSendFlags, nullptr, 0);
}
#else
ssize_t receive(int fd, void* buffer, size_t size) { return ::recv(fd, buffer, size, 0); }

ssize_t transmit(int fd, const void* buffer, size_t size) {
  return ::send(fd, buffer, size, kSendFlags);
}

ssize_t transmit_to(int fd, const void* buffer, size_t size, const sockaddr* to,
                    socklen_t length) {
  return ::sendto(fd, buffer, size, kSendFlags, to, length);
}

#ifdef __linux__
ssize_t receive_from(int fd, void* buffer, size_t size, int flags, sockaddr* from,
                     socklen_t* length) {
  return ::recvfrom(fd, buffer, size, flags, from, length);
}
#endif
#endif

// Keeps a write(2) from raising SIGPIPE, for which pipes have no flag. Node
// ignores the signal, and then one query is all this costs; but a program that
// has listened for it once and stopped is left with its default action, death,
// and a plain executable has that from the start. So unless it is ignored, it
// is blocked in this thread, and one that the write leaves pending is taken. A
// write raises it in its own thread, so no other thread is concerned.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    struct sigaction current;
    if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_IGN) return;
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    // One that pends already is somebody else's and stays.
    if (is_pending()) return;
    is_blocking_ = pthread_sigmask(SIG_BLOCK, &sigpipe_, &previous_) == 0;
  }

  ~SigpipeGuard() {
    if (!is_blocking_) return;
    const int error = errno;
    int taken;
    if (is_pending()) sigwait(&sigpipe_, &taken);
    pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
    errno = error;
  }

  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  static bool is_pending() {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  }

  sigset_t sigpipe_;
  sigset_t previous_;
  bool is_blocking_ = false;
};

timespec to_timespec(int64_t duration_ns) {
  timespec result;
  result.tv_sec = static_cast<time_t>(duration_ns / 1000000000);
  result.tv_nsec = static_cast<long>(duration_ns % 1000000000);
  return result;
}

}  // namespace

const char* call_name(Call call) { return kCallNames[static_cast<int>(call)]; }

void inject_fault(Call call, uint64_t nth, uint64_t times, int error) {
  Fault& fault = fault_of(call);
  fault.armed.store(false, std::memory_order_relaxed);
  fault.calls.store(0, std::memory_order_relaxed);
  fault.nth.store(nth, std::memory_order_relaxed);
  fault.times.store(times, std::memory_order_relaxed);
  fault.error.store(error, std::memory_order_relaxed);
  // Pairs with the acquire load in count_fault().
  fault.armed.store(true, std::memory_order_release);
  any_armed.store(true, std::memory_order_relaxed);
}

void clear_faults() {
  any_armed.store(false, std::memory_order_relaxed);
  for (Fault& fault : faults) fault.armed.store(false, std::memory_order_relaxed);
}

uint64_t fault_calls(Call call) {
  const Fault& fault = fault_of(call);
  // A count for tests to read, so no order is needed: the partner is the
  // fetch_add in count_fault().
  if (!fault.armed.load(std::memory_order_relaxed)) return 0;
  return fault.calls.load(std::memory_order_relaxed);
}

// Descriptors.

int socket(int domain, int type) {
#ifdef __linux__
  return retry(Call::kSocket,
               [=] { return ::socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); });
#else
  const int fd = retry(Call::kSocket, [=] { return ::socket(domain, type, 0); });
  return without_sigpipe(with_flags(fd));
#endif
}

int socket_pair(int type, int ends[2]) {
#ifdef __linux__
  return retry(Call::kSocketpair, [=] {
    return ::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
  });
#else
  const int result =
      retry(Call::kSocketpair, [=] { return ::socketpair(AF_UNIX, type, 0, ends); });
  return result < 0 ? result : with_flags_on_both(ends);
#endif
}

int accept(int listener) {
#ifdef __linux__
  return retry(Call::kAccept,
               [=] { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); });
#else
  const int fd = retry(Call::kAccept, [=] { return ::accept(listener, nullptr, nullptr); });
  return without_sigpipe(with_flags(fd));
#endif
}

int pipe(int ends[2]) {
#ifdef __linux__
  return retry(Call::kPipe, [=] { return ::pipe2(ends, O_CLOEXEC | O_NONBLOCK); });
#else
  const int result = retry(Call::kPipe, [=] { return ::pipe(ends); });
  return result < 0 ? result : with_flags_on_both(ends);
#endif
}

int close(int fd) {
  // The kernel frees the number before it reports anything, so the real call
  // comes first even when a fault is to be reported, and is never repeated.
  const int result = ::close(fd);
  int error = result < 0 ? errno : 0;
  const int fault = injected(Call::kClose);
  if (fault != 0) error = fault;
  return error == EINTR ? 0 : -error;
}

int check_descriptor(int fd) {
  struct stat status;
  const int result = retry(Call::kFstat, [&] { return ::fstat(fd, &status); });
  if (result < 0) return result;
  return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ? -EPERM : 0;
}

int set_flags(int fd) {
  const int status = retry(Call::kFcntl, [=] { return ::fcntl(fd, F_GETFL); });
  if (status < 0) return status;
  // Close-on-exec first: it is the descriptor's own, while non-blocking holds
  // for everybody who shares the open file, and is not to be set in vain.
  const int result = retry(Call::kFcntl, [=] { return ::fcntl(fd, F_SETFD, FD_CLOEXEC); });
  if (result < 0 || (status & O_NONBLOCK) != 0) return result;
  return retry(Call::kFcntl, [=] { return ::fcntl(fd, F_SETFL, status | O_NONBLOCK); });
}

ssize_t read(int fd, void* buffer, size_t size) {
  return retry(Call::kRead, [=] { return ::read(fd, buffer, size); });
}

ssize_t write(int fd, const void* buffer, size_t size) {
  const SigpipeGuard guard;
  return retry(Call::kWrite, [=] { return ::write(fd, buffer, size); });
}

ssize_t writev(int fd, const iovec* buffers, int count) {
  const SigpipeGuard guard;
  return retry(Call::kWritev, [=] { return ::writev(fd, buffers, count); });
}

// Sockets.

int bind(int fd, const sockaddr* address, socklen_t length) {
  return retry(Call::kBind, [=] { return ::bind(fd, address, length); });
}

int listen(int fd, int backlog) {
  return retry(Call::kListen, [=] { return ::listen(fd, backlog); });
}

int connect(int fd, const sockaddr* address, socklen_t length) {
  // An interrupted connect is under way, and calling it again would be an
  // error. An injected EINTR therefore comes after the real call.
  const int fault = injected(Call::kConnect);
  if (fault != 0 && fault != EINTR) return -fault;
  const int result = ::connect(fd, address, length);
  if (result == 0 && fault == 0) return 0;
  const int error = fault != 0 ? fault : errno;
  return error == EINTR ? -EINPROGRESS : -error;
}

ssize_t recv(int fd, void* buffer, size_t size) {
  return retry(Call::kRead, [=] { return receive(fd, buffer, size); });
}

ssize_t send(int fd, const void* buffer, size_t size) {
  return retry(Call::kWrite, [=] { return transmit(fd, buffer, size); });
}

ssize_t sendmsg(int fd, const msghdr& message) {
  return retry(Call::kWritev, [&] { return ::sendmsg(fd, &message, kSendFlags); });
}

ssize_t recvmsg(int fd, msghdr* message) {
  return retry(Call::kRecvfrom, [=] { return ::recvmsg(fd, message, 0); });
}

ssize_t recvmsg_with_descriptors(int fd, msghdr* message) {
#ifdef MSG_CMSG_CLOEXEC
  constexpr int kFlags = MSG_CMSG_CLOEXEC;
#else
  constexpr int kFlags = 0;
#endif
  return retry(Call::kRecvfrom, [=] { return ::recvmsg(fd, message, kFlags); });
}

ssize_t recv_datagram(int fd, void* buffer, size_t size, sockaddr* from, socklen_t* length) {
#ifdef __linux__
  // With this flag the result is the whole size, of which recvmsg(2) elsewhere
  // only says that it was more; and there is no header to be copied in and out.
  const socklen_t room = *length;
  return retry(Call::kRecvfrom, [=] {
    *length = room;
    return receive_from(fd, buffer, size, MSG_TRUNC, from, length);
  });
#else
  iovec part = {buffer, size};
  msghdr message = {};
  message.msg_name = from;
  message.msg_namelen = *length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t result = recvmsg(fd, &message);
  if (result < 0) return result;
  *length = message.msg_namelen;
  return result + ((message.msg_flags & MSG_TRUNC) != 0 ? 1 : 0);
#endif
}

int recvmmsg(int fd, BatchMessage* messages, unsigned count) {
#ifdef __linux__
  return retry(Call::kRecvmmsg, [=] { return ::recvmmsg(fd, messages, count, 0, nullptr); });
#else
  (void)fd, (void)messages, (void)count;
  return retry(Call::kRecvmmsg, [] {
    errno = ENOSYS;
    return -1;
  });
#endif
}

int sendmmsg(int fd, BatchMessage* messages, unsigned count) {
#ifdef __linux__
  return retry(Call::kSendmmsg, [=] { return ::sendmmsg(fd, messages, count, kSendFlags); });
#else
  (void)fd, (void)messages, (void)count;
  return retry(Call::kSendmmsg, [] {
    errno = ENOSYS;
    return -1;
  });
#endif
}

ssize_t sendto(int fd, const void* buffer, size_t size, const sockaddr* to, socklen_t length) {
  return retry(Call::kSendto, [=] { return transmit_to(fd, buffer, size, to, length); });
}

int shutdown(int fd, int how) {
  return retry(Call::kShutdown, [=] { return ::shutdown(fd, how); });
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  return retry(Call::kGetsockopt, [=] { return ::getsockopt(fd, level, name, value, length); });
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  return retry(Call::kSetsockopt, [=] { return ::setsockopt(fd, level, name, value, length); });
}

int getsockname(int fd, sockaddr* address, socklen_t* length) {
  return retry(Call::kGetsockname, [=] { return ::getsockname(fd, address, length); });
}

int getpeername(int fd, sockaddr* address, socklen_t* length) {
  return retry(Call::kGetpeername, [=] { return ::getpeername(fd, address, length); });
}

// Wakers.

ssize_t waker_read(int fd, void* buffer, size_t size) {
  return retry(Call::kWakerRead, [=] { return ::read(fd, buffer, size); });
}

ssize_t waker_write(int fd, const void* buffer, size_t size) {
  return retry(Call::kWakerWrite, [=] { return ::write(fd, buffer, size); });
}

// Readiness.

int poll(pollfd* descriptors, size_t count, int64_t timeout_ns) {
#ifdef __APPLE__
  // Milliseconds are all there is: round up, for waking early would spin.
  const int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 > 0 ? 1 : 0);
  const int bounded_ms = static_cast<int>(timeout_ms > INT_MAX ? INT_MAX : timeout_ms);
  return attempt(Call::kPoll, [=] {
    return ::poll(descriptors, static_cast<nfds_t>(count), timeout_ns < 0 ? -1 : bounded_ms);
  });
#else
  const timespec timeout = to_timespec(timeout_ns < 0 ? 0 : timeout_ns);
  return attempt(Call::kPoll, [&] {
    return ::ppoll(descriptors, count, timeout_ns < 0 ? nullptr : &timeout, nullptr);
  });
#endif
}

#ifdef __linux__

int eventfd() {
  return retry(Call::kEventfd, [] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); });
}

int timerfd_create() {
  return retry(Call::kTimerfdCreate,
               [] { return ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); });
}

int epoll_create() {
  return retry(Call::kEpollCreate, [] { return ::epoll_create1(EPOLL_CLOEXEC); });
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  return retry(Call::kEpollCtl, [=] { return ::epoll_ctl(epoll, operation, fd, event); });
}

int epoll_wait(int epoll, epoll_event* events, int capacity, int timeout_ms) {
  return attempt(Call::kEpollWait,
                 [=] { return ::epoll_wait(epoll, events, capacity, timeout_ms); });
}

int timerfd_settime(int fd, const itimerspec& absolute) {
  return retry(Call::kTimerfdSettime,
               [&] { return ::timerfd_settime(fd, TFD_TIMER_ABSTIME, &absolute, nullptr); });
}

#endif  // __linux__

#ifdef MILLRACE_HAS_KQUEUE

int kqueue() {
  const int fd = retry(Call::kKqueue, [] { return ::kqueue(); });
  // Not inherited by children as it is, but close-on-exec matters to exec().
  if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

int kevent_change(int queue, const struct ::kevent& change) {
  return retry(Call::kKeventChange,
               [&] { return ::kevent(queue, &change, 1, nullptr, 0, nullptr); });
}

int kevent_wait(int queue, struct ::kevent* events, int capacity, int timeout_ms) {
  const timespec timeout = to_timespec(static_cast<int64_t>(timeout_ms) * 1000000);
  return attempt(Call::kKeventWait, [&] {
    return ::kevent(queue, nullptr, 0, events, capacity, timeout_ms < 0 ? nullptr : &timeout);
  });
}

#endif  // MILLRACE_HAS_KQUEUE

// Signals, threads, the clock.

int signal_action(int signal_number, const struct sigaction* action, struct sigaction* previous) {
  return retry(Call::kSigaction, [=] { return ::sigaction(signal_number, action, previous); });
}

int thread_create(pthread_t* thread, void* (*start)(void*), void* argument) {
  const int fault = injected(Call::kThread);
  if (fault != 0) return -fault;
  return -::pthread_create(thread, nullptr, start, argument);
}

int64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

void yield_processor() { sched_yield(); }

}  // namespace millrace::sys
