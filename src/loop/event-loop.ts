/**
 * EventLoop: the public face of a loop. What happens in a tick is in
 * `ticker.ts`; here is how ticks are run, and what users may ask for.
 */
import { invalidType, MillraceError, systemError } from '../errors.js';
import { FIRST_AUTOMATIC_TOKEN } from '../limits.js';
import { enterDriver } from '../poll/current-driver.js';
import { type Driver, type Poller, Turn } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import { PollOpt } from '../poll/poll-opt.js';
import { Registry } from '../poll/registry.js';
import type { Source } from '../poll/source.js';
import type { Token } from '../poll/token.js';
import { requireDuration, requirePeriod } from '../validate.js';
import { type LoopPool, openLoopPool } from './computing.js';
import { type EventLoopConfig, type ResolvedConfig, resolveConfig } from './config.js';
import { type Guest, type GuestHost, GuestMail, Guests } from './guest.js';
import { type Handler, requireHandler } from './handler.js';
import { Inbox } from './inbox.js';
import { createCounters, type LoopMetrics } from './metrics.js';
import { Sender } from './sender.js';
import { requireSignal } from './signals.js';
import { Ticker } from './ticker.js';
import { Timeout, TimerWheel } from './timer-wheel.js';

/** STOPPED <-> SHARED (run), STOPPED <-> BLOCKING (runSync, runOnce), any -> CLOSED. */
const State = { STOPPED: 0, SHARED: 1, BLOCKING: 2, CLOSED: 3 } as const;
type State = (typeof State)[keyof typeof State];

/** A `run()` that has not ended. */
interface Run<M, T> {
  handler: Handler<M, T>;
  resolve(): void;
  reject(error: unknown): void;
}

const FOREVER = -1;

/**
 * An event loop: feeds a {@link Handler} with readiness, messages, timeouts
 * and signals. Belongs to the thread that made it.
 *
 * @typeParam M messages of its channel
 * @typeParam T payloads of its timeouts
 */
export class EventLoop<M = unknown, T = unknown> {
  readonly #config: ResolvedConfig;
  readonly #driver: Driver;
  readonly #poller: Poller;
  readonly #registry: Registry;
  readonly #wheel: TimerWheel;
  readonly #inbox: Inbox<M>;
  readonly #counters = createCounters();
  readonly #ticker: Ticker<M, T>;
  #guests: Guests | null = null;
  #state: State = State.STOPPED;
  #run: Run<M, T> | null = null;
  #inTick = false;
  #shutdownAsked = false;
  #nextToken = FIRST_AUTOMATIC_TOKEN;
  #pool: LoopPool | null = null;

