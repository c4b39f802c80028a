/** The public exports of `millrace`. */
import { sharedMemory } from './channel/shared-memory.js';
import { openPool } from './compute/loop-pool.js';
import { provideComputing } from './loop/computing.js';
import { provideCrossing } from './loop/crossing.js';

export type { ActorContext } from './actor/actor-context.js';
export { ActorRef } from './actor/actor-ref.js';
export { ActorSystem } from './actor/actor-system.js';
export type { HandlerClass } from './actor/handler-class.js';
export type { SystemListener } from './actor/listeners.js';
export type { ActorCounters } from './actor/counters.js';
export type { ShardMetrics, SystemMetrics } from './actor/metrics.js';
export type {
  AskOptions,
  MailboxOptions,
  Overflow,
  SpawnOptions,
  StopOptions,
  SystemOptions,
} from './actor/options.js';
export type { Remote } from './actor/proxy.js';
export type {
  CallbackKind,
  CrashEvent,
  DeadLetterEvent,
  RefusalReason,
  RefusedEvent,
  RestartEvent,
  ShardExitEvent,
  SlowHandlerReport,
  SpawnEvent,
  StoppedEvent,
  SystemEventName,
  SystemEvents,
} from './actor/reports.js';
export type { StopReason } from './actor/stop-reason.js';
export type { CrashAction, SupervisionOptions } from './actor/supervision.js';
export { ComputePool } from './compute/compute-pool.js';
export type { TaskFailure } from './compute/failures.js';
export type { ComputeMetrics } from './compute/metrics.js';
export type { CloseOptions, ComputePoolOptions, TaskOptions } from './compute/options.js';
export { reportProgress } from './compute/report-progress.js';
export type { TaskModule } from './compute/task-module.js';
export { TaskPriority } from './compute/task-priority.js';
// For users' compilers: it says that `loop.compute` is a ComputePool. No name above leads there.
export type {} from './compute/loop-pool.js';
export { transfer } from './channel/transfer.js';
export { ObjectPool, type ObjectPoolOptions } from './collections/object-pool.js';
export { RingBuf, type RingBufOptions } from './collections/ring-buf.js';
export { Slab, type SlabOptions } from './collections/slab.js';
export { ERROR_CODES, type ErrorCode, MillraceError, type SystemError } from './errors.js';
export { type EventLoopConfig } from './loop/config.js';
export { EventLoop } from './loop/event-loop.js';
export { Handler, type Lateness, type SignalInfo } from './loop/handler.js';
export { type RefusedMessage } from './loop/refusal.js';
export { type LoopMetrics } from './loop/metrics.js';
export { Sender, type SendOptions } from './loop/sender.js';
export { Timeout } from './loop/timer-wheel.js';
export type { Driver, Handle, Poller, PollerMode, PollerOptions, SocketIo } from './poll/driver.js';
export { EventSet } from './poll/event-set.js';
export { Interest } from './poll/interest.js';
export { Poll, type PollConfig, type PollEvent } from './poll/poll.js';
export { PollOpt } from './poll/poll-opt.js';
export { ReadHint } from './poll/read-hint.js';
export { Source } from './poll/source.js';
export type { SourceHandle, SourceKind } from './poll/source-handle.js';
export type { Token } from './poll/token.js';
export type { AddressLike, SocketAddress } from './socket/address.js';
export { DatagramBatch } from './socket/datagram-batch.js';
export type { MulticastInterface } from './socket/multicast.js';
export { FdSource } from './socket/fd-source.js';
export { PipeReader, PipeWriter, pipe } from './socket/pipe.js';
export { TcpListener, type TcpListenerOptions } from './socket/tcp-listener.js';
export { TcpStream } from './socket/tcp-stream.js';
export { type Datagram, UdpSocket, type UdpSocketOptions } from './socket/udp-socket.js';
export type { UnixAddress, UnixAddressLike } from './socket/unix-address.js';
export { UnixDatagram, type UnixDatagramReceived } from './socket/unix-datagram.js';
export { UnixListener, type UnixListenerOptions } from './socket/unix-listener.js';
export { type ReceivedFd, UnixStream } from './socket/unix-stream.js';

// Here, and not in the layers themselves, since the loop must not know of them.
provideCrossing(sharedMemory);
provideComputing(openPool);
