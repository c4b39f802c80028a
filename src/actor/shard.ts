/**
 * Shard: all that one thread runs. One loop, the cells of its actors, and the
 * tables that lead from what the loop reports to the actor that it is for.
 *
 *   ref.send() ──> Cell (ring) ──ticket──> channel of the loop
 *   loop ──> ShardHandler ──> Cell.deliver() ──> handler.notify()
 *        ├── SourceTable ───> Context.ready() ──> handler.readable() ...
 *        └── ActorTimer ────> Context.fired() ──> handler.timeout()
 *
 *        └── Mail ──────────> Peers.receive() ──> Cell.receive() ...
 *
 * The shard knows of the system only what {@link ShardHost} says, so that it
 * may run in a thread of its own. Where there are several, `peers.ts` is what
 * it knows of the others: a message from there enters with slot and
 * generation, and finds its cell by them.
 */
import { closeFlights } from '../channel/close-flights.js';
import type { ComputePool } from '../compute/compute-pool.js';
import { DEFAULT_TIMER_CAPACITY, EXITS_KEPT, TIMER_CAPACITY_MAX } from '../limits.js';
import { EventLoop } from '../loop/event-loop.js';
import type { Sender } from '../loop/sender.js';
import { requireHandler, type Handler } from '../loop/handler.js';
import { currentDriver } from '../poll/current-driver.js';
import type { Driver } from '../poll/driver.js';
import type { ActorRef, Identity } from './actor-ref.js';
import { type Blueprint, Cell } from './cell.js';
import { State } from './cell-state.js';
import { CellTable, type Place } from './cell-table.js';
import { Deadlines, type Expiring } from './deadlines.js';
import type { HandlerClass } from './handler-class.js';
import { force } from './lifecycle.js';
import {
  type ActorCounters,
  createCounters,
  readCounters,
  type SharedCounters,
  writeCounters,
} from './counters.js';
import type { ShardMetrics } from './metrics.js';
import { Mail } from './mail.js';
import type { ResolvedShardOptions, SpawnOptions } from './options.js';
import type { Parent } from './parent.js';
import type { Peers } from './peers.js';
import type { Places } from './places.js';
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
  /** Of the system; chosen by the user. */
  readonly name: string;
  /** Parents are cells of this thread. */
  spawn(
    module: URL | HandlerClass,
    options: SpawnOptions | undefined,
    parent: Cell | null,
  ): Promise<ActorRef>;
  lookup(name: string): Promise<ActorRef | null>;
  /** The pool of the system, as actors have it. */
  readonly compute: ComputePool;
  /** The actor has stopped; its name is free. */
  gone(actor: ActorRef): void;
  listens(event: SystemEventName): boolean;
  emit<E extends SystemEventName>(event: E, payload: SystemEvents[E][0]): void;
  /** Calls a listener of the user; what it throws is not the runtime's. */
  guard(listener: () => unknown): void;
}

/** What other threads know of the shard, and the one that is started in its place. */
export interface ShardMemory {
  places?: Places | null;
  counters?: SharedCounters | null;
  /** The latest that was given away before. */
  generation?: number;
}

export class Shard {
  readonly number: number;
  readonly host: ShardHost;
  readonly driver: Driver;
  readonly loop: EventLoop<Cell | Mail, ShardTimer>;
  readonly deadlines: Deadlines;
  readonly counters: ActorCounters;
  readonly #sharedCounters: SharedCounters | null;
  readonly cells: CellTable;
  /** What other threads see of the mailboxes, and how they are reached; null if there are none. */
  readonly places: Places | null;
  peers: Peers | null = null;
  /** Why actors that others knew have stopped; the latest of them. */
  readonly #exits = new Map<number, StopReason>();
  readonly sources = new SourceTable();
  readonly signals = new SignalTable();
  /** Those whose handlers have these callbacks. */
  readonly ticking = new Set<Cell>();
  readonly interruptible = new Set<Cell>();
  readonly #refusals: Refusals;
  readonly #tickets: Sender<Cell | Mail>;
  readonly #slowHandlerMs: number;
  #run: Promise<void> | null = null;
  #isClosing = false;

  constructor(
    number: number,
    host: ShardHost,
    options: ResolvedShardOptions,
    { places = null, counters = null, generation = 0 }: ShardMemory = {},
  ) {
    this.number = number;
    this.host = host;
    this.places = places;
    this.counters = counters === null ? createCounters() : readCounters(counters);
    this.#sharedCounters = counters;
    this.cells = new CellTable(generation);
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
    this.#run ??= this.#runOn();
    return this.#run;
  }