  /**
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   * ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE; a system error (EMFILE
   * ...) when the poller cannot be opened
   */
  constructor(config?: EventLoopConfig);
  /** @internal A shard bounds each mailbox by itself, and its loop's channel not at all. */
  constructor(config: EventLoopConfig, notifyCapacity: number);
  constructor(config?: EventLoopConfig, notifyCapacity?: number) {
    this.#config = resolveConfig(config);
    this.#driver = this.#config.driver;
    this.#poller = this.#driver.openPoller({
      eventsCapacity: this.#config.eventsCapacity,
      mode: this.#config.poller,
      turnBudgetMs: this.#config.tickBudgetMs,
    });
    this.#registry = new Registry(this.#poller, this.#driver);
    this.#wheel = new TimerWheel({
      slotMs: this.#config.timerTickMs,
      slots: this.#config.timerWheelSize,
      capacity: this.#config.timerCapacity,
    });
    this.#inbox = new Inbox(notifyCapacity ?? this.#config.notifyCapacity, this.#poller);
    this.#ticker = new Ticker({
      loop: this,
      config: this.#config,
      poller: this.#poller,
      registry: this.#registry,
      wheel: this.#wheel,
      inbox: this.#inbox,
      counters: this.#counters,
    });
  }

  /**
   * Whether the loop runs and was not asked to stop: false from `shutdown()`
   * on, though the tick under way is still finished.
   */
  get isRunning(): boolean {
    return (this.#state === State.SHARED || this.#state === State.BLOCKING) && !this.#shutdownAsked;
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#state === State.CLOSED;
  }

  // --- Running -----------------------------------------------------------

  /**
   * Runs until `shutdown()`, sharing the thread with Node: promises, timers
   * and I/O of Node go on between ticks. Keeps the process alive. Costs
   * nothing while there is nothing to do.
   *
   * Rejects with the very error that a callback throws; running again goes on
   * with the next event, message or timeout of the interrupted tick.
   *
   * @throws (rejects) MillraceError ERR_LOOP_RUNNING, ERR_LOOP_CLOSED;
   * TypeError ERR_INVALID_ARG_TYPE; a system error
   */
  async run(handler: Handler<M, T>): Promise<void> {
    this.#begin(handler, State.SHARED);
    await new Promise<void>((resolve, reject) => {
      this.#run = { handler, resolve, reject };
      const result = this.#poller.start(() => this.#turn());
      if (result < 0) this.#endRun(systemError(result, 'start'));
    });
  }

  /**
   * Takes the thread over until `shutdown()`. Node's own promises, timers and
   * I/O stand still meanwhile; messages, signals and sockets do not.
   *
   * @throws what a callback throws; as {@link run}
   */
  runSync(handler: Handler<M, T>): void {
    this.#begin(handler, State.BLOCKING);
    try {
      // Asked before the run, it must not wait for something to happen first.
      do this.#tick(handler, this.#shutdownAsked ? 0 : FOREVER);
      while (!this.#shutdownAsked && !this.closed);
      this.#shutdownAsked = false;
    } finally {
      this.#end();
    }
  }

  /**
   * Takes one tick: waits for something to happen, up to `timeoutMs`, and
   * delivers it. Blocks the thread meanwhile; 0 does not wait, null or
   * nothing waits without end.
   *
   * @throws what a callback throws; RangeError ERR_OUT_OF_RANGE; as {@link run}
   */
  runOnce(handler: Handler<M, T>, timeoutMs?: number | null): void {
    const waitMs = timeoutMs ?? null;
    const limitMs = waitMs === null ? FOREVER : requireDuration('timeoutMs', waitMs);
    this.#begin(handler, State.BLOCKING);
    try {
      this.#tick(handler, limitMs);
    } finally {
      this.#end();
    }
  }

  /**
   * Ends `run()` or `runSync()` after the tick under way. Sticky: called
   * before, it lets the next run take one tick. Messages that were not
   * claimed stay queued for a later run.
   */
  shutdown(): void {
    this.#shutdownAsked = true;
    if (this.#state === State.SHARED && !this.#inTick) this.#poller.wake();
  }

  /** Lets `run()` keep the process alive, which it does at first. */
  ref(): this {
    if (!this.closed) this.#poller.ref();
    return this;
  }

  /** Lets the process end although `run()` has not. */
  unref(): this {
    if (!this.closed) this.#poller.unref();
    return this;
  }

  /**
   * Frees everything, and ends the run under way. Sources are detached and
   * stay open. Later sends are refused. Returns the messages that were never
   * delivered. Idempotent.
   */
  close(): M[] {
    if (this.closed) return [];
    this.#state = State.CLOSED;
    this.#guests?.dismissAll();
    this.#registry.clear();
    this.#wheel.close();
    this.#ticker.abandon();
    this.#poller.close();
    void this.#pool?.close({ drain: false });
    const undelivered = this.#inbox.close();
    if (!this.#inTick) this.#endRun();
    return undelivered.filter((message) => !(message instanceof GuestMail));
  }

  /** As {@link close}; messages that were never delivered are dropped. */
  [Symbol.dispose](): void {
    this.close();
  }

  // --- Sources -----------------------------------------------------------

  /**
   * Delivers the source's events from now on, under `token`.
   *
   * @param token any safe integer; two sources may share one
   * @throws MillraceError ERR_SOURCE_REGISTERED, ERR_SOURCE_CLOSED,
   * ERR_DRIVER_MISMATCH, ERR_LOOP_CLOSED; TypeError ERR_INVALID_ARG_TYPE;
   * RangeError ERR_OUT_OF_RANGE, also for no interest at all; a system error
   */
  register(
    source: Source,
    token: Token,
    interest: Interest = Interest.READABLE,
    opt: PollOpt = PollOpt.LEVEL,
  ): void {
    this.#requireOpen();
    this.#registry.register(source, token, interest, opt);
  }

  /**
   * Changes token, interest and options, and re-arms a ONESHOT. Events that
   * were fetched before are dropped, and readiness is evaluated afresh: what
   * is ready is reported again.
   *
   * @throws MillraceError ERR_SOURCE_NOT_REGISTERED; as {@link register}
   */
  reregister(source: Source, token: Token, interest: Interest, opt: PollOpt = PollOpt.LEVEL): void {
    this.#requireOpen();
    this.#registry.reregister(source, token, interest, opt);
  }

  /**
   * After it returns nothing of the source is delivered, not in this tick
   * either. The source stays open.
   *
   * @throws MillraceError ERR_SOURCE_NOT_REGISTERED, ERR_LOOP_CLOSED;
   * TypeError ERR_INVALID_ARG_TYPE
   */
  deregister(source: Source): void {
    this.#requireOpen();
    this.#registry.deregister(source);
  }

  /** A token that this loop never returned before and that no source has. */
  nextToken(): Token {
    while (this.#registry.hasToken(this.#nextToken)) this.#nextToken += 1;
    return this.#nextToken++;
  }

  // --- Timeouts ----------------------------------------------------------

  /**
   * Delivers `payload` to `handler.timeout()` once, `delayMs` from now by the
   * real clock: never earlier, and in a later tick.
   *
   * @param delayMs finite, at least 0, fractions allowed
   * @throws MillraceError ERR_TIMER_OVERFLOW, ERR_LOOP_CLOSED; TypeError
   * ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  timeout(payload: T, delayMs: number): Timeout {
    requireDuration('delayMs', delayMs);
    const deadlineMs = this.#driver.nowOrLater() + delayMs;
    return this.#armed(this.#wheel.arm(payload, deadlineMs));
  }

  /**
   * Delivers `payload` again and again, on a fixed grid from now: no drift,
   * and one delivery after a stall, which tells how many it stands for.
   *
   * @param periodMs finite, above 0, fractions allowed
   * @throws as {@link timeout}
   */
  interval(payload: T, periodMs: number): Timeout {
    requirePeriod('periodMs', periodMs);
    const deadlineMs = this.#driver.nowOrLater() + periodMs;
    return this.#armed(this.#wheel.armInterval(payload, deadlineMs, periodMs));
  }

  /**
   * True: it was pending, and will never be delivered. False: it had been
   * delivered or cleared, or belongs to another loop; nothing changes.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  clearTimeout(timeout: Timeout): boolean {
    // Asked first, because it takes a fraction of the time of instanceof.
    if (timeout?.constructor !== Timeout && !(timeout instanceof Timeout)) {
      throw invalidType('timeout', 'what timeout() or interval() returned', timeout);
    }
    const wasPending = this.#wheel.clear(timeout);
    if (wasPending && this.#inbox.sleeping) this.#ticker.resetAlarm();
    return wasPending;
  }

  /**
   * Monotonic milliseconds, fractional. Inside a tick the time of its latest
   * sample, outside the real clock.
   */
  now(): number {
    return this.#inTick ? this.#ticker.nowMs : this.#driver.now();
  }

  /** A number in [0, 1), from the seed under simulation. */
  random(): number {
    return this.#driver.random();
  }

  // --- Messages and signals ----------------------------------------------

  /** A sender to this loop; before, during and after a run. */
  channel(): Sender<M> {
    return new Sender(this.#inbox);
  }

  /**
   * Delivers the signal to `handler.signal()` from now on, instead of what it
   * would do to the process. Signals of one name that come faster than ticks
   * merge.
   *
   * @throws MillraceError ERR_LOOP_CLOSED; TypeError ERR_INVALID_ARG_TYPE,
   * ERR_UNKNOWN_SIGNAL; EINVAL for those that cannot be caught
   */
  registerSignal(signal: NodeJS.Signals): void {
    this.#requireOpen();
    const result = this.#poller.watchSignal(requireSignal(signal));
    if (result < 0) throw systemError(result, 'sigaction');
  }

  /** @internal Takes in a library that has sources and timeouts of its own here. */
  admit(guest: Guest): GuestHost {
    this.#requireOpen();
    this.#guests ??= new Guests({
      loop: this,
      registry: this.#registry,
      driver: this.#driver,
      defer: (deferred) => this.#inTick && this.#ticker.defer(deferred),
      openMail: () => {
        this.#ticker.mailedGuests = this.#guests;
        return this.#inbox.transfer();
      },
    });
    return this.#guests.admit(guest);
  }

  // --- Compute -----------------------------------------------------------

  /**
   * This loop's own pool, made when it is first asked for, with the defaults
   * of a ComputePool. The loop's `close()` closes it with `drain: false`. In
   * an actor: the one pool of its system.
   *
   * @throws MillraceError ERR_LOOP_CLOSED
   */
  get compute(): LoopPool {
    this.#requireOpen();
    this.#pool ??= openLoopPool();
    return this.#pool;
  }

  /**
   * Runs a function on a thread of the loop's pool, and forgets it: as
   * `loop.compute.spawn()`. Returns false if the queue is full.
   *
   * @param priority @default TaskPriority.Normal
   * @throws MillraceError ERR_LOOP_CLOSED; TypeError ERR_INVALID_ARG_TYPE,
   * ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE
   */
  spawnCompute(
    module: URL,
    fn: string,
    args: readonly unknown[] = [],
    priority: 0 | 1 | 2 | 3 = 1,
  ): boolean {
    return this.compute.spawn(module, fn, args, { priority });
  }

  /** What was counted so far. The histogram is the living one. */
  metrics(): LoopMetrics {
    this.#inbox.intake();
    return {
      ...this.#counters,
      refused: this.#inbox.refused,
      lost: this.#inbox.lost,
      pendingMessages: this.#inbox.size,
      pendingTimers: this.#wheel.size,
      sources: this.#registry.size,
    };
  }

  // --- Inside ------------------------------------------------------------

  #armed(timeout: Timeout | null): Timeout {
    if (timeout === null) throw this.#timerRefused();
    if (this.#inbox.sleeping) this.#ticker.resetAlarm();
    return timeout;
  }

  /** One turn on the shared thread; called by the poller. */
  #turn(): Turn {
    const run = this.#run;
    if (run === null) return Turn.STOP;
    try {
      if (!this.#shutdownAsked && this.#ticker.looksOut()) return Turn.MORE;
      this.#ticker.wakeUp();
      this.#tick(run.handler, 0);
      if (!this.#shutdownAsked && !this.closed) {
        return this.#ticker.wantsMore() || !this.#ticker.sleep() ? Turn.MORE : Turn.IDLE;
      }
    } catch (error) {
      this.#endRun(error);
      return Turn.STOP;
    }
    this.#shutdownAsked = false;
    this.#endRun();
    return Turn.STOP;
  }

  #tick(handler: Handler<M, T>, timeoutMs: number): void {
    const previous = enterDriver(this.#driver);
    this.#inTick = true;
    try {
      this.#ticker.take(handler, timeoutMs);
    } finally {
      this.#inTick = false;
      enterDriver(previous);
    }
  }

  #begin(handler: Handler<M, T>, state: State): void {
    requireHandler(handler);
    this.#requireOpen();
    if (this.#state !== State.STOPPED) {
      throw new MillraceError(
        'ERR_LOOP_RUNNING',
        'the loop is running already; shutdown() ends that run',
      );
    }
    this.#state = state;
  }

  #end(): void {
    this.#inbox.publishReleases();
    if (!this.closed) this.#state = State.STOPPED;
  }

  /** Settles the promise of `run()`; does nothing when none is under way. */
  #endRun(...errors: unknown[]): void {
    const run = this.#run;
    if (run === null) return;
    this.#run = null;
    this.#ticker.wakeUp();
    if (!this.closed) this.#poller.stop();
    this.#end();
    if (errors.length > 0) run.reject(errors[0]);
    else run.resolve();
  }

  #requireOpen(): void {
    if (this.closed) throw loopClosed();
  }

  #timerRefused(): MillraceError {
    if (this.closed) return loopClosed();
    const { timerCapacity } = this.#config;
    return new MillraceError(
      'ERR_TIMER_OVERFLOW',
      `${timerCapacity} timeouts are pending, as many as timerCapacity allows; ` +
        'clear some, or raise timerCapacity',
    );
  }
}

function loopClosed(): MillraceError {
  return new MillraceError('ERR_LOOP_CLOSED', 'the loop was closed; make another one');
}
