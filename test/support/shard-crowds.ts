/** Very many actors: what they weigh, how fast they come, and what they leave. */
import { type ActorRef, ActorSystem, type Remote, type SystemMetrics } from '../../src/index.js';
import type { Host } from '../fixtures/actors/crowd.js';

const CROWD = new URL('../fixtures/actors/crowd.js', import.meta.url);

const KIB = 2 ** 10;
const MIB = 2 ** 20;

type Print = (line: string) => void;

/** Actors for which one call asks, so that none takes long. */
const BATCH = 1000;

// --- All at once ---------------------------------------------------------

const ACTOR_BYTES_MAX = KIB;
/** What the collector did not get to, and the tables of the thread. */
const LEFT_BYTES_MAX = 32;

/** So many idle actors in one shard. Returns what was wrong. */
export async function crowd(count: number, print: Print): Promise<string[]> {
  const system = await ActorSystem.start({ shards: 1 });
  try {
    const actor = await system.spawn(CROWD, { export: 'Host', shard: 0 });
    const host = actor.proxy<Host>();
    // Once before: what is made for the first ones stays.
    await gather(host, count);
    await dismiss(host, count);
    const before = await host.heapBytes();
    const seconds = await gather(host, count);
    const each = ((await host.heapBytes()) - before) / count;
    await dismiss(host, count);
    const left = ((await host.heapBytes()) - before) / count;
    const rate = Math.round(count / seconds);
    print(`${each.toFixed(0)} bytes each, ${left.toFixed(1)} left by each, ${rate} a second`);
    return [
      ...(each <= ACTOR_BYTES_MAX ? [] : [`an actor takes ${each} bytes`]),
      ...(left <= LEFT_BYTES_MAX ? [] : [`an actor leaves ${left} bytes`]),
    ];
  } finally {
    await system.stop();
  }
}

/** Returns the seconds that spawning took; each has handled a message by then. */
async function gather(host: Remote<Host>, count: number): Promise<number> {
  const beganMs = performance.now();
  for (let done = 0; done < count; done += BATCH) await host.gather(Math.min(BATCH, count - done));
  return (performance.now() - beganMs) / 1000;
}

async function dismiss(host: Remote<Host>, count: number): Promise<void> {
  for (let done = 0; done < count; done += BATCH) await host.dismiss(BATCH);
}

// --- One after the other -------------------------------------------------

/** In each of them the same is spawned and stopped. */
const ROUNDS = 20;

/** What a million actors may seem to leave: pages of allocators, tables that have grown. */
const GROWTH_MAX_BYTES = 4 * MIB;

/** What is there after a round, of the whole system. */
interface Sample {
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Actors, messages, timeouts, sources. */
  readonly alive: string;
}

/**
 * So many actors are spawned and stopped: by actors of two shards, of a class
 * in their own thread, and of a module in each of the three threads. Returns
 * what was wrong.
 */
export async function turnover(count: number, print: Print): Promise<string[]> {
  const system = await ActorSystem.start({ shards: 2 });
  try {
    const actors: ActorRef[] = await Promise.all(
      [0, 1, 2].map((shard) => system.spawn(CROWD, { export: 'Host', shard })),
    );
    const hosts = actors.map((actor) => actor.proxy<Host>());
    const samples: Sample[] = [];
    const beganMs = performance.now();
    for (let round = 1; round <= ROUNDS; round++) {
      await turnOver(hosts, Math.ceil(count / ROUNDS));
      samples.push(await sample(system, hosts));
      const { heapBytes, rssBytes, alive } = samples.at(-1) as Sample;
      const memory = `${inMib(heapBytes)} MiB of heaps, ${inMib(rssBytes)} MiB resident`;
      print(`${(round * 100) / ROUNDS} %: ${memory}; ${alive}`);
    }
    const seconds = (performance.now() - beganMs) / 1000;
    print(`${Math.round(count / seconds)} actors a second spawned, asked and stopped`);
    return judge(samples, await system.metrics());
  } finally {
    await system.stop();
  }
}

async function turnOver(hosts: readonly Remote<Host>[], count: number): Promise<void> {
  const wheres = ['here', 0, 1, 2] as const;
  for (let done = 0; done < count; done += BATCH) {
    const batch = Math.ceil(Math.min(BATCH, count - done) / hosts.length);
    const where = wheres[(done / BATCH) % wheres.length];
    await Promise.all(hosts.map((host) => host.turnOver(batch, where)));
  }
}

async function sample(system: ActorSystem, hosts: readonly Remote<Host>[]): Promise<Sample> {
  let heapBytes = 0;
  for (const host of hosts) heapBytes += await host.heapBytes();
  const { actors, pendingMessages, shards } = await system.metrics();
  const timers = shards.reduce((sum, { loop }) => sum + loop.pendingTimers, 0);
  const sources = shards.reduce((sum, { loop }) => sum + loop.sources, 0);
  const waiting = `${pendingMessages} messages, ${timers} timeouts, ${sources} sources`;
  const alive = `${actors} actors, ${waiting}`;
  return { heapBytes, rssBytes: process.memoryUsage.rss(), alive };
}

/** The first quarter is for tables that find their size. */
function judge(samples: readonly Sample[], { spawned, stopped }: SystemMetrics): string[] {
  const wrong: string[] = [];
  const alive = new Set(samples.map((each) => each.alive));
  if (alive.size > 1) wrong.push(`what is alive has changed: ${[...alive].join('; ')}`);
  for (const kind of ['heapBytes', 'rssBytes'] as const) {
    const sizes = samples.map((each) => each[kind]);
    const growth = median(sizes.slice(-5)) - median(sizes.slice(5, 10));
    if (growth > GROWTH_MAX_BYTES) wrong.push(`${kind} grew by ${inMib(growth)} MiB`);
  }
  // The hosts themselves.
  if (spawned - stopped !== 3) wrong.push(`${spawned} were spawned, ${stopped} stopped`);
  return wrong;
}

function median(sizes: readonly number[]): number {
  return sizes.toSorted((left, right) => left - right)[Math.floor(sizes.length / 2)];
}

function inMib(bytes: number): string {
  return (bytes / MIB).toFixed(2);
}
