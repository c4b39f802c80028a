/**
 * The compute pool of a system, from its actors: on home's own shard, where
 * the pool is, and on shards in threads of their own. The rules are those of
 * any pool, P1 to P4; the scenes are played in `fixtures/actors/computing.ts`.
 */
import { expect } from 'chai';
import {
  type ActorRef,
  type ComputePool,
  type ComputePoolOptions,
  EventLoop,
  Handler,
  type MillraceError,
} from '../../src/index.js';
import { sharedMemory } from '../../src/channel/shared-memory.js';
import { Dispatcher } from '../../src/compute/dispatcher.js';
import { resolvePoolOptions, resolveTaskOptions } from '../../src/compute/options.js';
import { nativeDriver } from '../../src/poll/native-driver.js';
import type { Scene } from '../fixtures/actors/computing.js';
import { QUICK, type Stage } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { expectBalanced, Gate, queued, TASKS } from '../support/pools.js';
import { threadStagesAfterEach } from '../support/shards.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const COMPUTING = new URL('../fixtures/actors/computing.js', import.meta.url);

type ComputingRef = ActorRef<Scene>;

function spawnIn({ system }: Stage, shard: number, options = {}): Promise<ComputingRef> {
  return system.spawn<Scene>(COMPUTING, { export: 'Computing', shard, ...options });
}

/** With all the time that a busy machine may need. */
function play<R>(actor: ComputingRef, ...scene: Scene): Promise<R> {
  return actor.ask<R>(scene, { timeoutMs: 20_000 });
}

