/** Systems whose actors run in threads, and actors that do what they are told. */
import { expect } from 'chai';
import {
  type ActorRef,
  ActorSystem,
  type SpawnOptions,
  type SystemOptions,
} from '../../src/index.js';
import type { Act } from '../fixtures/actors/player.js';
import { Stage } from './actors.js';
import { eventually } from './eventually.js';

/** From `dist/test/support/`. */
export const PLAYER = new URL('../fixtures/actors/player.js', import.meta.url);

export type PlayerRef = ActorRef<Act>;

export class ThreadStage extends Stage {
  spawnPlayer(options: SpawnOptions = {}): Promise<PlayerRef> {
    return this.system.spawn<Act>(PLAYER, options);
  }

  /** One in each of the first shards. */
  spawnPlayers(count: number, options: SpawnOptions = {}): Promise<PlayerRef[]> {
    return Promise.all(
      Array.from({ length: count }, (_, shard) => this.spawnPlayer({ ...options, shard })),
    );
  }
}

/** Returns what starts a system that is stopped after the test. */
export function threadStagesAfterEach(): (options?: SystemOptions) => Promise<ThreadStage> {
  const systems: ActorSystem[] = [];
  afterEach('stops the systems', async () => {
    await Promise.all(systems.map((system) => system.stop({ timeoutMs: 0 })));
    systems.length = 0;
  });
  return async (options) => {
    const system = await ActorSystem.start(options);
    systems.push(system);
    return new ThreadStage(system);
  };
}

/**
 * Makes an actor with a serial mailbox hold what is in it, and comes back when
 * it does. Returns what lets it go on.
 */
export function hold(actor: PlayerRef): Promise<() => void> {
  return busy(actor, 'hold');
}

/** The same for the thread of the actor, which is kept in a callback. */
export function block(actor: PlayerRef): Promise<() => void> {
  return busy(actor, 'block');
}

async function busy(actor: PlayerRef, how: 'hold' | 'block'): Promise<() => void> {
  const words = new Int32Array(new SharedArrayBuffer(8));
  actor.send([how, words]);
  await eventually(() => expect(Atomics.load(words, 1)).to.equal(1));
  return () => {
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  };
}
