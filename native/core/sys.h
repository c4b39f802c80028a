// Every system call of the core, wrapped once, and the fault hook.
//
// A wrapper retries EINTR (except waits, where an interruption is news), sets
// CLOEXEC and NONBLOCK where the system lets it, and returns -errno as a
// value. Before the real call it asks the fault hook, so that tests can make
// the Nth call of any kind fail as the kernel would. The hook is part of the
// shipped binary, so what is tested is what users run; unarmed it costs one
// relaxed load.
#pragma once

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

struct epoll_event;
struct itimerspec;
struct kevent;

namespace millrace::sys {

// One message of recvmmsg() and sendmmsg(), whose own name only some have.
#ifdef __linux__
using BatchMessage = ::mmsghdr;
#else
struct BatchMessage {
  msghdr msg_hdr;
  unsigned msg_len;
};
#endif

// One name for each wrapped call. kCallNames in sys.cc lists them in order.
enum class Call : int {
  kSocket,
  kBind,
  kListen,
  kAccept,
  kConnect,
  kRead,
  kWrite,
  kWritev,
  kRecvfrom,
  kSendto,
  kShutdown,
  kGetsockopt,
  kSetsockopt,
  kGetsockname,
  kGetpeername,
  kClose,
  kEventfd,
  kTimerfdCreate,
  kTimerfdSettime,
  kEpollCreate,
  kEpollCtl,
  kEpollWait,
  kPoll,
  kPipe,
  kSigaction,
  kThread,
  kFcntl,
  kKqueue,
  kKeventChange,
  kKeventWait,
  kSocketpair,
  kFstat,
  // Reads and writes of wakers count apart from those of sockets: a fault
  // meant for a socket must not hit a wake-up that happens to come first.
  kWakerRead,
  kWakerWrite,
  kRecvmmsg,
  kSendmmsg,
  kCount,
};

constexpr int kCallCount = static_cast<int>(Call::kCount);
const char* call_name(Call call);

// Fault injection, process-wide, for tests.
//
// Makes the calls number `nth` (from 1) to `nth + times - 1` of this kind,
// counted from now over all threads, fail with this errno.
void inject_fault(Call call, uint64_t nth, uint64_t times, int error);
void clear_faults();

// Calls of this kind since inject_fault() armed it; 0 when it is not armed.
uint64_t fault_calls(Call call);

// Descriptors: non-blocking and close-on-exec from birth. Closing succeeds
// on EINTR, because the descriptor is gone by then.
int socket(int domain, int type);
int socket_pair(int type, int ends[2]);  // of AF_UNIX
int accept(int listener);
int eventfd();
int pipe(int ends[2]);
int timerfd_create();
int epoll_create();
int kqueue();
int close(int fd);

// Whether the number is an open descriptor that can be waited for: 0, -EBADF,
// or -EPERM for files and directories, which are always ready.
int check_descriptor(int fd);

// Makes a descriptor that somebody else opened non-blocking and close-on-exec.
int set_flags(int fd);

// read(2) and write(2), for what need not be a socket. No write raises
// SIGPIPE, whatever the process does about that signal.
ssize_t read(int fd, void* buffer, size_t size);
ssize_t write(int fd, const void* buffer, size_t size);
ssize_t writev(int fd, const iovec* buffers, int count);

// Sockets. No write raises SIGPIPE. A connect that a signal interrupts goes
// on by itself, so it is -EINPROGRESS.
int bind(int fd, const sockaddr* address, socklen_t length);
int listen(int fd, int backlog);
int connect(int fd, const sockaddr* address, socklen_t length);
ssize_t recv(int fd, void* buffer, size_t size);
ssize_t send(int fd, const void* buffer, size_t size);
ssize_t sendmsg(int fd, const msghdr& message);
ssize_t recvmsg(int fd, msghdr* message);

// As recvmsg(); descriptors that arrive are close-on-exec where the system can
// do that in one step. set_flags() does the rest.
ssize_t recvmsg_with_descriptors(int fd, msghdr* message);
// One datagram. More than `size` if bytes were cut off; by how many is not told everywhere.
ssize_t recv_datagram(int fd, void* buffer, size_t size, sockaddr* from, socklen_t* length);
// Both take at least one message, and return how many they received or sent.
// -ENOSYS where the system has no such call.
int recvmmsg(int fd, BatchMessage* messages, unsigned count);
int sendmmsg(int fd, BatchMessage* messages, unsigned count);
ssize_t sendto(int fd, const void* buffer, size_t size, const sockaddr* to, socklen_t length);
int shutdown(int fd, int how);
int getsockopt(int fd, int level, int name, void* value, socklen_t* length);
int setsockopt(int fd, int level, int name, const void* value, socklen_t length);
int getsockname(int fd, sockaddr* address, socklen_t* length);
int getpeername(int fd, sockaddr* address, socklen_t* length);

// Wakers. Both may be called from a signal handler.
ssize_t waker_read(int fd, void* buffer, size_t size);
ssize_t waker_write(int fd, const void* buffer, size_t size);

// Readiness. The waits return -EINTR. poll() waits for nanoseconds (less than
// 0: without end) and never returns early for want of a finer clock.
int poll(pollfd* descriptors, size_t count, int64_t timeout_ns);
int epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
int epoll_wait(int epoll, epoll_event* events, int capacity, int timeout_ms);
int timerfd_settime(int fd, const itimerspec& absolute);
int kevent_change(int queue, const struct kevent& change);
int kevent_wait(int queue, struct kevent* events, int capacity, int timeout_ms);

// sigaction(2) and pthread_create(3).
int signal_action(int signal_number, const struct sigaction* action, struct sigaction* previous);
int thread_create(pthread_t* thread, void* (*start)(void*), void* argument);

// CLOCK_MONOTONIC in nanoseconds; cannot fail.
int64_t monotonic_ns();

// sched_yield(2), which fails nowhere.
void yield_processor();

}  // namespace millrace::sys
