/** The context of one instance of an actor; `actor-context.ts` says what it is to users. */
import type { ComputePool } from '../compute/compute-pool.js';
import { TaskPriority } from '../compute/task-priority.js';
import { invalidType, MillraceError } from '../errors.js';
import { DEFAULT_STOP_TIMEOUT_MS, FIRST_AUTOMATIC_TOKEN } from '../limits.js';
import { EventLoop } from '../loop/event-loop.js';
import type { Guest, GuestHost } from '../loop/guest.js';
import type { Lateness, SignalInfo } from '../loop/handler.js';
import type { LoopMetrics } from '../loop/metrics.js';
import { Timeout } from '../loop/timer-wheel.js';
import type { EventSet } from '../poll/event-set.js';
import { Interest } from '../poll/interest.js';
import { PollOpt } from '../poll/poll-opt.js';
import { ReadHint } from '../poll/read-hint.js';
import { Source } from '../poll/source.js';
import { requireToken, type Token } from '../poll/token.js';
import { actorStopped, notInActor } from './actor-errors.js';
import { ActorRef } from './actor-ref.js';
import { ActorTimer, type TimerOwner } from './actor-timer.js';
import type { Cell } from './cell.js';
import { ContextGuest } from './context-guest.js';
import type { HandlerClass } from './handler-class.js';
import { crash, report } from './lifecycle.js';
import type { SpawnOptions } from './options.js';
import type { SourceEntry, SourceOwner } from './source-table.js';
import type { StopReason } from './stop-reason.js';

const READABLE_BITS = Interest.READABLE | Interest.ERROR | Interest.HUP;

export class Context implements TimerOwner, SourceOwner {
  readonly #cell: Cell;
  #isLive = true;
  #timers: ActorTimer | null = null;
  #sources: Set<SourceEntry> | null = null;
  #watches: Set<() => void> | null = null;
  #guests: Set<ContextGuest> | null = null;
  #hasSignals = false;
  #nextToken = FIRST_AUTOMATIC_TOKEN;

  constructor(cell: Cell) {
    this.#cell = cell;
  }

  // --- The actor ---------------------------------------------------------

  get self(): ActorRef {
    return this.#cell.ref;
  }

  channel(): ActorRef {
    return this.#cell.ref;
  }