  async #runOn(): Promise<void> {
    const handler = new ShardHandler(this);
    for (;;) {
      try {
        return await this.loop.run(handler);
      } catch (error) {
        // Of a thread that died while it wrote (rule C6); the others must not notice.
        if ((error as { code?: unknown }).code !== 'ERR_CHANNEL_BROKEN') throw error;
      }
    }
  }

  // --- Actors ------------------------------------------------------------

  /** Constructs the actor here and now; throws what its constructor throws. */
  spawn(blueprint: Blueprint, parent: Parent | null): ActorRef {
    const handler = this.construct(blueprint);
    const cell = this.cells.insert(
      (place) => new Cell(this, place, blueprint, { parent, handler }),
    );
    this.counters.spawned += 1;
    this.#publishCells();
    this.adopt(cell);
    if (parent instanceof Cell) parent.adopt(cell.ref);
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

  /** Puts an actor of a shard that died where it was; its first instance is to come. */
  restore(blueprint: Blueprint, place: Place, parent: Parent | null): Cell {
    const create = () => new Cell(this, place, blueprint, { parent, handler: null });
    const cell = this.cells.restore(place, create);
    cell.state = State.BACKOFF;
    this.counters.spawned += 1;
    cell.share();
    this.#publishCells();
    return cell;
  }

  /** Other threads see how many there are, and the next shard where to go on. */
  #publishCells(): void {
    if (this.places === null) return;
    this.places.actors = this.cells.size;
    this.places.generation = this.cells.generation;
  }

  identityOf({ generation }: Place, name: string | null): Identity {
    return { system: this.host.id, shard: this.number, serial: generation, name };
  }

  /** Why an actor has stopped; null if that is not known any more. */
  exitOf({ generation }: Place): StopReason | null {
    return this.#exits.get(generation) ?? null;
  }

  construct({ HandlerClass, options }: Blueprint): Handler {
    const handler = new HandlerClass!(...(options.args as never[])) as Handler;
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
    this.#publishCells();
    if (cell.places !== null) this.#remember(cell, reason);
    this.counters.stopped += 1;
    this.host.gone(cell.ref);
    const event: StoppedEvent = { actor: cell.ref, reason };
    if (stopChannel.hasSubscribers) stopChannel.publish(event);
    this.host.emit('stopped', event);
  }

  #remember({ generation }: Cell, reason: StopReason): void {
    this.#exits.set(generation, reason);
    if (this.#exits.size <= EXITS_KEPT) return;
    const [oldest] = this.#exits.keys() as Iterable<number>;
    this.#exits.delete(oldest);
  }

  enqueue(cell: Cell): void {
    this.#tickets.send(cell);
  }

  /** To this shard itself. */
  post(mail: Mail): void {
    this.#tickets.send(mail);
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

  /** A message that was not taken: its sender knows, and has it still. */
  refuse(actor: ActorRef, reason: RefusalReason, message: unknown): void {
    this.#refusals.add(actor, reason, message);
  }

  /** A message that was taken, and will not be delivered: nobody else has it. */
  lose(actor: ActorRef, reason: RefusalReason, message: unknown): void {
    this.closeFlights(message);
    this.#refusals.add(actor, reason, message);
  }

  /** Nobody will take the sources that are in flight in this. */
  closeFlights(message: unknown): void {
    closeFlights(this.driver, message);
  }

  /** Messages that went with another shard. */
  refuseMany(actor: ActorRef, reason: RefusalReason, count: number): void {
    this.#refusals.addMany(actor, reason, count);
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

  /** At the end of a tick. */
  flushReports(): void {
    this.#refusals.flush();
    this.#publishCounters();
  }

  #publishCounters(): void {
    if (this.#sharedCounters !== null) writeCounters(this.#sharedCounters, this.counters);
  }

  metrics(): ShardMetrics {
    const loop = this.loop.metrics();
    // Without the one that stands for the runtime's own deadlines.
    loop.pendingTimers = Math.max(0, loop.pendingTimers - 1);
    let pendingMessages = 0;
    for (const { ring } of this.cells.all()) pendingMessages += ring.size;
    this.#publishCounters();
    const { number: shard, counters } = this;
    return { shard, ...counters, actors: this.cells.size, pendingMessages, loop };
  }

  // --- The end -----------------------------------------------------------

  /** Whether actors can be spawned. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Stops all actors at once; at the latest when the time is over. */
  async drain(timeoutMs: number): Promise<void> {
    this.#isClosing = true;
    const cells = this.cells.all();
    await Promise.all(cells.map((cell) => cell.stop({ kind: 'system' }, timeoutMs)));
    this.#refusals.flush();
  }

  /** Ends the loop. */
  async close(): Promise<void> {
    this.loop.shutdown();
    await this.#run;
    this.#closeLoop();
  }

  #closeLoop(): void {
    for (const item of this.loop.close()) {
      if (item instanceof Mail) this.closeFlights(item.payload);
    }
  }

  /**
   * The thread is about to end, and all mailboxes with it: what they hold is
   * noted where home finds it. Those to which other threads may send are
   * counted there already, message by message.
   */
  leaveNote(): void {
    this.#publishCounters();
    this.places?.publishReleases();
    for (const { places, slot, generation, ring } of this.cells.all()) {
      if (places === null && ring.size > 0) this.places?.lose(slot, generation, ring.size);
    }
  }

  /** The loop has failed: nothing will be called any more, `stopped()` excepted. */
  abandon(error: unknown): void {
    for (const cell of this.cells.all()) force(cell, { kind: 'shardExit', error });
    this.#refusals.flush();
    this.#closeLoop();
  }
}