for (const shards of [0, 2]) {
  const where = shards === 0 ? 'on the shard of home' : 'on another shard';

  describe(`compute in actors: ${where}`, function () {
    this.timeout(30_000);
    const start = threadStagesAfterEach();

    async function stageWith(
      compute: ComputePoolOptions,
    ): Promise<{ stage: Stage; actor: ComputingRef; pool: ComputePool }> {
      const stage = await start({ shards, compute });
      return { stage, actor: await spawnIn(stage, 0), pool: stage.system.compute };
    }

    it('is the pool of the system, which actors cannot close', async () => {
      const { stage, actor, pool } = await stageWith({ threads: 1 });
      expect(await play(actor, 'face')).to.deep.equal({
        isPool: true,
        isSame: true,
        closed: false,
        codes: ['ERR_NOT_IN_ACTOR', 'ERR_NOT_IN_ACTOR', 'ERR_NOT_IN_ACTOR'],
      });
      const other = await spawnIn(stage, Math.max(0, shards - 1));
      const places = await Promise.all(
        [actor, other].map((each) => play<{ threadId: number }>(each, 'run', 'where')),
      );
      const own = await pool.run<{ threadId: number }>(TASKS, 'where');
      expect(places.map(({ threadId }) => threadId)).to.deep.equal([own.threadId, own.threadId]);
      expect(pool.metrics()).to.include({ tasksSubmitted: 3, tasksCompleted: 3 });
    });

    it('refuses wrong arguments with a code, and counts nothing', async () => {
      const { actor, pool } = await stageWith({ threads: 1 });
      const [type, value] = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE'];
      const calls = [type, value, type, type];
      const options = ['ERR_OUT_OF_RANGE', 'ERR_UNKNOWN_OPTION', type, type];
      const expected = [...calls, ...options, ...calls, 'ERR_OUT_OF_RANGE'];
      expect(await play(actor, 'badInput')).to.deep.equal(expected);
      expect(pool.metrics()).to.include({ tasksSubmitted: 0 });
    });

    it('P1: the most urgent first, first in first out inside one priority', async () => {
      const { actor } = await stageWith({ threads: 1, agingMs: 1e9 });
      const expected = [3, 2, 1, 0].flatMap((rest) =>
        Array.from({ length: 100 }, (_, index) => 4 * index + rest),
      );
      expect(await play(actor, 'order')).to.deep.equal(expected);
    });

    it('P1: waiting raises the priority', async () => {
      const { actor } = await stageWith({ threads: 1, agingMs: 100 });
      expect(await play(actor, 'aging')).to.deep.equal([0, 1]);
    });

    it('P2: queued tasks leave with their signal, with its own reason', async () => {
      const { actor } = await stageWith({ threads: 1 });
      const { taken, isReason, counts } = await play<{
        taken: boolean;
        isReason: boolean;
        counts: object;
      }>(actor, 'abortQueued');
      expect({ taken, isReason }).to.deep.equal({ taken: true, isReason: true });
      expect(counts).to.include({ tasksSubmitted: 22, tasksCancelled: 21, tasksFailed: 0 });
    });

    it('P2: a running task rejects at once; its thread is replaced', async () => {
      const { actor } = await stageWith({ threads: 1 });
      expect(await play(actor, 'abortRunning')).to.equal(true);
    });

    for (const fn of ['fail', 'failLater']) {
      it(`P3, A8: an error arrives whole, and the thread lives on: ${fn}`, async () => {
        const { actor } = await stageWith({ threads: 1 });
        expect(await play(actor, 'errors', fn)).to.deep.equal({
          isOurs: true,
          code: 'ERR_LOOP_CLOSED',
          message: 'a task has failed',
          detail: [1n],
          stack: true,
          cause: { errno: -2, syscall: 'open' },
        });
        expect(await play(actor, 'counts')).to.include({ tasksFailed: 1, tasksSubmitted: 1 });
      });
    }

    it('P3: what cannot be cloned fails the task alone; so does a reference', async () => {
      const { actor } = await stageWith({ threads: 1 });
      const codes = ['DataCloneError', 'DataCloneError', 'ERR_NOT_TRANSFERABLE'];
      expect(await play(actor, 'unclonable')).to.deep.equal(codes);
      await eventually(async () =>
        expect(await play(actor, 'counts')).to.include({ tasksSubmitted: 4, tasksFailed: 4 }),
      );
    });

    it('P3: the death of a thread reaches its caller, and the pool goes on', async () => {
      const { actor } = await stageWith({ threads: 1 });
      expect(await play(actor, 'death')).to.deep.equal(['ERR_THREAD_EXITED', 'alive']);
    });

    it('P3: a module or an export that is not there rejects with a code', async () => {
      const { actor } = await stageWith({ threads: 1 });
      const error = await rejectionOf(play(actor, 'run', 'missing'));
      expect(error.code).to.equal('ERR_NO_SUCH_FUNCTION');
    });

    it('P3: timeoutMs counts from the call', async () => {
      const { actor } = await stageWith({ threads: 1 });
      const seen = await play(actor, 'timeouts');
      expect(seen).to.deep.equal({ code: 'ERR_TASK_TIMEOUT', isInTime: true });
      expect(await play(actor, 'counts')).to.include({ tasksFailed: 1 });
    });

    it('P3: queueCapacity is exact, and known at once', async () => {
      const { actor } = await stageWith({ threads: 1, queueCapacity: 30 });
      for (let round = 0; round < 3; round++) {
        const seen = await play(actor, 'fill', 50);
        expect(seen).to.deep.equal({ taken: 30, code: 'ERR_QUEUE_FULL' });
        await eventually(async () =>
          expect(await play(actor, 'counts')).to.include({ tasksCompleted: 31 * (round + 1) }),
        );
      }
    });

    it('P3: module() proxies are typed, take options, and are not thenable', async () => {
      const { actor } = await stageWith({ threads: 1 });
      expect(await play(actor, 'typed')).to.deep.equal([3, 7, false]);
    });

    for (const fn of ['count', 'countLater']) {
      it(`P3: all progress comes in order, and before the result: ${fn}`, async () => {
        const { actor } = await stageWith({ threads: 1 });
        const seen = await play<unknown[]>(actor, 'progress', fn, 20);
        const steps = Array.from({ length: 20 }, (_, index) => index + 1);
        const expected = fn === 'count' ? steps : steps.map((step) => ({ step }));
        expect(seen).to.deep.equal([...expected, 20]);
      });
    }

    it('moves bytes and ports to the task and back', async () => {
      const { actor } = await stageWith({ threads: 1 });
      expect(await play(actor, 'moves')).to.deep.equal({ sum: 1000, left: 0, back: 100 });
      expect(await play(actor, 'ports')).to.equal('through');
    });

    it('a sender goes there and comes back', async () => {
      const { actor } = await stageWith({ threads: 1 });
      const loop = new EventLoop<string>();
      const sender = loop.channel();
      const handle = sender.transfer();
      expect(sharedMemory.connect(handle).closed).to.equal(false);
      expect(await play(actor, 'echoSender', sender)).to.equal(true);
      await eventually(() => expect(loop.metrics().pendingMessages).to.equal(1));
      expect(loop.close()).to.deep.equal(['from an actor']);
    });

    it('P4: the sum is exact under load, whoever reads it', async () => {
      const { stage, actor } = await stageWith({ threads: 2 });
      const other = await spawnIn(stage, Math.max(0, shards - 1));
      const [storm, changes] = await Promise.all([
        play<{ returned: number; threw: number; aborted: number }>(actor, 'storm', 2000),
        play<number>(other, 'watchBalance', 200),
      ]);
      expect(changes).to.be.above(1);
      const { returned, threw, aborted } = storm;
      expect(returned + threw + aborted).to.equal(2000);
      await eventually(async () => {
        const counts = await play<{ tasksSubmitted: number }>(actor, 'counts');
        expect(counts).to.include({ activeWorkers: 0, queueDepthNormal: 0 });
        // Those that were aborted before the pool had heard of them count nowhere at home.
        expect(counts.tasksSubmitted).to.be.within(returned + threw, 2000);
      });
    });

    it('P4: who has a result finds it counted', async () => {
      const { actor } = await stageWith({ threads: 2 });
      expect(await play(actor, 'countUncounted', 3000)).to.equal(0);
    });

    it('A9: tasks outlive their instance, and cannot crash the next one', async () => {
      const { stage, actor, pool } = await stageWith({ threads: 1 });
      const old = await spawnIn(stage, 0, { supervision: QUICK });
      const gate = await Gate.shut(pool);
      old.send(['run', 'fail']);
      old.send(['run', 'noop']);
      await eventually(() => expect(queued(pool)).to.equal(2));
      old.send(['crash']);
      await eventually(() => expect(stage.restarts).to.have.length(1));
      gate.open();
      await eventually(() => expect(pool.metrics()).to.include({ tasksFailed: 1 }));
      expect(await play(old, 'run', 'echo', ['next'])).to.equal('next');
      expect(await play(actor, 'counts')).to.include({ tasksCompleted: 3, tasksFailed: 1 });
      expect(stage.crashes).to.have.length(1);
    });

    it('A7: a stop lets actors have their results, and the pool finish what it took', async () => {
      const { stage, actor, pool } = await stageWith({ threads: 1 });
      const gate = await Gate.shut(pool);
      const answer = play(actor, 'run', 'echo', ['in time']);
      const taken = await play(actor, 'spawnMany', 50, 'noop');
      const stopped = stage.system.stop();
      gate.open();
      expect(await answer).to.equal('in time');
      await stopped;
      expect(taken).to.equal(50);
      expect(pool.closed).to.equal(true);
      expect(pool.metrics()).to.include({ tasksSubmitted: 52, tasksCompleted: 52 });
      expect((await rejectionOf(pool.run(TASKS, 'noop'))).code).to.equal('ERR_POOL_CLOSED');
    });

    it('A7: what actors ask for as the last thing they do is still done', async () => {
      const { stage, actor, pool } = await stageWith({ threads: 1 });
      await play(actor, 'spawnLast', 5000);
      await stage.system.stop({ timeoutMs: 20_000 });
      expect(pool.metrics()).to.include({ tasksSubmitted: 5000, tasksCompleted: 5000 });
    });

    it('A7: what is left when the time of a stop is over is given up', async () => {
      const { stage, actor, pool } = await stageWith({ threads: 1 });
      // Nothing is to be cut off in the middle of an import.
      await pool.run(TASKS, 'noop');
      const own = rejectionOf(pool.run(TASKS, 'spinForEver'));
      await play(actor, 'spawnMany', 20, 'noop');
      await eventually(() => expect(queued(pool)).to.equal(20));
      const beginMs = performance.now();
      await stage.system.stop({ timeoutMs: 100 });
      expect(performance.now() - beginMs).to.be.below(5000);
      expect((await own).code).to.equal('ERR_POOL_CLOSED');
      expect(pool.metrics()).to.include({ tasksSubmitted: 22, tasksCancelled: 21 });
    });

    it('a pool closed by its owner is closed for all', async () => {
      const { actor, pool } = await stageWith({ threads: 1 });
      await pool.close();
      expect(await play(actor, 'spawnMany', 3, 'noop')).to.equal(0);
      const { code } = await rejectionOf(play(actor, 'run', 'noop'));
      expect(code).to.equal('ERR_POOL_CLOSED');
    });
  });
}

