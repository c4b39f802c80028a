/**
 * What the thread of a shard runs; `workers/shard.ts` imports it there. Home,
 * the thread that started the system, is its owner.
 */
import { sharedMemory } from '../channel/shared-memory.js';
import { openThreadPort } from '../channel/thread-ports.js';
import { ComputePool } from '../compute/compute-pool.js';
import { provideCrossing } from '../loop/crossing.js';
import { nativeDriver } from '../poll/native-driver.js';
import type { ServedThread } from '../thread/worker-side.js';
import { systemStopped } from './actor-errors.js';
import type { ActorRef } from './actor-ref.js';
import type { Cell } from './cell.js';
import { clonable } from './clonable.js';
import type { SharedCounters } from './counters.js';
import {
  type HandlerClass,
  importHandlerClass,
  isHandlerClass,
  requireOwnShard,
  requireSpawnable,
} from './handler-class.js';
import type { Restored, ShardApi, ShardControl } from './home-api.js';
import { revive } from './lifecycle.js';
import type { Link } from './link.js';
import { callListener } from './listeners.js';
import { orDiscard, spawnOfModule } from './module-spawn.js';
import {
  type ResolvedShardOptions,
  type ResolvedSpawnOptions,
  requireName,
  resolveSpawnOptions,
  type SpawnOptions,
  spawnDefaults,
} from './options.js';
import type { ParentAddress } from './parent.js';
import { Peers } from './peers.js';
import { Places } from './places.js';
import { RemoteDispatcher } from './remote-dispatcher.js';
import { SYSTEM_EVENTS, type SystemEventName } from './reports.js';
import { Shard, type ShardHost } from './shard.js';
import type { PoolShare } from './task-desk.js';

/** What home starts a shard with. */
export interface ShardThreadData {
  readonly system: string;
  readonly name: string;
  readonly shard: number;
  /** The worker threads; the number of home, too. */
  readonly shards: number;
  readonly incarnation: number;
  /** The latest that an incarnation before this one gave away. */
  readonly generation: number;
  readonly places: SharedArrayBuffer;
  readonly counters: SharedCounters;
  readonly pool: PoolShare;
  readonly options: ResolvedShardOptions;
}

export function main(data: ShardThreadData): ServedThread {
  provideCrossing(sharedMemory);
  // What its actors have given away and not sent is in no other thread's hands.
  nativeDriver.threads.trustThisThread();
  const thread = new ShardThread(data);
  return { api: thread.control, stop: () => thread.stop() };
}

class ShardThread implements ShardHost {
  readonly id: string;
  readonly name: string;
  readonly #spawnDefaults: ResolvedSpawnOptions;
  readonly #shard: Shard;
  readonly #peers: Peers;
  readonly #home: Link;
  readonly #dispatcher: RemoteDispatcher;
  readonly compute: ComputePool;
  readonly #running: Promise<void>;
  /** What begins the back-offs of actors that were restored. */
  #revivals: ((args: readonly unknown[]) => void)[] = [];

  constructor({ system, name, shard, shards, incarnation, ...rest }: ShardThreadData) {
    this.id = system;
    this.name = name;
    const places = new Places(rest.places);
    const { counters, generation, pool, options } = rest;
    this.#spawnDefaults = spawnDefaults(options.loop);
    this.#shard = new Shard(shard, this, options, { places, counters, generation });
    this.#peers = new Peers(this.#shard, { incarnation, count: shards + 1, api: this.#api() });
    this.#home = this.#peers.link(shards);
    this.#dispatcher = new RemoteDispatcher(this.#home, pool);
    this.compute = new ComputePool(undefined, this.#dispatcher);
    this.#running = this.#shard.run();
    // Not if it runs out of memory: then nothing of it is called any more.
    process.once('exit', () => this.#shard.leaveNote());
  }

  async stop(): Promise<void> {
    this.#dispatcher.abandon();
    this.#peers.close();
    await this.#shard.close();
    await this.#running;
  }

  // --- What home asks for ------------------------------------------------

  get control(): ShardControl {
    const peers = this.#peers;
    const shard = this.#shard;
    return {
      address: () => peers.address,
      connect: (neighbours) => {
        for (const { address, port } of neighbours) {
          if (port !== null) openThreadPort(port);
          peers.connect(address);
        }
      },
      up: (shards) => {
        for (const number of shards) peers.up(number);
      },
      down: (number, error) => peers.down(number, error),
      giveUp: (number, error) => peers.giveUp(number, error),
      drain: (timeoutMs) => shard.drain(timeoutMs),
      metrics: () => shard.metrics(),
    };
  }

  #api(): ShardApi {
    return {
      spawn: (href, options, address) =>
        orDiscard(options, async () => {
          const parent = this.#peers.livingParentAt(address);
          return spawnOfModule(this.#shard, href, options, parent);
        }),
      restore: (actors) => {
        this.#revivals = actors.map((actor) => this.#restore(actor));
      },
      revive: (args) => {
        for (const [index, begin] of this.#revivals.entries()) begin(args[index]);
        this.#revivals = [];
      },
    };
  }

  #restore({
    href,
    options,
    parent: address,
    attempt,
    delayMs,
    ...place
  }: Restored): (args: readonly unknown[]) => void {
    const parent = address === null ? null : this.#peers.parentAt(address);
    const blueprint = { HandlerClass: null as HandlerClass | null, options };
    const cell = this.#shard.restore(blueprint, place, parent);
    const load = async () => {
      blueprint.HandlerClass = await importHandlerClass(new URL(href), options.export);
    };
    return (args) => {
      blueprint.options = { ...options, args };
      revive(cell, { action: 'restart', attempt, delayMs }, load);
    };
  }

  // --- What the shard asks for -------------------------------------------

  async spawn(
    module: URL | HandlerClass,
    options: SpawnOptions | undefined,
    parent: Cell | null,
  ): Promise<ActorRef> {
    requireSpawnable(module);
    const resolved = resolveSpawnOptions(options, this.#spawnDefaults);
    if (!isHandlerClass(module)) {
      const address: ParentAddress | null = parent && [
        parent.ref,
        parent.instance,
        this.#peers.from,
      ];
      const { moved } = resolved;
      return this.#home.call('spawn', [module.href, resolved, address], { moved });
    }
    requireOwnShard(resolved, this.#shard.number);
    if (this.#shard.isClosing) throw systemStopped(this.name);
    const { name } = resolved;
    if (name !== null) await this.#home.call('reserve', [name]);
    try {
      const actor = this.#shard.spawn({ HandlerClass: module, options: resolved }, parent);
      if (name !== null) this.#home.note('named', [name, actor]);
      return actor;
    } catch (error) {
      if (name !== null) this.#home.note('release', [name]);
      throw error;
    }
  }

  async lookup(name: string): Promise<ActorRef | null> {
    return this.#home.call('lookup', [requireName('name', name)]);
  }

  gone(actor: ActorRef): void {
    this.#home.note('gone', [actor]);
  }

  listens(event: SystemEventName): boolean {
    return (this.#home.places.listened & (1 << SYSTEM_EVENTS.indexOf(event))) !== 0;
  }

  emit(event: SystemEventName, payload: unknown): void {
    if (!this.#home.isUp || !this.listens(event)) return;
    try {
      this.#home.note('event', [event, payload]);
    } catch {
      this.#home.note('event', [event, clonable(payload)]);
    }
  }

  guard(listener: () => unknown): void {
    callListener(listener);
  }
}
