/**
 * Sources that move between shards, without a pause, while the shards die.
 *
 * Goal: whatever dies, and when, each source ends, and its peer sees it; no
 * descriptor is left, and nobody is ever given a handle that leads nowhere.
 */
import { ActorSystem, type CrashEvent, type ShardExitEvent, UnixStream } from '../../src/index.js';
import type { Act } from '../fixtures/actors/player.js';
import { eventually } from './eventually.js';
import { descriptorCount } from './proc.js';
import { random } from './random.js';
import { COURIER, type CourierRef } from './couriers.js';
import { readText } from './sockets.js';

const SHARDS = 3;
const WAYS = ['exit', 'throwOutside', 'exhaust', 'exitInRelay'] as const;

/** As much as a shard lives before it is to die: else it would be given up. */
const LIFE_MS = 500;

/** More would be a test of the limit of descriptors. */
const OPEN_MAX = 200;
const ROUTE_MAX = 4;
const BATCH = 8;
const RESTART = { maxRestarts: 1e9, withinMs: 1, backoffMs: 0 };

/** Returns what was wrong. */
export async function moves(
  count: number,
  seed: number,
  print?: (line: string) => void,
): Promise<string[]> {
  const wrong: string[] = [];
  const system = await ActorSystem.start({
    shards: SHARDS,
    resourceLimits: { maxOldGenerationSizeMb: 40, maxYoungGenerationSizeMb: 8 },
  });
  // Its threads have what they need by now.
  const before = descriptorCount(process.pid);
  system.on('crash', ({ kind, error }: CrashEvent) => wrong.push(`${kind}: ${String(error)}`));
  try {
    const stream = new MovingStream(system, seed);
    await stream.open();
    await stream.endThreads(count, print);
    wrong.push(...(await stream.close()));
  } finally {
    await system.stop({ timeoutMs: 0 });
  }
  const left = await eventually(() => {
    const more = descriptorCount(process.pid) - before;
    if (more > 0) throw new Error(`${more} descriptors are left`);
    return [];
  }).catch((error: Error) => [error.message]);
  return [...wrong, ...left];
}

class MovingStream {
  readonly #system: ActorSystem;
  readonly #next: () => number;
  /** Of each shard one that relays at once, and one that relays what came before a pause. */
  #couriers: CourierRef[] = [];
  /** The ends that stay here. */
  readonly #peers = new Set<UnixStream>();
  readonly #exits: ShardExitEvent[] = [];
  #timer: NodeJS.Timeout | null = null;
  #moved = 0;

  constructor(system: ActorSystem, seed: number) {
    this.#system = system;
    this.#next = random(seed).next;
    system.on('shardExit', (event) => this.#exits.push(event));
  }

  async open(): Promise<void> {
    for (let shard = 0; shard <= SHARDS; shard++) {
      for (const serial of [false, true]) {
        const options = { export: 'Courier', shard, supervision: RESTART, mailbox: { serial } };
        this.#couriers.push(await this.#system.spawn<Act>(COURIER, options));
      }
    }
    this.#timer = setInterval(() => this.#moveSome(), 1);
  }

  async endThreads(count: number, print?: (line: string) => void): Promise<void> {
    const upSince = new Array<number>(SHARDS).fill(performance.now());
    for (let death = 0; death < count; death++) {
      const shard = death % SHARDS;
      const livedMs = performance.now() - upSince[shard];
      await pause(Math.max(0, LIFE_MS - livedMs) + this.#next() * 20);
      await this.#end(shard, death);
      upSince[shard] = performance.now();
      if (death % 20 === 19) print?.(`${death + 1} deaths, ${this.#moved} sources have moved`);
    }
  }

  /** Nothing is begun any more, and all that was begun comes to its end. */
  async close(): Promise<string[]> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#couriers.map((courier) => courier.stop({ timeoutMs: 2000 })));
    const wrong: string[] = await eventually(() => {
      this.#reap();
      if (this.#peers.size > 0) throw new Error(`${this.#peers.size} sources have not ended`);
      return [];
    }).catch((error: Error) => [error.message]);
    for (const peer of this.#peers) peer.close();
    if (this.#moved === 0) wrong.push('nothing has moved');
    return wrong;
  }

  async #end(shard: number, death: number): Promise<void> {
    const way = this.#draw(WAYS);
    const courier = this.#couriers[2 * shard];
    const route = this.#route();
    await eventually(() => courier.ask(['echo', 1]), 20_000);
    const moving = way === 'exitInRelay' ? [this.#give(), route[0]] : [1];
    courier.send([way, ...moving]);
    await eventually(() => {
      if (this.#exits.length <= death) throw new Error(`shard ${shard} lives on after ${way}`);
    }, 20_000);
    await eventually(() => courier.ask(['echo', 1]), 20_000);
  }

  #moveSome(): void {
    this.#reap();
    for (let count = 0; count < BATCH && this.#peers.size < OPEN_MAX; count++) {
      const [first, ...rest] = this.#route();
      const handle = this.#give();
      if (!first.send(['relay', handle, rest])) UnixStream.from(handle).close();
    }
  }

  #give() {
    const [moving, peer] = UnixStream.pair();
    this.#peers.add(peer);
    this.#moved += 1;
    return moving.transfer();
  }

  #route(): [CourierRef, ...CourierRef[]] {
    const length = 1 + Math.floor(this.#next() * ROUTE_MAX);
    const route = Array.from({ length }, () => this.#draw(this.#couriers));
    return route as [CourierRef, ...CourierRef[]];
  }

  #draw<V>(values: readonly V[]): V {
    return values[Math.floor(this.#next() * values.length)];
  }

  /** Those of which the other end is closed. */
  #reap(): void {
    for (const peer of this.#peers) {
      if (readText(peer) !== '') continue;
      peer.close();
      this.#peers.delete(peer);
    }
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}