describe('compute in actors: an instance that is gone', () => {
  const start = threadStagesAfterEach();

  it('has no pool any more', async () => {
    const stage = await start({ shards: 0 });
    let thrown: MillraceError | null = null;
    class Keeping extends Handler {
      override started(loop: EventLoop): void {
        setImmediate(() => {
          try {
            void loop.compute;
          } catch (error) {
            thrown = error as MillraceError;
          }
        });
      }
    }
    const actor = await stage.system.spawn(Keeping);
    await actor.stop();
    await eventually(() => expect(thrown?.code).to.equal('ERR_ACTOR_STOPPED'));
  });
});

describe('compute in actors: shards together', function () {
  this.timeout(60_000);
  const start = threadStagesAfterEach();

  it('10,000 tasks of four shards, thrown, aborted and returned, all settle once', async () => {
    const stage = await start({ shards: 3, compute: { threads: 2 } });
    const actors = await Promise.all([0, 1, 2, 3].map((shard) => spawnIn(stage, shard)));
    const pool = stage.system.compute;
    const storms = Promise.all(
      actors.map((actor) =>
        actor.ask<{ returned: number; threw: number; aborted: number }>(['storm', 2500], {
          timeoutMs: 50_000,
        }),
      ),
    );
    const watch = setInterval(() => expectBalanced(pool), 1);
    const seen = await storms.finally(() => clearInterval(watch));
    const total = seen.reduce((sum, each) => sum + each.returned + each.threw + each.aborted, 0);
    expect(total).to.equal(10_000);
    await eventually(() => expect(pool.metrics()).to.include({ activeWorkers: 0 }));
    expect(queued(pool)).to.equal(0);
    expectBalanced(pool);
  });

  it('P3: the capacity is one for all shards, and exact', async () => {
    const stage = await start({ shards: 2, compute: { threads: 1, queueCapacity: 500 } });
    const pool = stage.system.compute;
    const actors = await Promise.all([0, 1, 2].map((shard) => spawnIn(stage, shard)));
    for (let round = 1; round <= 5; round++) {
      const gate = await Gate.shut(pool);
      const taken = await Promise.all(
        actors.map((actor) => play<number>(actor, 'spawnMany', 400, 'noop')),
      );
      expect(taken[0] + taken[1] + taken[2]).to.equal(500);
      await eventually(() => expect(queued(pool)).to.equal(500));
      gate.open();
      await eventually(() => expect(pool.metrics()).to.include({ tasksCompleted: 501 * round }));
    }
  });

  it('P3: timeoutMs counts from the call, however long it takes to come here', async () => {
    const options = resolvePoolOptions('options', { threads: 1 });
    const dispatcher = new Dispatcher(options, { takers: 1, changed: () => {} });
    expect(dispatcher.places.takeFor(0)).to.equal(true);
    const task = new Promise((resolve, reject) => {
      dispatcher.relay({
        href: TASKS.href,
        name: 'never',
        args: [],
        request: resolveTaskOptions({ timeoutMs: 5e5 }),
        caller: { resolve, reject },
        calledMs: nativeDriver.now() - 1e6,
      });
    });
    expect((await rejectionOf(task)).code).to.equal('ERR_TASK_TIMEOUT');
    expect(dispatcher.metrics()).to.include({ tasksSubmitted: 1, tasksFailed: 1 });
    await dispatcher.close(false);
  });

  it('tasks wait while home is busy, and none is lost', async () => {
    const stage = await start({ shards: 2, compute: { threads: 1 } });
    const actors = await Promise.all([0, 1].map((shard) => spawnIn(stage, shard)));
    const done = actors.map((actor) => play(actor, 'storm', 300));
    const endMs = performance.now() + 100;
    while (performance.now() < endMs);
    await Promise.all(done);
    expectBalanced(stage.system.compute);
  });
});

