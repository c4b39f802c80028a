/**
 * The driver on the operating system: the native addon behind the contract.
 */
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

const { clock } = binding;

export const nativeDriver: Driver = {
  name: 'native',
  io: binding,
  threads: {
    thisThread: binding.threadKey(),
    isAlive: (key) => binding.isThreadAlive(key),
    wake: (wakeKey) => binding.wakeLoop(wakeKey),
    yield: () => binding.yieldProcessor(),
    trustThisThread: () => binding.trustThisThread(),
    publishMessage: (...args) => binding.publishMessage(...args),
  },
  now: readClock,
  nowOrLater: readDeadlineClock,
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

  get wakeKey(): number {
    return binding.pollerWakeKey(this.#id);
  }

  watchSignal(number: number): number {
    return binding.pollerWatchSignal(this.#id, number);
  }

  close(): void {
    binding.pollerClose(this.#id);
  }
}

/** CLOCK_MONOTONIC, on which deadlines are set, and which all threads share. */
function readClock(): number {
  binding.readClock();
  return clock[0];
}

function readDeadlineClock(): number {
  binding.readDeadlineClock();
  return clock[0];
}