  async spawn(module: URL | HandlerClass, options?: SpawnOptions): Promise<ActorRef> {
    this.#requireLive();
    const { shard } = this.#cell;
    if (this.#cell.isEnding) throw actorStopped(this.#cell.ref);
    const child = await shard.host.spawn(module, options, this.#cell);
    if (this.#isLive && !this.#cell.isEnding) {
      this.#cell.adopt(child);
      return child;
    }
    // The children were stopped before the farewell: nobody would stop this one.
    await child.stopWith({ kind: 'parent' }, DEFAULT_STOP_TIMEOUT_MS);
    throw actorStopped(this.#cell.ref);
  }

  async lookup(name: string): Promise<ActorRef | null> {
    return this.#cell.shard.host.lookup(name);
  }

  watch(actor: ActorRef, stopped: (reason: StopReason) => unknown): () => void {
    this.#requireLive();
    if (!(actor instanceof ActorRef)) throw invalidType('actor', 'an ActorRef', actor);
    if (typeof stopped !== 'function') throw invalidType('stopped', 'a function', stopped);
    this.#watches ??= new Set();
    const watches = this.#watches;
    const unwatch = actor.watch((reason) => {
      watches.delete(unwatch);
      this.#cell.later(() => {
        if (this.#isLive) this.#cell.invoke('watch', () => stopped(reason));
      });
    });
    watches.add(unwatch);
    return () => {
      watches.delete(unwatch);
      unwatch();
    };
  }

  stop(): void {
    void this.#cell.stop({ kind: 'stopped' }, DEFAULT_STOP_TIMEOUT_MS);
  }

  // --- Sources -----------------------------------------------------------

  register(
    source: Source,
    token: Token,
    interest: Interest = Interest.READABLE,
    opt: PollOpt = PollOpt.LEVEL,
  ): void {
    this.#requireLive();
    requireToken(token);
    const { loop, sources } = this.#cell.shard;
    const entry = sources.add({ owner: this, source, token }, (key) =>
      loop.register(source, key, interest, opt),
    );
    this.#sources ??= new Set();
    this.#sources.add(entry);
  }

  reregister(source: Source, token: Token, interest: Interest, opt: PollOpt = PollOpt.LEVEL): void {
    this.#requireLive();
    requireToken(token);
    const entry = this.#own(source, 'reregister()');
    this.#cell.shard.loop.reregister(source, entry?.key ?? token, interest, opt);
    if (entry !== null) entry.token = token;
  }

  deregister(source: Source): void {
    this.#requireLive();
    const entry = this.#own(source, 'deregister()');
    const { loop, sources } = this.#cell.shard;
    loop.deregister(source);
    if (entry === null) return;
    sources.remove(entry);
    this.disown(entry);
  }

  nextToken(): Token {
    const used = new Set([...(this.#sources ?? [])].map(({ token }) => token));
    while (used.has(this.#nextToken)) this.#nextToken += 1;
    return this.#nextToken++;
  }

  disown(entry: SourceEntry): void {
    this.#sources?.delete(entry);
  }

  /** The entry of a source of this instance; null for what the loop will refuse by itself. */
  #own(source: Source, operation: string): SourceEntry | null {
    const entry = Source.isSource(source) ? this.#cell.shard.sources.of(source) : null;
    if (entry === null || entry.owner === this) return entry;
    throw new MillraceError(
      'ERR_SOURCE_NOT_REGISTERED',
      `${operation}: this ${source.constructor.name} is registered by another actor`,
    );
  }

  /** What happened to a source, as the handler wants to hear of it (rule S2). */
  ready(entry: SourceEntry, events: EventSet): void {
    const cell = this.#cell;
    const { token, source } = entry;
    if (cell.handler?.ready !== undefined) {
      cell.invoke('ready', (handler, loop) => handler.ready?.(loop, token, events));
      return;
    }
    const { bits } = events;
    const registration = source.registration!;
    const { generation } = registration;
    if ((bits & READABLE_BITS) !== 0) {
      const hint = ReadHint.of(bits);
      cell.invoke('readable', (handler, loop) => handler.readable?.(loop, token, hint));
    }
    if ((bits & Interest.WRITABLE) === 0 || !registration.owesWritable(generation)) return;
    cell.invoke('writable', (handler, loop) => handler.writable?.(loop, entry.token));
  }

  // --- Timeouts ----------------------------------------------------------

  timeout(payload: unknown, delayMs: number): Timeout {
    this.#requireLive();
    const timer = new ActorTimer(this, payload, false);
    return this.#link(timer, this.#cell.shard.loop.timeout(timer, delayMs));
  }

  interval(payload: unknown, periodMs: number): Timeout {
    this.#requireLive();
    const timer = new ActorTimer(this, payload, true);
    return this.#link(timer, this.#cell.shard.loop.interval(timer, periodMs));
  }

  clearTimeout(timeout: Timeout): boolean {
    const timer = timeout instanceof Timeout ? timeout.wheel.payloadOf(timeout) : null;
    const { loop } = this.#cell.shard;
    // Not pending, or no timeout at all: the loop knows what to say to that.
    if (!(timer instanceof ActorTimer)) return loop.clearTimeout(timeout) && false;
    if (timer.owner !== this) return false;
    const wasPending = loop.clearTimeout(timeout);
    if (wasPending) this.#unlink(timer);
    return wasPending;
  }

  fired(timer: ActorTimer, late: Lateness): void {
    if (!timer.isInterval) this.#unlink(timer);
    const { payload } = timer;
    this.#cell.invoke('timeout', (handler, loop) => handler.timeout?.(loop, payload, late));
  }

  #link(timer: ActorTimer, timeout: Timeout): Timeout {
    timer.timeout = timeout;
    timer.next = this.#timers;
    if (timer.next !== null) timer.next.previous = timer;
    this.#timers = timer;
    return timeout;
  }

  #unlink(timer: ActorTimer): void {
    const { next, previous } = timer;
    if (previous === null) this.#timers = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
  }

  now(): number {
    return this.#cell.shard.loop.now();
  }

  random(): number {
    return this.#cell.shard.loop.random();
  }

  // --- Signals and the rest ----------------------------------------------

  registerSignal(signal: NodeJS.Signals): void {
    this.#requireLive();
    const { loop, signals } = this.#cell.shard;
    loop.registerSignal(signal);
    signals.add(signal, this);
    this.#hasSignals = true;
  }

  signal(info: SignalInfo): void {
    this.#cell.invoke('signal', (handler, loop) => handler.signal?.(loop, info));
  }

  /** Of the shard's loop, which all its actors share. */
  metrics(): LoopMetrics {
    return this.#cell.shard.loop.metrics();
  }

  get isRunning(): boolean {
    return this.#isLive && this.#cell.isOpen;
  }

  get closed(): boolean {
    return !this.#isLive;
  }

  // --- Compute -----------------------------------------------------------

  /** Of the system; what an instance has begun there goes on without it. */
  get compute(): ComputePool {
    this.#requireLive();
    return this.#cell.shard.host.compute;
  }

  spawnCompute(
    module: URL,
    fn: string,
    args?: readonly unknown[],
    priority: TaskPriority = TaskPriority.Normal,
  ): boolean {
    return this.compute.spawn(module, fn, args, { priority });
  }

  // --- Guests ------------------------------------------------------------

  /** Lives until this instance is gone, its farewell included; what escapes is a crash. */
  admit(guest: Guest): GuestHost {
    this.#requireLive();
    this.#guests ??= new Set();
    return new ContextGuest(this, guest, { shard: this.#cell.shard, guests: this.#guests });
  }

  /** Guests are served until the farewell is over, when there may be a next instance already. */
  guestFailed(error: unknown): void {
    if (this.#cell.context === this) crash(this.#cell, 'guest', error);
    else report(this.#cell, 'guest', error, 'restart');
  }

  // --- Not in an actor ---------------------------------------------------

  run(): Promise<void> {
    return Promise.reject(notInActor('run()'));
  }

  runSync(): never {
    throw notInActor('runSync()');
  }

  runOnce(): never {
    throw notInActor('runOnce()');
  }

  shutdown(): never {
    throw notInActor('shutdown()');
  }

  close(): never {
    throw notInActor('close()');
  }

  [Symbol.dispose](): never {
    throw notInActor('close()');
  }

  ref(): never {
    throw notInActor('ref()');
  }

  unref(): never {
    throw notInActor('unref()');
  }

  // --- The end -----------------------------------------------------------

  /** The instance is gone: its timeouts, sources, signals, watches and guests go with it. */
  release(): void {
    this.#isLive = false;
    for (const guest of this.#guests ?? []) guest.dismissed();
    this.#guests = null;
    const { loop, sources, signals } = this.#cell.shard;
    // Late, after a stop that did not wait for it, there is nothing left to detach from.
    if (loop.closed) return;
    for (let timer = this.#timers; timer !== null; timer = timer.next) {
      loop.clearTimeout(timer.timeout);
    }
    this.#timers = null;
    for (const entry of this.#sources ?? []) {
      if (sources.of(entry.source) === entry) loop.deregister(entry.source);
      sources.remove(entry);
    }
    this.#sources = null;
    for (const unwatch of this.#watches ?? []) unwatch();
    this.#watches = null;
    if (this.#hasSignals) signals.removeAll(this);
  }

  #requireLive(): void {
    if (!this.#isLive) throw actorStopped(this.#cell.ref);
  }
}

// A context is an EventLoop to whoever asks with instanceof. It cannot extend
// the class, whose constructor opens a poller; it overrides all its members.
Object.setPrototypeOf(Context.prototype, EventLoop.prototype);
