/**
 * Shard: all that one thread runs. One loop, the cells of its actors, and the
 * tables that lead from what the loop reports to the actor that it is for.
 *
 *   ref.send() ──> Cell (ring) ──ticket──> channel of the loop
 *   loop ──> ShardHandler ──> Cell.deliver() ──> handler.notify()
 *        ├── SourceTable ───> Context.ready() ──> handler.readable() ...
 *        └── ActorTimer ────> Context.fired() ──> handler.timeout()
 *
 * The shard knows of the system only what {@link ShardHost} says, so that it
 * may run in a thread of its own. A message from another thread enters with
 * slot and generation: `cells.find()` leads to the cell, and from there on it
 * is like any other.
 */
import { DEFAULT_TIMER_CAPACITY, TIMER_CAPACITY_MAX } from '../limits.js';
import { EventLoop } from '../loop/event-loop.js';
import type { Sender } from '../loop/sender.js';
import { requireHandler, type Handler } from '../loop/handler.js';
import { currentDriver } from '../poll/current-driver.js';
import type { Driver } from '../poll/driver.js';
import type { ActorRef, Identity } from './actor-ref.js';
import { type Blueprint, Cell } from './cell.js';
import { State } from './cell-state.js';
import { CellTable } from './cell-table.js';
import { Deadlines, type Expiring } from './deadlines.js';
import type { HandlerClass } from './handler-class.js';
import { force } from './lifecycle.js';
import { createActorCounters, type ShardMetrics } from './metrics.js';
import type { ResolvedSystemOptions, SpawnOptions } from './options.js';
import { Refusals } from './refusals.js';
import {
  type CallbackKind,
  type RefusalReason,
  type RestartEvent,
  restartChannel,
  type SlowHandlerReport,
  slowHandlerChannel,
  spawnChannel,
  type SpawnEvent,
  stopChannel,
  type StoppedEvent,
  type SystemEventName,
  type SystemEvents,
} from './reports.js';
import { ShardHandler, type ShardTimer } from './shard-handler.js';
import { SignalTable } from './signal-table.js';
import { SourceTable } from './source-table.js';
import type { StopReason } from './stop-reason.js';

/** What a shard asks of its system. */
export interface ShardHost {
  /** Of the system; unique. */
  readonly id: string;
  spawn(
    module: URL | HandlerClass,
    options: SpawnOptions | undefined,
    parent: Cell | null,
  ): Promise<ActorRef>;
  lookup(name: string): Promise<ActorRef | null>;
  /** The actor of that name has stopped. */
  releaseName(name: string): void;
  listens(event: SystemEventName): boolean;
  emit<E extends SystemEventName>(event: E, payload: SystemEvents[E][0]): void;
  /** Calls a listener of the user; what it throws is not the runtime's. */
  guard(listener: () => unknown): void;
}

export class Shard {
  readonly number: number;
  readonly host: ShardHost;
  readonly driver: Driver;
  readonly loop: EventLoop<Cell, ShardTimer>;
  readonly deadlines: Deadlines;
  readonly counters = createActorCounters();
  readonly cells = new CellTable();
  readonly sources = new SourceTable();
  readonly signals = new SignalTable();
  /** Those whose handlers have these callbacks. */
  readonly ticking = new Set<Cell>();
  readonly interruptible = new Set<Cell>();
  readonly #refusals: Refusals;
  readonly #tickets: Sender<Cell>;
  readonly #slowHandlerMs: number;
  #run: Promise<void> | null = null;
  #serial = 0;

  constructor(number: number, host: ShardHost, options: ResolvedSystemOptions) {
    this.number = number;
    this.host = host;
    this.driver = options.loop.driver ?? currentDriver();
    // Mailboxes are bounded one by one, each exactly; the loop's channel, in
    // which their tickets wait, must not refuse what a mailbox has taken.
    const { timerCapacity = DEFAULT_TIMER_CAPACITY } = options.loop;
    const config = { ...options.loop, driver: this.driver, timerCapacity };
    // One more, which the runtime's own deadlines take.
    if (timerCapacity < TIMER_CAPACITY_MAX) config.timerCapacity += 1;
    this.loop = new EventLoop(config, Infinity);
    this.#tickets = this.loop.channel();
    this.#slowHandlerMs = options.slowHandlerMs;
    this.deadlines = new Deadlines(this.loop, this.driver);
    this.#refusals = new Refusals(host, this.counters, () => this.wake());
  }

  /** Runs until {@link stop}. Rejects if the system refuses what the loop stands on. */
  run(): Promise<void> {
    this.#run ??= this.loop.run(new ShardHandler(this));
    return this.#run;
  }