describe('compute in actors: shards that die', function () {
  this.timeout(30_000);
  const start = threadStagesAfterEach();

  it('A6: what a dead shard had queued is cancelled and counted; what runs goes on', async () => {
    const stage = await start({ shards: 2, compute: { threads: 1, queueCapacity: 40 } });
    const pool = stage.system.compute;
    const [victim, other] = await Promise.all([
      spawnIn(stage, 0, { supervision: QUICK }),
      spawnIn(stage, 1),
    ]);
    const gate = await Gate.shut(pool);
    victim.send(['beginMany', 20, 'noop']);
    const answer = play(other, 'run', 'echo', ['still here']);
    await eventually(() => expect(queued(pool)).to.equal(21));
    victim.send(['exitWhen', 21]);
    await eventually(() => expect(pool.metrics()).to.include({ tasksCancelled: 20 }));
    expect(queued(pool)).to.equal(1);
    await eventually(() => expect(stage.restarts).to.have.length(1));
    gate.open();
    expect(await answer).to.equal('still here');
    expect(await play(victim, 'run', 'echo', ['back'])).to.equal('back');
    expect(pool.metrics()).to.include({ tasksSubmitted: 23, tasksCompleted: 3 });
    // All places are free again.
    expect(await play(victim, 'fill', 100)).to.deep.equal({ taken: 40, code: 'ERR_QUEUE_FULL' });
  });

  it('A6: a running task of a dead shard finishes, and its result is dropped', async () => {
    const stage = await start({ shards: 1, compute: { threads: 1 } });
    const pool = stage.system.compute;
    const victim = await spawnIn(stage, 0, { supervision: QUICK });
    const words = new Int32Array(new SharedArrayBuffer(8));
    victim.send(['run', 'block', [words.buffer]]);
    await eventually(() => expect(Atomics.load(words, 1)).to.equal(1));
    victim.send(['exitWhen', 0]);
    await eventually(() => expect(stage.restarts).to.have.length(1));
    expect(pool.metrics()).to.include({ activeWorkers: 1, tasksCancelled: 0 });
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    await eventually(() => expect(pool.metrics()).to.include({ tasksCompleted: 1 }));
    expect(await play(victim, 'run', 'echo', [2])).to.equal(2);
  });

  it('A6: a place that was taken for a task which never came is given back', async () => {
    const compute = { threads: 1, queueCapacity: 3 };
    const stage = await start({ shards: 1, compute });
    const supervision = { ...QUICK, maxRestarts: 100 };
    const victim = await spawnIn(stage, 0, { supervision });
    for (let death = 1; death <= 3; death++) {
      victim.send(['exitInRun']);
      await eventually(() => expect(stage.restarts).to.have.length(death));
    }
    const seen = await play(victim, 'fill', 10);
    expect(seen).to.deep.equal({ taken: 3, code: 'ERR_QUEUE_FULL' });
  });

  it('stops in the middle of tasks and a death, and leaves nothing', async () => {
    // With one thread, which has its module: none is to be cut off in the middle of an import.
    const stage = await start({ shards: 2, compute: { threads: 1 } });
    const pool = stage.system.compute;
    const actors = await Promise.all([0, 1, 2].map((shard) => spawnIn(stage, shard)));
    for (const actor of actors) actor.send(['storm', 3000, 0]);
    await eventually(() => expect(pool.metrics().tasksCompleted).to.be.above(200), 20_000);
    actors[0].send(['exitWhen', 0]);
    await stage.system.stop({ timeoutMs: 200 });
    expectBalanced(pool);
    expect(pool.metrics()).to.include({ activeWorkers: 0 });
    expect(queued(pool)).to.equal(0);
  });
});
