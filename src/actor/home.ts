/**
 * Home: the thread that started a system. It runs a shard like any other, and
 * knows what is one for all of them: names, where actors are placed, who
 * listens, and the threads of the other shards.
 */
import { randomUUID } from 'node:crypto';
import { ComputePool } from '../compute/compute-pool.js';
import { outOfRange } from '../errors.js';
import { nameTaken, shardIsDown, systemStopped } from './actor-errors.js';
import type { ActorRef } from './actor-ref.js';
import type { Cell } from './cell.js';
import {
  type HandlerClass,
  isHandlerClass,
  requireOwnShard,
  requireSpawnable,
} from './handler-class.js';
import type { HomeApi, Restored } from './home-api.js';
import { lend } from './lent-pool.js';
import { type AnyListener, callListener, Listeners } from './listeners.js';
import { mergeMetrics, type SystemMetrics } from './metrics.js';
import { orDiscard, spawnOfModule } from './module-spawn.js';
import {
  requireName,
  type ResolvedSpawnOptions,
  type ResolvedSystemOptions,
  resolveSpawnOptions,
  type SpawnOptions,
  spawnDefaults,
} from './options.js';
import type { Parent, ParentAddress } from './parent.js';
import { Peers } from './peers.js';
import { Places } from './places.js';
import { type LostActor, Records } from './records.js';
import { SYSTEM_EVENTS, type SystemEventName, type SystemEvents } from './reports.js';
import { Shard, type ShardHost } from './shard.js';
import { type ShardDeath, ShardThreads, type ShardThreadsHost } from './shard-threads.js';
import { type PoolShare, TaskDesk } from './task-desk.js';

export class Home implements ShardHost, ShardThreadsHost {
  readonly id: string;
  readonly name: string;
  readonly #options: ResolvedSystemOptions;
  readonly #spawnDefaults: ResolvedSpawnOptions;
  readonly #listeners = new Listeners();
  /** Names that are taken; null while the actor is being made. */
  readonly #names = new Map<string, ActorRef | null>();
  /** Of this thread. Its number is the one after those of the worker threads. */
  readonly #shard: Shard;
  readonly #records: Records;
  readonly #desk: TaskDesk;
  /** The pool of the system, as the user has it, */
  readonly pool: ComputePool;
  /** and as the actors of this thread do. */
  readonly compute: ComputePool;
  #peers: Peers | null = null;
  #threads: ShardThreads | null = null;
  /** Actors on their way to a shard, which does not count them yet. */
  readonly #placed: number[];
  /** Of actors that are about to live again, by shard. */
  readonly #restoredArgs: (readonly unknown[])[][] = [];
  #stopping: Promise<void> | null = null;
  #lastMetrics: SystemMetrics | null = null;

