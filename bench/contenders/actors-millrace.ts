/** Actors of Millrace, all on one thread. */
import { type ActorContext, type ActorRef, ActorSystem, Handler } from 'millrace';
import {
  type ActorRequest,
  ASKS,
  check,
  rateOfBatches,
  SPAWNS,
  Tally,
  TELLS,
} from './actor-protocol.js';
import { serve } from './protocol.js';

const tally = new Tally();

class Counter extends Handler<number> {
  override notify(_loop: ActorContext<number>, message: number): void {
    tally.add(message);
  }
}

class Successor extends Handler<number> {
  override notify(_loop: ActorContext<number>, message: number): number {
    return message + 1;
  }
}

const system = await ActorSystem.start({ shards: 0 });
const counter = await system.spawn(Counter);
const successor = await system.spawn(Successor);

serve(({ measure, ms, count }: ActorRequest) => {
  if (measure === 'tell') return rateOfBatches(ms, TELLS, tell);
  if (measure === 'askOne') return rateOfBatches(ms, 1, () => ask(1));
  if (measure === 'askMany') return rateOfBatches(ms, ASKS, () => ask(ASKS));
  if (measure === 'spawn') return spawnRate(ms);
  return bytesPerActor(count);
});

async function tell(): Promise<void> {
  const handled = tally.await(TELLS);
  for (let sent = 0; sent < TELLS; sent++) {
    if (!counter.send(1)) throw new Error('the mailbox refused a message');
  }
  await handled;
}

async function ask(count: number): Promise<void> {
  const answers: Promise<number>[] = [];
  for (let asked = 0; asked < count; asked++) answers.push(successor.ask(asked));
  for (const [asked, answer] of (await Promise.all(answers)).entries()) check(answer, asked + 1);
}

/** Only the spawning counts; what was spawned is stopped in between. */
async function spawnRate(ms: number): Promise<{ count: number; elapsedMs: number }> {
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < ms) {
    const begin = performance.now();
    const actors = await spawnMany(SPAWNS);
    elapsedMs += performance.now() - begin;
    count += SPAWNS;
    check(await actors.at(-1)?.ask(1), 2);
    await Promise.all(actors.map((actor) => actor.stop()));
  }
  return { count, elapsedMs };
}

/** One after the other, each awaited, as programs do it. */
async function spawnMany(count: number): Promise<ActorRef<number>[]> {
  const actors: ActorRef<number>[] = [];
  for (let spawned = 0; spawned < count; spawned++) actors.push(await system.spawn(Successor));
  return actors;
}

/** Of an actor that has handled a message; and what a stop leaves of it. */
async function bytesPerActor(count: number): Promise<{ alive: number; stopped: number }> {
  await spawnMany(count).then(stopAll);
  const before = heapUsed();
  const actors = await spawnMany(count);
  for (const actor of actors) actor.send(1);
  await actors.at(-1)?.ask(1);
  const alive = (heapUsed() - before) / count;
  await stopAll(actors);
  actors.length = 0;
  return { alive, stopped: (heapUsed() - before) / count };
}

async function stopAll(actors: readonly ActorRef[]): Promise<void> {
  await Promise.all(actors.map((actor) => actor.stop()));
}

function heapUsed(): number {
  if (globalThis.gc === undefined) throw new Error('to be run with --expose-gc');
  for (let round = 0; round < 4; round++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}
