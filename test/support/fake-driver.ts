/**
 * A driver under the test's control: a clock that moves when told to, and a
 * poller whose readiness is set by hand. It lets the rules of a tick be tested
 * without sockets, threads or real time.
 */
import {
  type Driver,
  EVENT_WORDS,
  type Handle,
  POLL_FULL,
  type Poller,
  type PollerOptions,
  SIGNAL_SLOT,
  type SocketIo,
  type ThreadSupport,
  Turn,
} from '../../src/poll/driver.js';
import { Interest } from '../../src/poll/interest.js';
import { PollOpt } from '../../src/poll/poll-opt.js';
import { Source } from '../../src/poll/source.js';
import type { SourceKind } from '../../src/poll/source-handle.js';

const EINTR = -4;
const ENOENT = -2;
const EEXIST = -17;

export class FakeDriver implements Driver {
  readonly name = 'fake';
  readonly pollers: FakePoller[] = [];
  readonly io = new FakeIo() as unknown as SocketIo & FakeIo;
  readonly threads: ThreadSupport = {
    thisThread: 1,
    isAlive: (key) => key === 1,
    wake: (wakeKey) => this.pollers.find((poller) => poller.wakeKey === wakeKey)?.wake(),
    yield: () => {
      this.yields += 1;
    },
    trustThisThread: () => {},
    publishMessage: (words, index, value) => Atomics.exchange(words, index, value),
  };
  /** How often the processor was left to other threads. */
  yields = 0;
  clockMs = 1000;

  now(): number {
    return this.clockMs;
  }

  nowOrLater(): number {
    return this.clockMs;
  }

  random(): number {
    return 0.5;
  }

  openPoller(options: PollerOptions): FakePoller {
    const poller = new FakePoller(this, options, this.pollers.length + 1);
    this.pollers.push(poller);
    return poller;
  }

  /** The poller of the only loop. */
  get poller(): FakePoller {
    return this.pollers.at(-1) as FakePoller;
  }
}

/** Only what sources and registries call; the rest is for real drivers. */
class FakeIo {
  readonly closedHandles: Handle[] = [];
  readonly #flights = new Set<string>();
  #generation = 0;
  probeResult = 0;
  /** What release() returns, if it is to fail: `-errno`. */
  releaseResult = 0;

  close(handle: Handle): number {
    this.closedHandles.push(handle);
    return 0;
  }

  probe(): number {
    return this.probeResult;
  }

  release(handle: Handle, kind: number): number {
    if (this.releaseResult < 0) return this.releaseResult;
    this.#generation += 1;
    this.#flights.add(`${handle} ${this.#generation} ${kind}`);
    return this.#generation;
  }

  acquire(handle: Handle, generation: number, kind: number): number {
    return this.#flights.delete(`${handle} ${generation} ${kind}`) ? handle : ENOENT;
  }

  countInFlight(): number {
    return this.#flights.size;
  }
}

interface Entry {
  slot: number;
  generation: number;
  interest: number;
  opt: number;
  armed: boolean;
}

export class FakePoller implements Poller {
  readonly events: Uint32Array;
  readonly needsRearm = false;
  readonly options: PollerOptions;
  readonly wakeKey: number;
  readonly #driver: FakeDriver;
  readonly #entries = new Map<Handle, Entry>();
  readonly #ready = new Map<Handle, number>();
  readonly #signals: number[] = [];
  #turn: (() => Turn) | null = null;
  #woken = false;

  /** Every timeout that poll() was asked to wait, in order. */
  readonly waits: number[] = [];
  deadlineMs = Infinity;
  wakes = 0;
  interruptNext = false;
  /** What the next poll returns, if it is to fail: `-errno`. */
  failNext = 0;
  /** Called inside poll(), before readiness is looked at: the world during a wait. */
  onPoll: ((timeoutMs: number) => void) | null = null;

