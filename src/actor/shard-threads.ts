/**
 * The threads of a system, as home sees them: their start, their deaths, and
 * the start of the next one in the place of one that died (rule A6).
 *
 *   start ──> connect ──> up ──────────────> down ──> next ──> connect ──> restore ──> up
 *             all know its address,          others refuse     back-off    its actors are back
 *             and have a port to it
 */
import type { RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import {
  DEFAULT_STOP_TIMEOUT_MS,
  DRAIN_GRACE_MS,
  SHARD_BACKOFF_MAX_MS,
  SHARD_BACKOFF_MS,
  SHARD_CALM_MS,
  SHARD_RESTARTS_MAX,
  SHARD_STOP_MS,
} from '../limits.js';
import { MillraceError } from '../errors.js';
import { transfer } from '../thread/parcel.js';
import { type ThreadExit, WorkerThread } from '../thread/worker-thread.js';
import {
  createSharedCounters,
  readCounters,
  type SharedCounters,
  writeCounters,
} from './counters.js';
import type { Neighbour, ShardControl } from './home-api.js';
import type { PeerAddress } from './link.js';
import { absentMetrics, createLateness, type ShardMetrics } from './metrics.js';
import type { ResolvedSystemOptions } from './options.js';
import type { Peers } from './peers.js';
import { Places } from './places.js';
import type { ShardThreadData } from './shard-thread.js';
import { Supervisor } from './supervision.js';
import type { PoolShare } from './task-desk.js';

const ENTRY = new URL('../../workers/shard.js', import.meta.url);
const MODULE = new URL('./shard-thread.js', import.meta.url);

/** How many deaths a shard survives is counted in a row, not in a window. */
const RESTARTS = {
  onCrash: 'restart',
  maxRestarts: Infinity,
  withinMs: SHARD_CALM_MS,
  backoffMs: SHARD_BACKOFF_MS,
  backoffMaxMs: SHARD_BACKOFF_MAX_MS,
} as const;

export interface ShardDeath {
  readonly exit: ThreadExit;
  /** What those are told who asked it something. */
  readonly cause: unknown;
  /** Those of its mailboxes. */
  readonly places: Places;
}

export interface ShardThreadsHost {
  readonly poolShare: PoolShare;
  /** A thread has ended that should not have. */
  died(shard: number, death: ShardDeath): void;
  /** Its successor is up, and reachable from here alone. Resolves when its actors are in place. */
  restore(shard: number): Promise<void>;
  /** All threads can reach it. */
  revive(shard: number): void;
  /** There will be no other. */
  givenUp(shard: number, error: unknown): void;
}

interface Place {
  readonly shard: number;
  readonly supervisor: Supervisor;
  thread: WorkerThread<ShardControl> | null;
  address: PeerAddress | null;
  /** Whether its actors are in place. */
  isUp: boolean;
  /** Whether a callback keeps it from answering, now that it is to end. */
  isStuck: boolean;
  incarnation: number;
  generation: number;
  /** Over all incarnations. */
  readonly counters: SharedCounters;
  /** What the thread has told last; null if it never has. */
  seen: ShardMetrics | null;
  /** Of the loops of the dead, as far as they have told. */
  readonly lateness: RecordableHistogram;
  /** The end of all that goes on about it. */
  life: Promise<void>;
}

export class ShardThreads {
  readonly #system: string;
  readonly #options: ResolvedSystemOptions;
  readonly #peers: Peers;
  readonly #host: ShardThreadsHost;
  readonly #shards: Place[];
  readonly #stopping = new AbortController();
  #isEnding = false;
  /** Shards are taken up one after the other, so that each sees the others whole. */
  #takingUp: Promise<void> = Promise.resolve();

  constructor(options: ResolvedSystemOptions, peers: Peers, host: ShardThreadsHost) {
    this.#system = peers.system;
    this.#options = options;
    this.#peers = peers;
    this.#host = host;
    this.#shards = Array.from({ length: options.shards }, (_, shard) => ({
      shard,
      supervisor: new Supervisor(RESTARTS),
      thread: null,
      address: null,
      isUp: false,
      isStuck: false,
      incarnation: 0,
      generation: 0,
      counters: createSharedCounters(),
      seen: null,
      lateness: createLateness(),
      life: Promise.resolve(),
    }));
  }

  /** Starts all; if one cannot be started, none is left. */
  async start(): Promise<void> {
    const starts = await Promise.allSettled(this.#shards.map((each) => this.#start(each)));
    const failed = starts.find(({ status }) => status === 'rejected');
    if (failed !== undefined) {
      await this.stop();
      throw (failed as PromiseRejectedResult).reason;
    }
    for (const each of this.#shards) each.isUp = true;
    await this.#introduce(this.#shards, []);
    const numbers = [...this.#shards.keys()];
    await this.#tellAll((control) => control.up([...numbers, this.#peers.shard]));
    for (const { shard } of this.#shards) this.#peers.up(shard);
    for (const each of this.#shards) each.life = this.#watch(each);
  }

  /**
   * The messages on their way have been delivered, or the time is over. Returns
   * the shards that do not answer, because a callback does not return.
   */
  async drain(timeoutMs: number): Promise<number[]> {
    this.#stopping.abort();
    await this.#tellAll(async (control, each) => {
      each.isStuck = true;
      await control.drain(timeoutMs);
      each.isStuck = false;
    }, timeoutMs + DRAIN_GRACE_MS);
    return this.#shards.filter(({ isStuck }) => isStuck).map(({ shard }) => shard);
  }

  /** Ends all threads. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#isEnding = true;
    await Promise.all(this.#shards.map((each) => endThread(each)));
  }

  /** Of all shards. No count is ever less than it was: each lives on with its shard. */
  async metrics(): Promise<ShardMetrics[]> {
    await this.#tellAll(async (control, each) => {
      const { thread } = each;
      // What it has told last has to do.
      if (each.isStuck) return;
      const seen = await control.metrics();
      // It may have died since it told.
      if (each.thread === thread) each.seen = seen;
    });
    return this.#shards.map(({ shard, seen, counters }) => ({
      ...(seen ?? absentMetrics(shard)),
      ...readCounters(counters),
    }));
  }

  /** How late timeouts were in the threads that have died. */
  get lateness(): RecordableHistogram[] {
    return this.#shards.map(({ lateness }) => lateness);
  }

  /** Tells all shards that this one will not come again. */
  giveUp(shard: number, error: unknown): void {
    void this.#tellAll((control) => control.giveUp(shard, error));
  }

  // --- One shard ---------------------------------------------------------

  async #start(each: Place): Promise<void> {
    const { shard, incarnation, generation, counters } = each;
    const { name, shards, slowHandlerMs, loop, resourceLimits } = this.#options;
    const places = new Places();
    const data: ShardThreadData = {
      system: this.#system,
      name,
      shard,
      shards,
      incarnation,
      generation,
      places: places.buffer,
      counters,
      pool: this.#host.poolShare,
      options: { loop, slowHandlerMs },
    };
    const thread = await WorkerThread.start<ShardControl>(
      ENTRY,
      { module: MODULE.href, data },
      {
        name: `${name}-${shard}`,
        ...(resourceLimits !== undefined && { resourceLimits }),
        signal: this.#stopping.signal,
      },
    );
    each.thread = thread;
    each.address = await thread.remote.address();
    this.#peers.connect(each.address);
  }

  /**
   * Tells the newcomers where all others are, and the others where they are.
   * Each two of them get a port; home has one to each, from its start.
   */
  async #introduce(newcomers: readonly Place[], present: readonly Place[]): Promise<void> {
    const known = new Map<Place, Neighbour[]>(present.map((each) => [each, []]));
    for (const newcomer of newcomers) {
      const neighbours: Neighbour[] = [{ address: this.#peers.address, port: null }];
      for (const [other, others] of known) {
        const { port1, port2 } = new MessageChannel();
        neighbours.push({ address: other.address!, port: port1 });
        others.push({ address: newcomer.address!, port: port2 });
      }
      known.set(newcomer, neighbours);
    }
    const told = (each: Place) => tellNeighbours(each, known.get(each)!);
    // Of those that are present one may die meanwhile, which its own end tells.
    await Promise.allSettled(present.map(told));
    await Promise.all(newcomers.map(told));
  }

  async #watch(each: Place): Promise<void> {
    for (;;) {
      const exit = await each.thread!.exited;
      if (this.#isEnding) return;
      await this.#mourn(each, exit);
      if (this.#isStopping || !(await this.#startNext(each, exit.error))) return;
    }
  }

  async #mourn(each: Place, exit: ThreadExit): Promise<void> {
    const { shard } = each;
    const places = new Places(each.address!.places);
    each.thread = null;
    each.address = null;
    each.isUp = false;
    each.generation = places.generation;
    const counters = readCounters(each.counters);
    counters.stopped += places.actors;
    writeCounters(each.counters, counters);
    if (each.seen !== null) each.lateness.add(each.seen.loop.lateness);
    each.seen = null;
    const cause = causeOf(shard, exit);
    this.#host.died(shard, { exit, cause, places });
    await this.#tellAll((control) => control.down(shard, cause));
  }

  /** False if there is none, for good. */
  async #startNext(each: Place, cause: unknown): Promise<boolean> {
    let error = cause;
    for (;;) {
      const decision = each.supervisor.decide(performance.now());
      if (decision.action !== 'restart' || decision.attempt > SHARD_RESTARTS_MAX) {
        this.#host.givenUp(each.shard, error);
        return false;
      }
      // A stop cuts it short.
      await pause(decision.delayMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
      if (this.#isStopping) return false;
      each.incarnation += 1;
      try {
        await this.#start(each);
        if (this.#isStopping) return await this.#turnBack(each);
        const takenUp = this.#takingUp.then(() => this.#takeUp(each));
        this.#takingUp = takenUp.catch(() => {});
        await takenUp;
        return true;
      } catch (failure) {
        error = failure;
        if (this.#isStopping) return false;
        // It came up, and died before all knew of it.
        if (each.thread !== null) await this.#mourn(each, await this.#ended(each));
      } finally {
        // On a slow machine a start alone takes longer than a shard has to live.
        each.supervisor.restarted(performance.now());
      }
    }
  }

  /** It came up when nobody wanted it any more. */
  async #turnBack({ thread }: Place): Promise<false> {
    await thread?.stop({ timeoutMs: SHARD_STOP_MS });
    return false;
  }

  async #ended({ thread }: Place): Promise<ThreadExit> {
    void thread!.stop({ timeoutMs: DEFAULT_STOP_TIMEOUT_MS });
    return thread!.exited;
  }

  async #takeUp(each: Place): Promise<void> {
    const { shard, thread } = each;
    await this.#introduce([each], this.#present);
    await thread!.remote.up([...this.#present.map((other) => other.shard), this.#peers.shard]);
    await this.#host.restore(shard);
    each.isUp = true;
    await this.#tellAll((control) => control.up([shard]));
    this.#peers.up(shard);
    this.#host.revive(shard);
  }

  get #present(): Place[] {
    return this.#shards.filter(({ isUp }) => isUp);
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Each shard that lives. One that dies meanwhile is told of by its own end. */
  async #tellAll(
    tell: (control: WorkerThread<ShardControl>['remote'], each: Place) => Promise<void>,
    limitMs?: number,
  ): Promise<void> {
    const told = this.#shards.map(async (each) => {
      const { thread } = each;
      if (thread === null) return;
      await tell(limitMs === undefined ? thread.remote : thread.within(limitMs), each);
    });
    await Promise.allSettled(told);
  }
}

async function tellNeighbours({ thread }: Place, neighbours: readonly Neighbour[]): Promise<void> {
  const ports = neighbours.flatMap(({ port }) => port ?? []);
  try {
    await thread?.remote.connect(transfer(neighbours, ports));
  } finally {
    // Those that could not be handed over.
    for (const port of ports) port.close();
  }
}

function causeOf(shard: number, { code, error }: ThreadExit): unknown {
  if (error !== null) return error;
  return new MillraceError('ERR_THREAD_EXITED', `shard ${shard} ended with code ${code}`);
}

async function endThread({ thread, life }: Place): Promise<void> {
  await thread?.stop({ timeoutMs: SHARD_STOP_MS });
  await life;
}
