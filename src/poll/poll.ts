/**
 * Poll: readiness on its own, without an EventLoop, for those who write the
 * loop themselves.
 */
import { constants } from 'node:os';
import { MillraceError, outOfRange, systemError } from '../errors.js';
import { DEFAULT_EVENTS_CAPACITY, EVENTS_CAPACITY_MAX } from '../limits.js';
import { requireDuration, requireInteger, requireOptions } from '../validate.js';
import { currentDriver, requireDriver } from './current-driver.js';
import { type Driver, EVENT_WORDS, POLL_FULL, type Poller } from './driver.js';
import { EventSet } from './event-set.js';
import { Interest } from './interest.js';
import { PollOpt } from './poll-opt.js';
import { Registry } from './registry.js';
import type { Source } from './source.js';
import type { Token } from './token.js';

const EINTR = -constants.errno.EINTR;

/** Options of a {@link Poll}. */
export interface PollConfig {
  /** Events fetched by one poll at most. 1 to 65536. @default 1024 */
  eventsCapacity?: number;
  /** What it stands on. @default the driver of the loop being run, else the native one */
  driver?: Driver;
}

/** An event of {@link Poll.event}. */
export interface PollEvent {
  /** Under which the source was registered when this was fetched. */
  token: Token;
  /** Empty if the source was deregistered, re-registered or closed since. */
  kind: EventSet;
}

/**
 * Readiness on its own, without an `EventLoop`: for those who write the loop
 * themselves. Belongs to the thread that made it.
 */
export class Poll {
  readonly #driver: Driver;
  readonly #poller: Poller;
  readonly #registry: Registry;
  readonly #tokens: Token[] = [];
  #deadlineMs = Infinity;
  #count = 0;
  #closed = false;

  /**
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError
   * ERR_OUT_OF_RANGE; a system error when the poller cannot be opened
   */
  constructor(config?: PollConfig) {
    const options = requireOptions('config', config, ['eventsCapacity', 'driver']);
    const eventsCapacity = requireInteger(
      'eventsCapacity',
      options.eventsCapacity ?? DEFAULT_EVENTS_CAPACITY,
      { min: 1, max: EVENTS_CAPACITY_MAX },
    );
    this.#driver = requireDriver('driver', options.driver ?? currentDriver());
    this.#poller = this.#driver.openPoller({ eventsCapacity, mode: 'inline', turnBudgetMs: 0 });
    this.#registry = new Registry(this.#poller, this.#driver);
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** As {@link EventLoop.register}. */
  register(
    source: Source,
    token: Token,
    interest: Interest = Interest.READABLE,
    opt: PollOpt = PollOpt.LEVEL,
  ): void {
    this.#requireOpen();
    this.#registry.register(source, token, interest, opt);
  }

  /** As {@link EventLoop.reregister}. */
  reregister(source: Source, token: Token, interest: Interest, opt: PollOpt = PollOpt.LEVEL): void {
    this.#requireOpen();
    this.#registry.reregister(source, token, interest, opt);
  }

  /** As {@link EventLoop.deregister}. */
  deregister(source: Source): void {
    this.#requireOpen();
    this.#registry.deregister(source);
  }

  /**
   * Waits until something happens, for `timeoutMs` at most; null or absent
   * waits without end, and blocks the thread meanwhile. Returns how many
   * events there are for {@link event}; 0 after the time, or a signal.
   */
  poll(timeoutMs?: number | null): number {
    this.#requireOpen();
    const endMs = this.#endOfWait(timeoutMs);
    this.#count = 0;
    for (;;) {
      const nowMs = this.#driver.now();
      this.#registry.resume(nowMs);
      this.#armDeadline();
      const leftMs = endMs === Infinity ? -1 : Math.max(0, endMs - nowMs);
      const result = this.#poller.poll(leftMs);
      if (result < 0 && result !== EINTR) throw systemError(result, 'poll');
      this.#count = result < 0 ? 0 : result & ~POLL_FULL;
      this.#noteTokens();
      // A wait that ended for a suspended source is not over for the caller.
      const resumed = this.#registry.resumeAtMs <= this.#driver.now();
      if (this.#count > 0 || !resumed || leftMs === 0) return this.#count;
    }
  }

  /**
   * The event number `index` of the last poll.
   *
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  event(index: number): PollEvent {
    requireInteger('index', index, { min: 0 });
    if (index >= this.#count) {
      throw outOfRange('index', `less than the ${this.#count} events of the last poll`, index);
    }
    const at = index * EVENT_WORDS;
    const { events } = this.#poller;
    const registration = this.#registry.find(events[at], events[at + 1]);
    const bits = registration === null ? Interest.NONE : events[at + 2];
    return { token: this.#tokens[index], kind: EventSet.of(bits) };
  }

  /** Detaches the sources, which stay open, and frees the poller. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#registry.clear();
    this.#poller.close();
    this.#count = 0;
    this.#closed = true;
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #armDeadline(): void {
    if (this.#registry.resumeAtMs === this.#deadlineMs) return;
    this.#deadlineMs = this.#registry.resumeAtMs;
    this.#poller.setDeadline(this.#deadlineMs);
  }

  /** Kept apart, since a registration may be gone when its event is looked at. */
  #noteTokens(): void {
    const { events } = this.#poller;
    for (let index = 0; index < this.#count; index++) {
      const at = index * EVENT_WORDS;
      this.#tokens[index] = this.#registry.find(events[at], events[at + 1])?.token ?? 0;
    }
  }

  #endOfWait(timeoutMs: number | null | undefined): number {
    if (timeoutMs === undefined || timeoutMs === null) return Infinity;
    return this.#driver.now() + requireDuration('timeoutMs', timeoutMs);
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw new MillraceError('ERR_POLL_CLOSED', 'the poll was closed; open another one');
    }
  }
}
