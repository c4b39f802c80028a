/**
 * The Driver contract: all that Millrace asks of the world outside.
 *
 * Sockets, readiness, the clock, randomness and wake-up go through here and
 * nowhere else, so that the same handlers run on the operating system
 * (`native`) and in a simulation. Two parts: a {@link Poller}, which each loop
 * opens for itself, and {@link SocketIo}, which all sockets of the driver share.
 *
 * Results follow the kernel's convention: 0 or more is success (a handle, a
 * count), a negative number is `-errno`. Nothing here throws for what the
 * system refuses; sockets and loops turn the numbers into errors.
 */
import type { DatagramIo } from './datagram-io.js';

import type { TransferIo } from './transfer-io.js';
import type { UnixIo } from './unix-io.js';

/** What a driver calls an open socket: a file descriptor on `native`. */
export type Handle = number;

/** Three words an event in {@link Poller.events}: slot, generation, bits. */
export const EVENT_WORDS = 3;

/** The slot of an event that is a signal; its generation is the signal's number. */
export const SIGNAL_SLOT = 0xffffffff;

/** Returned by {@link Poller.poll} in place of a count, added to it. */
export const POLL_FULL = 0x40000000;

/** What a turn of the loop asks of its poller. */
export const Turn = {
  /** Nothing left to do: sleep until the poller is ready. */
  IDLE: 0,
  /** More to do: take another turn, after the rest of the thread had its own. */
  MORE: 1,
  /** The run has ended: no more turns. */
  STOP: 2,
} as const;
export type Turn = (typeof Turn)[keyof typeof Turn];

/** How a loop that shares its thread learns that its poller is ready. */
export type PollerMode = 'thread' | 'inline';

/** What a loop asks of its poller. */
export interface PollerOptions {
  /** Events fetched by one poll at most. */
  eventsCapacity: number;
  /** How {@link Poller.start} learns of readiness. */
  mode: PollerMode;
  /** Turns in a row are taken for this long before the rest of the thread goes on. */
  turnBudgetMs: number;
}

/** The readiness facility of one loop. Belongs to the thread that opened it. */
export interface Poller {
  /** The last batch: {@link EVENT_WORDS} words an event. */
  readonly events: Uint32Array;

  /** Whether would-block on an EDGE registration must be reported by {@link rearm}. */
  readonly needsRearm: boolean;

  /** Watches `handle`; its events carry slot and generation. */
  add(handle: Handle, slot: number, generation: number, interest: number, opt: number): number;
  /** The same with other words, and looks at readiness afresh, under EDGE as well. */
  modify(handle: Handle, slot: number, generation: number, interest: number, opt: number): number;
  /** Nothing of it is reported any more. */
  remove(handle: Handle): number;
  /** Would-block was met: `bits` are news when they come again. See {@link needsRearm}. */
  rearm(handle: Handle, bits: number): number;

  /**
   * Fetches ready events, waiting up to `timeoutMs` (0: not at all; -1:
   * without end) or until the deadline or a wake-up. Returns the count, plus
   * {@link POLL_FULL} if more may be ready than was fetched; or `-errno`, of
   * which `-EINTR` means that a signal interrupted the wait.
   */
  poll(timeoutMs: number): number;

  /**
   * Makes the poller ready at this time of {@link Driver.now}; `Infinity`
   * takes the deadline away. Being ready too early is harmless, too late never.
   */
  setDeadline(timeMs: number): number;

  /**
   * Shares the thread: `turn` is called whenever the poller is ready, once
   * for a start, and again as its result says. Promises settle between turns.
   */
  start(turn: () => Turn): number;

  /** Ends {@link start}; does nothing when not started. */
  stop(): void;

  /** Whether a started poller keeps the process alive. It does at first. */
  ref(): void;
  /** See {@link ref}. */
  unref(): void;

  /** Asks for a turn under {@link start}; otherwise ends the next wait in {@link poll} at once. */
  wake(): void;

  /**
   * Names this poller to {@link ThreadSupport.wake}, on every thread of the
   * process; no other ever has the same. Costs nothing until it is asked for.
   */
  readonly wakeKey: number;

  /** Signals of this number appear in the batches from now on. */
  watchSignal(number: number): number;

  /** Frees it; no turn follows. */
  close(): void;
}

/**
 * An IP address in eight words of memory shared with the driver; see
 * `address.ts` for the layout. Operations that take or yield an address use
 * the driver's own {@link SocketIo.address}.
 */
export type AddressWords = Uint32Array;