  constructor(options: ResolvedSystemOptions) {
    const { name, shards } = options;
    this.#options = options;
    this.#spawnDefaults = spawnDefaults(options.loop);
    this.name = name;
    this.id = `${name}-${randomUUID()}`;
    const places = shards === 0 ? null : new Places();
    this.#shard = new Shard(shards, this, options, { places });
    this.#records = new Records(shards);
    this.#desk = new TaskDesk(options.compute, shards);
    this.pool = new ComputePool(undefined, this.#desk.pool);
    this.compute = lend(this.#desk.pool);
    this.#placed = new Array<number>(shards).fill(0);
    void this.#superviseShard();
  }

  get shards(): number {
    return this.#options.shards;
  }

  /** Starts the threads; without any there is nothing to wait for. */
  async start(): Promise<void> {
    const { shards } = this.#options;
    if (shards === 0) return;
    this.#peers = new Peers(this.#shard, { incarnation: 0, count: shards + 1, api: this.#api() });
    this.#peers.desk = this.#desk;
    this.#threads = new ShardThreads(this.#options, this.#peers, this);
    try {
      await this.#threads.start();
    } catch (error) {
      this.#stopping = this.#close();
      await this.#stopping;
      throw error;
    }
  }

  // --- Actors ------------------------------------------------------------

  async spawn(
    module: URL | HandlerClass,
    options: SpawnOptions | undefined,
    parent: Cell | null,
  ): Promise<ActorRef> {
    requireSpawnable(module);
    const resolved = resolveSpawnOptions(options, this.#spawnDefaults);
    if (isHandlerClass(module)) requireOwnShard(resolved, this.#shard.number);
    this.#requireRunning();
    return this.#named(resolved.name, (keep) => {
      if (isHandlerClass(module)) {
        return this.#shard.spawn({ HandlerClass: module, options: resolved }, parent);
      }
      return this.#place(module.href, resolved, { parent, address: this.#addressOf(parent) }, keep);
    });
  }

  async lookup(name: string): Promise<ActorRef | null> {
    return this.#names.get(requireName('name', name)) ?? null;
  }

  #addressOf(parent: Cell | null): ParentAddress | null {
    if (parent === null || this.#peers === null) return null;
    return [parent.ref, parent.instance, this.#peers.from];
  }

  /** The name is taken before the actor is made, for which others may ask meanwhile. */
  async #named(
    name: string | null,
    make: (keep: (actor: ActorRef) => void) => ActorRef | Promise<ActorRef>,
  ): Promise<ActorRef> {
    // A name of an actor that has stopped by now is free again.
    const keep = (actor: ActorRef): void => {
      if (name !== null && this.#names.has(name)) this.#names.set(name, actor);
    };
    if (name !== null) this.#reserve(name);
    try {
      const actor = await make(keep);
      if (actor.shard === this.#shard.number) keep(actor);
      return actor;
    } catch (error) {
      if (name !== null) this.#names.delete(name);
      throw error;
    }
  }

  /** `keep` is called before anything else can happen to the actor. */
  async #place(
    href: string,
    options: ResolvedSpawnOptions,
    { parent, address }: { parent: Parent | null; address: ParentAddress | null },
    keep: (actor: ActorRef) => void,
  ): Promise<ActorRef> {
    const shard = this.#choose(options.shard);
    if (shard === this.#shard.number) return spawnOfModule(this.#shard, href, options, parent);
    const link = this.#peers!.link(shard);
    if (!link.isUp) throw shardIsDown(shard, link.error);
    this.#placed[shard] += 1;
    try {
      const answered = (actor: ActorRef): void => {
        // The parent may have died while the child was made.
        const isOrphan = address !== null && this.#peers!.parentAt(address)?.isEnding !== false;
        this.#records.add(actor, { href, options, parent: address, isOrphan });
        keep(actor);
      };
      const { moved } = options;
      return await link.call('spawn', [href, options, address], { answered, moved });
    } finally {
      this.#placed[shard] -= 1;
    }
  }

  /** The one with the fewest actors, of those that live. */
  #choose(wanted: number | 'auto'): number {
    const { shards } = this.#options;
    if (wanted !== 'auto') {
      if (wanted > shards) {
        throw outOfRange('options.shard', `a whole number from 0 to ${shards}`, wanted);
      }
      return wanted;
    }
    let best = shards;
    let fewest = Infinity;
    for (let shard = 0; shard < shards; shard++) {
      const link = this.#peers!.link(shard);
      const load = link.isUp ? link.places.actors + this.#placed[shard] : Infinity;
      if (load >= fewest) continue;
      best = shard;
      fewest = load;
    }
    if (best === shards && shards > 0) throw shardIsDown(0, this.#peers!.link(0).error);
    return best;
  }

  #reserve(name: string): void {
    if (this.#names.has(name)) throw nameTaken(name);
    this.#names.set(name, null);
  }

  gone(actor: ActorRef): void {
    this.#records.delete(actor);
    const { name } = actor;
    if (name === null) return;
    // Another may have the name by now, of one that has died with its shard.
    const owner = this.#names.get(name);
    if (owner === actor || owner === null) this.#names.delete(name);
  }

  /** What other shards may ask for. */
  #api(): HomeApi {
    return {
      spawn: (href, options, address) =>
        orDiscard(options, async () => {
          this.#requireRunning();
          const parent = this.#peers!.livingParentAt(address);
          return this.#named(options.name, (keep) =>
            this.#place(href, options, { parent, address }, keep),
          );
        }),
      lookup: (name) => this.#names.get(name) ?? null,
      reserve: (name) => {
        this.#requireRunning();
        this.#reserve(name);
      },
      release: (name) => void this.#names.delete(name),
      named: (name, actor) => {
        if (this.#names.has(name)) this.#names.set(name, actor);
      },
      gone: (actor) => this.gone(actor),
      event: (name, payload) => this.emit(name, payload as SystemEvents[typeof name][0]),
      taskUnsent: () => this.#desk.pool.countUnsent(),
    };
  }

  get poolShare(): PoolShare {
    return this.#desk.share;
  }

  // --- Events ------------------------------------------------------------

  listen(how: 'on' | 'once' | 'off', event: SystemEventName, listener: AnyListener): void {
    this.#listeners[how](event, listener);
    this.#publishListened();
  }

  /** Shards do not report what nobody wants to hear. */
  #publishListened(): void {
    const { places } = this.#shard;
    if (places === null) return;
    places.listened = SYSTEM_EVENTS.reduce(
      (bits, event, index) => bits | (this.listens(event) ? 1 << index : 0),
      0,
    );
  }

  listens(event: SystemEventName): boolean {
    return this.#listeners.has(event);
  }

  emit<E extends SystemEventName>(event: E, payload: SystemEvents[E][0]): void {
    this.#listeners.emit(event, payload);
    // A listener for one event only has been called now.
    this.#publishListened();
  }

  guard(listener: () => unknown): void {
    callListener(listener);
  }

  async metrics(): Promise<SystemMetrics> {
    if (this.#lastMetrics !== null) return this.#lastMetrics;
    const others = (await this.#threads?.metrics()) ?? [];
    return mergeMetrics(this.name, [...others, this.#shard.metrics()], this.#threads?.lateness);
  }

  // --- Deaths ------------------------------------------------------------

  died(shard: number, { exit, cause, places }: ShardDeath): void {
    const { code, error } = exit;
    const peers = this.#peers!;
    peers.down(shard, cause);
    peers.afterMail(this.#desk.lose(shard));
    this.#records.orphan(shard);
    this.emit('shardExit', { shard, code, error });
    places.closeAll((slot, generation, count) => {
      const actor = peers.refTo(shard, { slot, generation }, null);
      this.#shard.refuseMany(actor, 'shardExit', count);
    });
  }

  async restore(shard: number): Promise<void> {
    const { restored, lost } = this.#records.decide(shard, performance.now());
    this.#freeNames(shard, restored);
    const link = this.#peers!.link(shard);
    for (const actor of lost) this.#bury(actor, link.error);
    this.#restoredArgs[shard] = restored.map(({ options }) => options.args);
    const bare = restored.map((each) => ({ ...each, options: { ...each.options, args: [] } }));
    await link.call('restore', [bare]);
  }

  revive(shard: number): void {
    this.#peers!.link(shard).note('revive', [this.#restoredArgs[shard]]);
    this.#restoredArgs[shard] = [];
  }

  givenUp(shard: number, error: unknown): void {
    const peers = this.#peers!;
    for (const actor of this.#records.loseAll(shard)) this.#bury(actor, error);
    this.#freeNames(shard, []);
    peers.giveUp(shard, error);
    this.#threads!.giveUp(shard, error);
  }

  /** Of actors that do not live again. */
  #freeNames(shard: number, restored: readonly Restored[]): void {
    const kept = new Set(restored.map(({ generation }) => generation));
    for (const [name, actor] of this.#names) {
      if (actor?.shard === shard && !kept.has(actor.place().generation)) this.#names.delete(name);
    }
  }

  #bury({ actor, parent: address, escalates }: LostActor, error: unknown): void {
    const parent = address === null ? null : this.#peers!.parentAt(address);
    if (escalates) parent?.childCrashed(error);
    parent?.childStopped(actor);
    this.emit('stopped', { actor, reason: { kind: 'shardExit', error } });
  }

  // --- The end -----------------------------------------------------------

  async stop(timeoutMs: number): Promise<void> {
    this.#stopping ??= this.#stop(timeoutMs);
    await this.#stopping;
  }

  async #stop(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    // All together: an actor that drains may wait for the answer of another shard.
    const drained = this.#shard.drain(timeoutMs);
    const stuck = (await this.#threads?.drain(timeoutMs)) ?? [];
    await drained;
    // They are ended all the same, which takes its time; nobody is to wait for them meanwhile.
    for (const shard of stuck) this.#peers?.closeLink(shard);
    await this.#drainPool(Math.max(0, deadlineMs - performance.now()));
    this.#lastMetrics = await this.metrics();
    await this.#close();
  }

  /** Not before the actors, which may wait for tasks, nor before their last ones are here. */
  async #drainPool(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#peers === null) resolve();
      else this.#peers.afterMail(resolve);
    });
    await this.#shard.within(this.#desk.pool.close(true), timeoutMs);
    await this.#desk.close();
  }

  async #close(): Promise<void> {
    await this.#desk.close();
    await this.#threads?.stop();
    this.#peers?.close();
    await this.#shard.close();
    this.#lastMetrics ??= mergeMetrics(this.name, [this.#shard.metrics()]);
    this.#listeners.clear();
    this.#names.clear();
  }

  async #superviseShard(): Promise<void> {
    try {
      await this.#shard.run();
    } catch (error) {
      // The system refuses what the loop stands on; no callback's error comes here.
      this.#stopping ??= this.#threads?.stop() ?? Promise.resolve();
      this.emit('shardExit', { shard: this.#shard.number, code: null, error });
      this.#shard.abandon(error);
      this.#peers?.close();
      void this.#desk.close();
    }
  }

  #requireRunning(): void {
    if (this.#stopping !== null) throw systemStopped(this.name);
  }
}