  // --- Actors ------------------------------------------------------------

  /** Constructs the actor here and now; throws what its constructor throws. */
  spawn(blueprint: Blueprint, parent: Cell | null): ActorRef {
    const handler = this.construct(blueprint);
    const cell = this.cells.insert(
      (place) => new Cell(this, place, blueprint, { parent, handler }),
    );
    this.counters.spawned += 1;
    this.adopt(cell);
    if (parent !== null) {
      parent.children ??= new Set();
      parent.children.add(cell.ref);
    }
    if (handler.started === undefined) {
      cell.state = State.RUNNING;
      cell.isPlain = true;
    } else {
      cell.issueTicket();
    }
    const event: SpawnEvent = { actor: cell.ref };
    if (spawnChannel.hasSubscribers) spawnChannel.publish(event);
    this.host.emit('spawn', event);
    return cell.ref;
  }

  nextIdentity(name: string | null): Identity {
    this.#serial += 1;
    return { system: this.host.id, shard: this.number, serial: this.#serial, name };
  }

  construct({ HandlerClass, options }: Blueprint): Handler {
    const handler = new HandlerClass(...(options.args as never[])) as Handler;
    requireHandler(handler);
    return handler;
  }

  /** An instance is there. */
  adopt(cell: Cell): void {
    const { handler } = cell;
    if (handler?.tick !== undefined) this.ticking.add(cell);
    if (handler?.interrupted !== undefined) this.interruptible.add(cell);
  }

  remove(cell: Cell, reason: StopReason): void {
    this.ticking.delete(cell);
    this.interruptible.delete(cell);
    this.cells.remove(cell);
    this.counters.stopped += 1;
    const { name } = cell.ref;
    if (name !== null) this.host.releaseName(name);
    const event: StoppedEvent = { actor: cell.ref, reason };
    if (stopChannel.hasSubscribers) stopChannel.publish(event);
    this.host.emit('stopped', event);
  }

  enqueue(cell: Cell): void {
    this.#tickets.send(cell);
  }

  wake(): void {
    this.#tickets.wake();
  }

  /** Resolves when `promise` has settled, or the time is over. */
  within(promise: Promise<unknown>, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end: Expiring = { expire: resolve };
      const deadline = this.deadlines.arm(end, timeoutMs);
      const settled = () => {
        this.deadlines.clear(deadline);
        resolve();
      };
      promise.then(settled, settled);
    });
  }

  // --- Reports -----------------------------------------------------------

  /** A message that will not be delivered. */
  refuse(actor: ActorRef, reason: RefusalReason, message: unknown): void {
    this.#refusals.add(actor, reason, message);
  }

  restarted(event: RestartEvent): void {
    this.counters.restarts += 1;
    if (restartChannel.hasSubscribers) restartChannel.publish(event);
    this.host.emit('restart', event);
  }

  inform(watcher: (reason: StopReason) => unknown, reason: StopReason): void {
    this.host.guard(() => watcher(reason));
  }

  /** A callback that began at this time has returned. */
  timed(actor: ActorRef, kind: CallbackKind, beginMs: number): void {
    const durationMs = performance.now() - beginMs;
    if (durationMs < this.#slowHandlerMs) return;
    slowHandlerChannel.publish({ actor, kind, durationMs } satisfies SlowHandlerReport);
  }

  flushReports(): void {
    this.#refusals.flush();
  }

  metrics(): ShardMetrics {
    const loop = this.loop.metrics();
    // Without the one that stands for the runtime's own deadlines.
    loop.pendingTimers = Math.max(0, loop.pendingTimers - 1);
    let pendingMessages = 0;
    for (const { ring } of this.cells.all()) pendingMessages += ring.size;
    const { number: shard, counters } = this;
    return { shard, ...counters, actors: this.cells.size, pendingMessages, loop };
  }

  // --- The end -----------------------------------------------------------

  /** Stops all actors at once, then the loop. At the latest when the time is over. */
  async stop(timeoutMs: number): Promise<void> {
    const cells = this.cells.all();
    await Promise.all(cells.map((cell) => cell.stop({ kind: 'system' }, timeoutMs)));
    this.#refusals.flush();
    this.loop.shutdown();
    await this.#run;
    this.loop.close();
  }

  /** The loop has failed: nothing will be called any more, `stopped()` excepted. */
  abandon(error: unknown): void {
    for (const cell of this.cells.all()) force(cell, { kind: 'shardExit', error });
    this.#refusals.flush();
    this.loop.close();
  }
}
