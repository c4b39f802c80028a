/** What is left of a shard that dies: the number of what is lost, and all that it had counted. */
import { expect } from 'chai';
import type { ActorCounters, ActorSystem, RefusedEvent, SystemMetrics } from '../../src/index.js';
import { COUNTERS } from '../../src/actor/counters.js';
import type { Player } from '../fixtures/actors/player.js';
import { QUICK } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { hold, type PlayerRef, threadStagesAfterEach } from '../support/shards.js';

leavesNothingBehind();

describe('what a shard that dies leaves', function () {
  this.timeout(30_000);
  const start = threadStagesAfterEach();
  const SMALL = { maxOldGenerationSizeMb: 40, maxYoungGenerationSizeMb: 8 };

  function refusalsOf(system: ActorSystem): RefusedEvent[] {
    const refused: RefusedEvent[] = [];
    system.on('refused', (event) => refused.push(event));
    return refused;
  }

  for (const way of ['exit', 'throwOutside']) {
    it(`A6: what its own actors had sent each other is counted: ${way}`, async () => {
      const stage = await start({ shards: 2 });
      const refused = refusalsOf(stage.system);
      const actor = await stage.spawnPlayer({ shard: 0 });
      await actor.ask(['hoard', 7]);
      actor.send([way, 1]);
      await eventually(() => expect(refused).to.have.length(1));
      const [{ actor: child, reason, count }] = refused as [RefusedEvent];
      expect({ reason, count }).to.deep.equal({ reason: 'shardExit', count: 7 });
      expect(child).to.include({ shard: 0 }).and.not.equal(actor);
      expect((await stage.system.metrics()).refusedStopped).to.equal(7);
    });
  }

  it('A6: what waited for an actor that was stopping is counted as its own', async () => {
    const stage = await start({ shards: 2 });
    const refused = refusalsOf(stage.system);
    const actor = await stage.spawnPlayer({ shard: 0, mailbox: { serial: true } });
    const killer = await stage.spawnPlayer({ shard: 0 });
    await hold(actor);
    for (let index = 0; index < 5; index++) actor.send(['number', 0, index]);
    const stopped = actor.stop();
    await eventually(() => expect(actor.closed).to.equal(true));
    killer.send(['exit', 1]);
    await eventually(() => expect(refused).to.have.length(1));
    expect(refused[0]).to.include({ actor, reason: 'shardExit', count: 5 });
    await stopped;
  });

  for (const way of ['exit', 'throwOutside', 'exhaust']) {
    it(`A6: metrics never go back when a shard dies and is started again: ${way}`, async () => {
      const stage = await start({ shards: 2, resourceLimits: SMALL });
      const { system } = stage;
      const actor = await stage.spawnPlayer({ shard: 0, supervision: QUICK });
      await stage.spawnPlayer({ shard: 1 });
      let seen = await system.metrics();
      const steps: string[] = [];
      const look = async () => {
        const now = await system.metrics();
        steps.push(...stepsBack(now, seen));
        seen = now;
      };
      let asked = 0;
      for (const death of [1, 2]) {
        for (let count = 0; count < 10; count++) await actor.ask(['echo', count]);
        await actor.ask(['wind']);
        asked += 11;
        await eventually(async () => {
          await look();
          expect(seen.shards[0].loop.lateness.count).to.be.at.least(1);
        });
        actor.send([way, 3]);
        await eventually(async () => {
          await look();
          expect(stage.restarts).to.have.length(death);
        }, 20_000);
        asked += await askUntilAnswered(actor);
        await look();
      }
      expect(steps).to.deep.equal([]);
      expect(seen.asks).to.equal(asked);
      // The actor of shard 0 was spawned three times, and its thread has ended twice.
      expect(seen).to.include({ actors: 2, spawned: 4, stopped: 2, restarts: 2 });
      expect(seen.shards.map(({ shard }) => shard)).to.deep.equal([0, 1, 2]);
      expect(seen.shards[0]).to.include({ actors: 1, spawned: 3, stopped: 2, restarts: 2 });
    });
  }

  /** What is less than it was. */
  function stepsBack(now: SystemMetrics, before: SystemMetrics): string[] {
    const isLess = (name: keyof ActorCounters) =>
      now[name] < before[name] ||
      now.shards.some((metrics, shard) => metrics[name] < before.shards[shard][name]);
    return [
      ...COUNTERS.filter(isLess),
      ...(now.shards.length < before.shards.length ? ['shards'] : []),
      ...(now.lateness.count < before.lateness.count ? ['lateness'] : []),
    ];
  }

  /** Returns how many were delivered. */
  async function askUntilAnswered(actor: PlayerRef): Promise<number> {
    await eventually(() => actor.proxy<Player>().where(), 20_000);
    await actor.ask(['echo', 1]);
    return 1;
  }
});