  constructor(driver: FakeDriver, options: PollerOptions, wakeKey: number) {
    this.#driver = driver;
    this.options = options;
    this.wakeKey = wakeKey;
    this.events = new Uint32Array(options.eventsCapacity * EVENT_WORDS);
  }

  /** Makes a handle ready until {@link settle}. */
  ready(handle: Handle, bits: number): void {
    this.#ready.set(handle, bits);
  }

  settle(handle: Handle): void {
    this.#ready.delete(handle);
  }

  raise(signalNumber: number): void {
    this.#signals.push(signalNumber);
  }

  add(handle: Handle, slot: number, generation: number, interest: number, opt: number): number {
    if (this.#entries.has(handle)) return EEXIST;
    this.#entries.set(handle, { slot, generation, interest, opt, armed: true });
    return 0;
  }

  modify(handle: Handle, slot: number, generation: number, interest: number, opt: number): number {
    if (!this.#entries.has(handle)) return ENOENT;
    this.#entries.set(handle, { slot, generation, interest, opt, armed: true });
    return 0;
  }

  remove(handle: Handle): number {
    return this.#entries.delete(handle) ? 0 : ENOENT;
  }

  rearm(): number {
    return 0;
  }

  poll(timeoutMs: number): number {
    this.waits.push(timeoutMs);
    this.onPoll?.(timeoutMs);
    if (this.interruptNext) {
      this.interruptNext = false;
      return EINTR;
    }
    if (this.failNext !== 0) {
      const result = this.failNext;
      this.failNext = 0;
      return result;
    }
    let count = this.#fill();
    if (count === 0 && timeoutMs !== 0 && !this.#woken) {
      this.#sleep(timeoutMs);
      count = this.#fill();
    }
    this.#woken = false;
    return count === this.options.eventsCapacity ? count + POLL_FULL : count;
  }

  setDeadline(timeMs: number): number {
    this.deadlineMs = timeMs;
    return 0;
  }

  start(turn: () => Turn): number {
    this.#turn = turn;
    return 0;
  }

  stop(): void {
    this.#turn = null;
  }

  ref(): void {}

  unref(): void {}

  wake(): void {
    this.wakes += 1;
    this.#woken = true;
  }

  watchSignal(): number {
    return 0;
  }

  close(): void {
    this.#turn = null;
  }

  /** Takes turns as a started poller would, until the loop is idle or has ended. */
  runTurns(turnsMax = 1000): Turn {
    for (let turns = 0; turns < turnsMax; turns++) {
      const result = this.#turn === null ? Turn.STOP : this.#turn();
      if (result !== Turn.MORE) return result;
    }
    return Turn.MORE;
  }

  #sleep(timeoutMs: number): void {
    const endMs = timeoutMs < 0 ? Infinity : this.#driver.clockMs + timeoutMs;
    const wakeMs = Math.min(endMs, this.deadlineMs);
    if (wakeMs === Infinity) throw new Error('the loop would sleep for ever');
    this.#driver.clockMs = Math.max(this.#driver.clockMs, wakeMs);
  }

  #fill(): number {
    let count = 0;
    for (const [handle, bits] of this.#ready) {
      const entry = this.#entries.get(handle);
      if (count === this.options.eventsCapacity) break;
      if (entry === undefined || !entry.armed) continue;
      const reported = bits & (entry.interest | Interest.ERROR | Interest.HUP);
      if (reported === 0) continue;
      if ((entry.opt & PollOpt.ONESHOT) !== 0) entry.armed = false;
      this.events.set([entry.slot, entry.generation, reported], count * EVENT_WORDS);
      count += 1;
    }
    while (this.#signals.length > 0 && count < this.options.eventsCapacity) {
      this.events.set([SIGNAL_SLOT, this.#signals.shift() as number, 0], count * EVENT_WORDS);
      count += 1;
    }
    return count;
  }
}

let lastHandle = 1000;

/** A source without a socket. */
export class FakeSource extends Source {
  constructor(driver: Driver) {
    super(driver, lastHandle++);
  }

  protected override get kind(): SourceKind {
    return 'FdSource';
  }
}
