/**
 * The one place that loads the native addon, and the types of what it exports.
 *
 * The exports are flat functions on numbers and typed arrays. They check that
 * arguments have the right type and throw a TypeError with
 * `ERR_INVALID_ARG_TYPE` where they have not; they return `-errno` for what
 * the system refuses. `native/binding/` is the other side.
 */
import { createRequire } from 'node:module';
import { MillraceError } from '../errors.js';
import type { Handle, SocketIo, ThreadSupport, Turn } from './driver.js';

/** Index of a poller in the environment's table, with its generation: never reused. */
export type PollerId = number;

export interface Binding extends SocketIo {
  /** Where the two clocks write their milliseconds of CLOCK_MONOTONIC. */
  readonly clock: Float64Array;
  readClock(): void;
  /** Never behind {@link readClock}, a few microseconds ahead at most, and cheaper. */
  readDeadlineClock(): void;

  /** "epoll", "kqueue" or "poll". */
  readonly backend: string;

  /**
   * `events` must hold `eventsCapacity` events. `watchThread`: end blocking
   * polls when the thread is asked to stop (true for worker threads). Returns
   * an id, or `-errno`.
   */
  pollerOpen(
    events: Uint32Array,
    eventsCapacity: number,
    inline: boolean,
    turnBudgetMs: number,
    watchThread: boolean,
  ): number;
  pollerNeedsRearm(id: PollerId): boolean;
  pollerAdd(
    id: PollerId,
    handle: Handle,
    slot: number,
    generation: number,
    interest: number,
    opt: number,
  ): number;
  pollerModify(
    id: PollerId,
    handle: Handle,
    slot: number,
    generation: number,
    interest: number,
    opt: number,
  ): number;
  pollerRemove(id: PollerId, handle: Handle): number;
  pollerRearm(id: PollerId, handle: Handle, bits: number): number;
  pollerPoll(id: PollerId, timeoutMs: number): number;
  pollerSetDeadline(id: PollerId, timeMs: number): number;
  pollerStart(id: PollerId, turn: () => Turn): number;
  pollerStop(id: PollerId): void;
  pollerRef(id: PollerId): void;
  pollerUnref(id: PollerId): void;
  pollerWake(id: PollerId): void;
  /** Never reused, in the whole process; 0 for a stale id. */
  pollerWakeKey(id: PollerId): number;
  pollerWatchSignal(id: PollerId, signalNumber: number): number;
  pollerClose(id: PollerId): void;

  /** Never reused, in the whole process. */
  threadKey(): number;
  isThreadAlive(key: number): boolean;
  /** Any thread may wake any loop; keys of closed ones are ignored. */
  wakeLoop(wakeKey: number): void;
  /** sched_yield(2). */
  yieldProcessor(): void;
  trustThisThread(): void;
  publishMessage: ThreadSupport['publishMessage'];

  /**
   * For leak checks: descriptors and pollers that this environment holds open,
   * and descriptors that are in flight between any threads of the process.
   */
  openCounts(): { handles: number; pollers: number; inFlight: number };

  /** Names of the system calls that {@link injectFault} knows. */
  readonly faultCalls: readonly string[];
  /** Tests only: the calls `nth` to `nth + times - 1` of this kind fail with `errno`. */
  injectFault(call: string, nth: number, times: number, errno: number): void;
  clearFaults(): void;
  /** Calls of this kind since it was armed. */
  faultCount(call: string): number;
}

const require = createRequire(import.meta.url);

/** From `dist/src/poll/` to the root of the package. */
const ADDON = '../../../native/build/Release/millrace.node';

export const binding: Binding = load();

function load(): Binding {
  try {
    // A copy, because an object that native code has filled is a dictionary to
    // the engine: each call would look its function up by name.
    return { ...require(ADDON) };
  } catch (cause) {
    throw new MillraceError(
      'ERR_ADDON_UNAVAILABLE',
      `cannot load the native addon for ${process.platform}-${process.arch} ` +
        `(native/build/Release/millrace.node); build it with: npm run build:native`,
      { cause },
    );
  }
}
