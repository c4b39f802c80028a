/**
 * The driver on the operating system: the native addon behind the contract.
 */
import { performance } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import { systemError } from '../errors.js';
import { binding, type PollerId } from './binding.js';
import {
  type Driver,
  EVENT_WORDS,
  type Handle,
  type Poller,
  type PollerOptions,
  type Turn,
} from './driver.js';

/** Enough for at least one that nothing interrupts. */
const CALIBRATION_SAMPLES = 16;

/** Kept from before any fake timers of a user could replace it. */
const performanceNow = performance.now.bind(performance);

const clockOffsetMs = calibrateClock();

export const nativeDriver: Driver = {
  name: 'native',
  io: binding,
  now: nativeNow,
  random: Math.random,
  openPoller: (options) => new NativePoller(options),
};

/** Each method is one call of the addon; the poller itself lives there, under an id. */
class NativePoller implements Poller {
  readonly events: Uint32Array;
  readonly needsRearm: boolean;
  readonly #id: PollerId;

  constructor({ eventsCapacity, mode, turnBudgetMs }: PollerOptions) {
    this.events = new Uint32Array(eventsCapacity * EVENT_WORDS);
    const isInline = mode === 'inline';
    const watchThread = !isMainThread;
    const id = binding.pollerOpen(this.events, eventsCapacity, isInline, turnBudgetMs, watchThread);
    if (id < 0) throw systemError(id, 'pollerOpen');
    this.#id = id;
    this.needsRearm = binding.pollerNeedsRearm(id);
  }

  add(handle: Handle, slot: number, generation: number, interest: number, opt: number): number {
    return binding.pollerAdd(this.#id, handle, slot, generation, interest, opt);
  }

  modify(handle: Handle, slot: number, generation: number, interest: number, opt: number): number {
    return binding.pollerModify(this.#id, handle, slot, generation, interest, opt);
  }

  remove(handle: Handle): number {
    return binding.pollerRemove(this.#id, handle);
  }

  rearm(handle: Handle, bits: number): number {
    return binding.pollerRearm(this.#id, handle, bits);
  }

  poll(timeoutMs: number): number {
    return binding.pollerPoll(this.#id, timeoutMs);
  }

  setDeadline(timeMs: number): number {
    return binding.pollerSetDeadline(this.#id, timeMs);
  }

  start(turn: () => Turn): number {
    return binding.pollerStart(this.#id, turn);
  }

  stop(): void {
    binding.pollerStop(this.#id);
  }

  ref(): void {
    binding.pollerRef(this.#id);
  }

  unref(): void {
    binding.pollerUnref(this.#id);
  }

  wake(): void {
    binding.pollerWake(this.#id);
  }

  watchSignal(number: number): number {
    return binding.pollerWatchSignal(this.#id, number);
  }

  close(): void {
    binding.pollerClose(this.#id);
  }
}

/**
 * CLOCK_MONOTONIC, on which deadlines are set and which all threads share.
 * `performance.now()` runs at the same pace from an origin of its own, and
 * costs a fraction of a call into the addon.
 */
function nativeNow(): number {
  return performanceNow() + clockOffsetMs;
}

/** The offset by the tightest of some samples, right to half its width. */
function calibrateClock(): number {
  let offsetMs = 0;
  let narrowestMs = Infinity;
  for (let i = 0; i < CALIBRATION_SAMPLES; i++) {
    const beforeMs = performanceNow();
    const clockMs = binding.clockMs();
    const widthMs = performanceNow() - beforeMs;
    if (widthMs < narrowestMs) {
      narrowestMs = widthMs;
      offsetMs = clockMs - (beforeMs + widthMs / 2);
    }
  }
  return offsetMs;
}