/** Numbers of the options in {@link SocketIo.setOption}. */
export const SocketOption = {
  /** 0 or 1. */
  NO_DELAY: 0,
  /** Idle milliseconds before the first probe; -1: off. */
  KEEP_ALIVE_MS: 1,
  /** Milliseconds; 0: reset at close; -1: off. */
  LINGER_MS: 2,
} as const;
export type SocketOption = (typeof SocketOption)[keyof typeof SocketOption];

export const ShutdownHow = { read: 0, write: 1, both: 2 } as const;

/** Added to the size that {@link SocketIo.recvFrom} returns. */
export const RECV_TRUNCATED = 0x40000000;

/** Non-blocking socket operations on handles. Every result is a value or `-errno`. */
export interface SocketIo extends UnixIo, DatagramIo, TransferIo {
  /** Where addresses are passed: in before a call, out after it. */
  readonly address: AddressWords;

  /** Binds {@link address} and listens. */
  tcpListen(backlog: number, reusePort: boolean, ipv6Only: boolean): number;
  /** Of a listener of any kind: the new handle, or `-EAGAIN`. */
  accept(listener: Handle): number;
  /** 0 if a handle could be opened now, else the error of the attempt. */
  probe(): number;
  /** Begins to connect to {@link address}. */
  tcpConnect(): number;

  /** Into `buffer`, or the part of it from `start` to `end`; both or neither is given. */
  read(handle: Handle, buffer: Uint8Array, start?: number, end?: number): number;
  /** As {@link read}. */
  write(handle: Handle, buffer: Uint8Array, start?: number, end?: number): number;
  /** All of them in one call, or a part. */
  writev(handle: Handle, buffers: readonly Uint8Array[]): number;
  /** `how` is one of {@link ShutdownHow}. */
  shutdown(handle: Handle, how: number): number;
  /** Takes SO_ERROR: 0 or a positive errno; `-errno` if it cannot be read. */
  takeError(handle: Handle): number;
  /** Sets one of {@link SocketOption}. */
  setOption(handle: Handle, option: SocketOption, value: number): number;
  /** Fills {@link address}. */
  localAddress(handle: Handle): number;
  /** Fills {@link address}. */
  peerAddress(handle: Handle): number;

  /** Binds {@link address}. Sizes of 0 leave the system's default. */
  udpBind(
    reuseAddress: boolean,
    reusePort: boolean,
    recvBufferSizeBytes: number,
    sendBufferSizeBytes: number,
  ): number;
  /** Connects to {@link address}. */
  udpConnect(handle: Handle): number;
  /** Sends `buffer`, or the part of it as in {@link read}, to {@link address}. */
  sendTo(handle: Handle, buffer: Uint8Array, start?: number, end?: number): number;
  /** The size, plus {@link RECV_TRUNCATED} if bytes were cut off; fills {@link address}. */
  recvFrom(handle: Handle, buffer: Uint8Array): number;

  /** The handle is free afterwards, whatever is returned. */
  close(handle: Handle): number;
}

/**
 * What threads of one process may ask of each other. Keys are numbers that are
 * never used twice, so that one whose owner has gone names nobody.
 */
export interface ThreadSupport {
  /** The key of the calling thread. */
  readonly thisThread: number;

  /** False once the thread has ended, however it ended: it writes nothing any more. */
  isAlive(key: number): boolean;

  /**
   * As {@link Poller.wake}, from any thread, by {@link Poller.wakeKey}. Does
   * nothing once the poller was closed, or its thread has ended.
   */
  wake(wakeKey: number): void;

  /** Lets another thread go first that waits for this processor. */
  yield(): void;

  /**
   * From now on what this thread gives away is entrusted to it: what is still in
   * flight when it ends, and was entrusted to nobody else, is closed then.
   */
  trustThisThread(): void;

  /**
   * `Atomics.exchange(words, index, value)`, which publishes a message with
   * handles in flight; `names` are each handle and its generation in turn. Unless
   * it finds `refusal`, they are entrusted to `receiver` in the same step, so that
   * whichever thread ends, and when, each has one who sees to it. A receiver
   * of 0 is nobody; of one that has ended they are closed.
   */
  publishMessage(
    words: Int32Array,
    index: number,
    value: number,
    refusal: number,
    names: Float64Array,
    receiver: number,
  ): number;
}

/** What loops and sockets stand on. */
export interface Driver {
  /** For messages, and for the handles of sources that move. */
  readonly name: string;
  /** What its sockets are made of. */
  readonly io: SocketIo;
  /** How its threads know of each other. */
  readonly threads: ThreadSupport;

  /** Monotonic milliseconds, fractional. */
  now(): number;

  /** For deadlines: never before {@link now}, microseconds after it at most, and cheaper. */
  nowOrLater(): number;

  /** [0, 1). */
  random(): number;

  /** Throws a system error when the system refuses. */
  openPoller(options: PollerOptions): Poller;
}
