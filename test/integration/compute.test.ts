/** Pools in trouble: threads that die, tasks that do not end, owners that go; and progress. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ComputePool, EventLoop, type TaskFailure, TaskPriority } from '../../src/index.js';
import type { OwnerOptions } from '../fixtures/compute/owner.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { expectBalanced, Gate, poolsClosedAfterEach, TASKS, type Tasks } from '../support/pools.js';
import { Fixture } from '../support/processes.js';
import { random } from '../support/random.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

/** Small enough to be exhausted soon. */
const LIMITS = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 };

/** Too small for a thread to come up. */
const TOO_SMALL = { maxOldGenerationSizeMb: 3, maxYoungGenerationSizeMb: 1 };

const PROCESS_MS = 15_000;

describe('compute: deaths of threads', function () {
  this.timeout(60_000);
  const openPool = poolsClosedAfterEach();

  it('P3: a task that allocates without end ends with its thread, alone', async () => {
    const pool = openPool({ threads: 2, resourceLimits: LIMITS });
    const others = Array.from({ length: 100 }, (_, index) => pool.run(TASKS, 'echo', [index]));
    const error = await rejectionOf(pool.run(TASKS, 'exhaust'));
    expect(error).to.include({ code: 'ERR_THREAD_EXITED' });
    expect(error.cause).to.include({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
    expect(await Promise.all(others)).to.deep.equal(others.map((_, index) => index));
    expect(await pool.run(TASKS, 'add', [1, 2])).to.equal(3);
  });

  it('P3: a throw between tasks harms none: what had not begun runs elsewhere', async () => {
    const pool = openPool({ threads: 1 });
    for (let round = 0; round < 5; round++) {
      await pool.run(TASKS, 'throwLater', [1]);
      const tasks = Array.from({ length: 200 }, (_, index) =>
        pool.run(TASKS, 'addLater', [index, 1]),
      );
      const results = await Promise.allSettled(tasks);
      const failed = results.filter(({ status }) => status === 'rejected');
      // One may have been under way.
      expect(failed.length).to.be.at.most(1);
      expectBalanced(pool);
    }
  });

  it('P3: ten deaths in a row leave a pool of the same size', async () => {
    const pool = openPool({ threads: 2 });
    const deaths = Array.from({ length: 10 }, (_, code) =>
      rejectionOf(pool.run(TASKS, 'exit', [code])),
    );
    for (const [code, error] of (await Promise.all(deaths)).entries()) {
      expect(error).to.include({ code: 'ERR_THREAD_EXITED' });
      expect(error.message).to.include(`code ${code}`);
    }
    const gates = [await Gate.shut(pool), await Gate.shut(pool)];
    expect(pool.metrics()).to.include({ tasksFailed: 10, activeWorkers: 2 });
    for (const gate of gates) gate.open();
  });

  it('threads that cannot be started reject what waits, without a hot loop', async () => {
    const pool = openPool({ threads: 2, resourceLimits: TOO_SMALL });
    const beganMs = performance.now();
    const errors = await Promise.all(
      Array.from({ length: 20 }, () => rejectionOf(pool.run(TASKS, 'noop'))),
    );
    for (const error of errors) expect(error).to.include({ code: 'ERR_POOL_UNAVAILABLE' });
    expect(performance.now() - beganMs).to.be.within(10, 10_000);
    expect(await rejectionOf(pool.run(TASKS, 'noop'))).to.include({ code: 'ERR_POOL_UNAVAILABLE' });
    expect(pool.metrics()).to.include({ tasksSubmitted: 21, tasksFailed: 21 });
  });

  it('P2: 200 random aborts under load: each task settles once, as it should', async () => {
    const { seed, next } = random();
    const pool = openPool({ threads: 2 });
    const tasks: Promise<string>[] = [];
    let aborted = 0;
    for (let index = 0; index < 1000; index++) {
      const controller = new AbortController();
      const { signal } = controller;
      const isLong = next() < 0.02;
      const isAborted = isLong || next() < 0.2;
      const name = isLong ? (next() < 0.5 ? 'spinForEver' : 'never') : 'burn';
      const priority = Math.floor(next() * 4) as TaskPriority;
      const task = pool.run(TASKS, name, [next()], { signal, priority });
      tasks.push(
        task.then(
          () => 'done',
          (error: unknown) => (error === signal.reason ? 'aborted' : String(error)),
        ),
      );
      if (isAborted) {
        aborted += 1;
        setTimeout(() => controller.abort(), next() * 300);
      }
      if (next() < 0.05) await nextTurn();
    }
    const results = await Promise.all(tasks);
    const strange = results.filter((result) => result !== 'done' && result !== 'aborted');
    expect(strange, `seed ${seed}`).to.deep.equal([]);
    expect(aborted).to.be.above(100);
    expectBalanced(pool);
    const { tasksCompleted, tasksCancelled } = pool.metrics();
    expect(tasksCompleted + tasksCancelled, `seed ${seed}`).to.equal(1000);
    expect(tasksCancelled).to.equal(results.filter((result) => result === 'aborted').length);
  });

  it('close() while threads start, run and wait leaves nothing', async () => {
    for (let delayMs = 0; delayMs < 60; delayMs += 6) {
      const pool = openPool({ threads: 2 });
      const tasks = ['spinForEver', 'never', 'noop', 'noop'].map((name) =>
        rejectionOf(pool.run(TASKS, name)),
      );
      await sleep(delayMs);
      await pool.close({ drain: false });
      await Promise.allSettled(tasks);
      await pool.close();
    }
  });
});

describe('compute: arguments, results, progress', function () {
  this.timeout(20_000);
  const openPool = poolsClosedAfterEach();

  it('moves what transfer names, both ways', async () => {
    const pool = openPool({ threads: 1 });
    const bytes = new Uint8Array(1000).fill(1);
    const gate = await Gate.shut(pool);
    const total = pool.run(TASKS, 'sum', [bytes], { transfer: [bytes.buffer] });
    // It is moved when it is sent, not when it is submitted.
    expect(bytes.length).to.equal(1000);
    gate.open();
    expect(await total).to.equal(1000);
    expect(bytes.length).to.equal(0);
    expect(await pool.run(TASKS, 'moveOut', [10])).to.deep.equal(new Uint8Array(10).fill(7));
  });

  it('P3: progress arrives in order, and all of it before the result', async () => {
    const pool = openPool({ threads: 2 });
    for (const name of ['count', 'countLater'] as const) {
      const seen: unknown[] = [];
      const to = name === 'count' ? 5000 : 20;
      await pool.run(TASKS, name, [to], { onProgress: (value) => seen.push(value) });
      const expected = Array.from({ length: to }, (_, index) =>
        name === 'count' ? index + 1 : { step: index + 1 },
      );
      expect(seen).to.deep.equal(expected);
    }
    // Nobody listens.
    expect(await pool.run(TASKS, 'count', [5000])).to.equal(5000);
  });

  it('an onProgress that throws becomes a warning, and the task goes on', async () => {
    const pool = openPool({ threads: 1 });
    const warned = once(process, 'warning') as Promise<[Error & { code: string }]>;
    const onProgress = (): never => {
      throw new Error('on purpose');
    };
    expect(await pool.run(TASKS, 'count', [1], { onProgress })).to.equal(1);
    const [warning] = await warned;
    expect(warning.code).to.equal('MILLRACE_LISTENER');
    expect(warning.message).to.include('onProgress').and.include('on purpose');
  });

  it('reportProgress() by what a task left behind is refused, whoever runs by then', async () => {
    const pool = openPool({ threads: 1 });
    const seen: unknown[] = [];
    const onProgress = (value: unknown): unknown => seen.push(value);
    for (const options of [{ onProgress }, {}]) {
      await pool.run(TASKS, 'reportTooLate', [], options);
      const code = await pool.run(TASKS, 'later', [], { onProgress });
      expect(code).to.equal('ERR_NOT_IN_TASK');
    }
    expect(seen).to.deep.equal([]);
  });

  it('a task that reports faster than it is read waits, and can be given up', async () => {
    const pool = openPool({ threads: 1 });
    const controller = new AbortController();
    let count = 0;
    const onProgress = (): void => {
      count += 1;
      if (count === 5000) controller.abort();
    };
    const { signal } = controller;
    const task = pool.run(TASKS, 'count', [1e9], { onProgress, signal });
    expect(await rejectionOf(task)).to.equal(signal.reason);
    expect(count).to.equal(5000);
    expect(await pool.run(TASKS, 'add', [1, 2])).to.equal(3);
  });

  it('one signal for many tasks gives them all up', async () => {
    const pool = openPool({ threads: 1 });
    const gate = await Gate.shut(pool);
    const warnings: Error[] = [];
    const listener = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', listener);
    const controller = new AbortController();
    const { signal } = controller;
    const tasks = Array.from({ length: 500 }, () =>
      rejectionOf(pool.run(TASKS, 'noop', [], { signal })),
    );
    controller.abort();
    for (const error of await Promise.all(tasks)) expect(error).to.equal(signal.reason);
    gate.open();
    await gate.done;
    process.off('warning', listener);
    expect(warnings).to.deep.equal([]);
  });
});

describe('compute: owners', function () {
  this.timeout(60_000);

  it('a loop has a pool of its own, and closes it', async () => {
    const loop = new EventLoop();
    const { compute } = loop;
    expect(compute).to.be.instanceOf(ComputePool).and.equal(loop.compute);
    expect(await compute.module<Tasks>(TASKS).add(1, 2)).to.equal(3);
    const left = rejectionOf(compute.run(TASKS, 'never'));
    loop.close();
    expect(await left).to.include({ code: 'ERR_POOL_CLOSED' });
    expect(() => loop.compute).to.throw('loop was closed');
    await compute.close();
  });

  it('spawnCompute() runs and forgets; what fails is published', async () => {
    const loop = new EventLoop();
    const failures: TaskFailure[] = [];
    const listener = (failure: unknown): unknown => failures.push(failure as TaskFailure);
    subscribe('millrace:task-failed', listener);
    const words = new Int32Array(new SharedArrayBuffer(8));
    expect(loop.spawnCompute(TASKS, 'log', [words.buffer, 7], TaskPriority.High)).to.equal(true);
    expect(loop.spawnCompute(TASKS, 'fail')).to.equal(true);
    await eventually(() => {
      expect(loop.compute.metrics()).to.include({ tasksCompleted: 1, tasksFailed: 1 });
      expect(words[1]).to.equal(7);
      expect(failures.length).to.equal(1);
    });
    unsubscribe('millrace:task-failed', listener);
    expect(failures[0]).to.include({ module: TASKS.href, fn: 'fail' });
    expect(failures[0].error).to.include({ code: 'ERR_LOOP_CLOSED' });
    const { compute } = loop;
    loop.close();
    await compute.close();
  });

  const reports: [OwnerOptions['act'], unknown[], number][] = [
    ['idle', [3], 0],
    ['pending', [3], 0],
    ['forgotten', [7], 0],
    ['exit', ['busy'], 7],
    ['throw', ['busy'], 1],
    ['thread', [2, 3], 0],
    ['closedInThread', [3, 0], 0],
  ];
  for (const [act, expected, exitCode] of reports) {
    it(`a process that has a pool ends as it should: ${act}`, async () => {
      await using owner = new Fixture('compute/owner', { act });
      const seen: unknown[] = [];
      for (let index = 0; index < expected.length; index++)
        seen.push(await owner.report(PROCESS_MS));
      expect(seen).to.deep.equal(expected);
      const { code, signal } = await owner.end(PROCESS_MS);
      expect([code, signal]).to.deep.equal([exitCode, null]);
    });
  }
});
