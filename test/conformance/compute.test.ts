/** The rules of the compute pool, P1 to P4, as a program sees them. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { type ComputePool, MillraceError, TaskPriority } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import {
  expectBalanced,
  Gate,
  Notes,
  poolsClosedAfterEach,
  queued,
  TASKS,
  type Tasks,
} from '../support/pools.js';
import { random } from '../support/random.js';
import { rejectionOf, type Thrown } from '../support/thrown.js';

leavesNothingBehind();

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

const { Low, Normal, High, Critical } = TaskPriority;
const PRIORITIES = [Low, Normal, High, Critical] as const;

/** Sees to it that the pool knows how quick `log` is, and so sends many of them ahead. */
async function warmUp(pool: ComputePool): Promise<void> {
  const notes = new Notes();
  for (let mark = 0; mark < 50; mark++) await pool.run(TASKS, 'log', [notes.buffer, mark]);
}

/** What a task was given that did not come to run. */
function abortedTask(pool: ComputePool): WeakRef<object> {
  const controller = new AbortController();
  const argument = {};
  pool.run(TASKS, 'noop', [argument], { signal: controller.signal }).catch(() => {});
  controller.abort();
  return new WeakRef(argument);
}

function logAll(
  pool: ComputePool,
  notes: Notes,
  tasks: readonly (readonly [TaskPriority, number])[],
): Promise<unknown> {
  return Promise.all(
    tasks.map(([priority, mark]) => pool.run(TASKS, 'log', [notes.buffer, mark], { priority })),
  );
}

describe('compute: order', function () {
  this.timeout(20_000);
  const openPool = poolsClosedAfterEach();

  it('P1: the most urgent first, first in first out inside one priority', async () => {
    const pool = openPool({ threads: 1, agingMs: 1e9 });
    await warmUp(pool);
    const gate = await Gate.shut(pool);
    const notes = new Notes();
    const tasks = Array.from({ length: 400 }, (_, mark) => [PRIORITIES[mark % 4], mark] as const);
    const done = logAll(pool, notes, tasks);
    gate.open();
    await done;
    const expected = [3, 2, 1, 0].flatMap((rest) =>
      Array.from({ length: 100 }, (_, index) => 4 * index + rest),
    );
    expect(notes.list).to.deep.equal(expected);
  });

  it('P1: what was sent ahead gives way to what comes later and is more urgent', async () => {
    const pool = openPool({ threads: 1, agingMs: 1e9 });
    await warmUp(pool);
    const gate = await Gate.shut(pool);
    const notes = new Notes();
    const done: Promise<unknown>[] = [];
    for (const priority of PRIORITIES) {
      const marks = [0, 1, 2].map((index) => [priority, 10 * priority + index] as const);
      done.push(logAll(pool, notes, marks));
      // Each lot is with the thread before the next one comes.
      await nextTurn();
    }
    gate.open();
    await Promise.all(done);
    expect(notes.list).to.deep.equal([30, 31, 32, 20, 21, 22, 10, 11, 12, 0, 1, 2]);
  });

  it('P1: waiting raises by one level for each agingMs, past later tasks', async () => {
    const pool = openPool({ threads: 1, agingMs: 50 });
    await warmUp(pool);
    const gate = await Gate.shut(pool);
    const notes = new Notes();
    const done = [logAll(pool, notes, [[Low, 0]]), logAll(pool, notes, [[Normal, 1]])];
    await sleep(200);
    // By now both have the level of Critical, and it does not matter how long ago.
    done.push(logAll(pool, notes, [[High, 2]]), logAll(pool, notes, [[Normal, 3]]));
    gate.open();
    await Promise.all(done);
    expect(notes.list).to.deep.equal([0, 1, 2, 3]);
  });

  it('P1: random priorities and removals behind a busy thread keep the order', async () => {
    const { seed, next } = random();
    const pool = openPool({ threads: 1, agingMs: 1e9 });
    await warmUp(pool);
    const gate = await Gate.shut(pool);
    const notes = new Notes();
    const expected: (readonly [TaskPriority, number])[] = [];
    const all: Promise<unknown>[] = [];
    for (let mark = 0; mark < 1000; mark++) {
      const priority = PRIORITIES[Math.floor(next() * 4)];
      const controller = new AbortController();
      const options = { priority, signal: controller.signal };
      const task = pool.run(TASKS, 'log', [notes.buffer, mark], options);
      all.push(task.catch(() => {}));
      if (next() < 0.2) await nextTurn();
      if (next() < 0.3) controller.abort();
      else expected.push([priority, mark]);
    }
    gate.open();
    await Promise.all(all);
    const ordered = expected.toSorted(([a, left], [b, right]) => b - a || left - right);
    expect(notes.list, `seed ${seed}`).to.deep.equal(ordered.map(([, mark]) => mark));
  });

  for (const first of [0, 1]) {
    it(`P1: nothing passes a more urgent task; thread ${first} is free first`, async () => {
      const pool = openPool({ threads: 2, agingMs: 1e9 });
      await warmUp(pool);
      const gates = [await Gate.shut(pool), await Gate.shut(pool)];
      const notes = new Notes();
      const low = Array.from({ length: 10 }, (_, mark) => [Low, mark] as const);
      const done = [logAll(pool, notes, low)];
      // Some of them are with both threads before the urgent one comes, and is with one.
      await nextTurn();
      done.push(logAll(pool, notes, [[Critical, 100]]));
      await nextTurn();
      gates[first].open();
      await done[1];
      expect(notes.list[0]).to.equal(100);
      gates[1 - first].open();
      await Promise.all(done);
    });
  }

  it('P1: of two threads that are stuck, the first that is free goes on', async () => {
    const pool = openPool({ threads: 2 });
    const gates = [await Gate.shut(pool), await Gate.shut(pool)];
    const notes = new Notes();
    const marks = [0, 1, 2, 3];
    const done = logAll(
      pool,
      notes,
      marks.map((mark) => [Normal, mark]),
    );
    gates[1].open();
    await done;
    expect(notes.list).to.deep.equal(marks);
    gates[0].open();
  });

  it('P1: what was sent ahead to a thread that is stuck is run by one that is not', async () => {
    const pool = openPool({ threads: 2 });
    await warmUp(pool);
    const gates = [await Gate.shut(pool), await Gate.shut(pool)];
    const notes = new Notes();
    const marks = Array.from({ length: 40 }, (_, mark) => mark);
    const done = logAll(
      pool,
      notes,
      marks.map((mark) => [Normal, mark]),
    );
    gates[1].open();
    // Half of them lay with the other thread.
    await done;
    expect(notes.list.toSorted((a, b) => a - b)).to.deep.equal(marks);
    gates[0].open();
  });
});

describe('compute: cancelling', function () {
  this.timeout(20_000);
  const openPool = poolsClosedAfterEach();

  it('P2: a queued task leaves at once, and its place can be taken', async () => {
    const pool = openPool({ threads: 1, queueCapacity: 1 });
    const gate = await Gate.shut(pool);
    const controller = new AbortController();
    const task = pool.run(TASKS, 'noop', [], { signal: controller.signal });
    expect(queued(pool)).to.equal(1);
    expect(await rejectionOf(pool.run(TASKS, 'noop'))).to.include({ code: 'ERR_QUEUE_FULL' });
    const reason = new Error('not any more');
    controller.abort(reason);
    expect(queued(pool)).to.equal(0);
    expect(pool.metrics().tasksCancelled).to.equal(1);
    expect(await rejectionOf(task)).to.equal(reason);
    const other = pool.run(TASKS, 'add', [1, 2]);
    gate.open();
    expect(await other).to.equal(3);
  });

  it('P2: a cancelled task holds on to nothing', async () => {
    const pool = openPool({ threads: 1 });
    const gate = await Gate.shut(pool);
    const held = Array.from({ length: 40 }, () => abortedTask(pool));
    await eventually(async () => {
      collectGarbage();
      await nextTurn();
      expect(held.filter((each) => each.deref() !== undefined).length).to.equal(0);
    });
    gate.open();
    await gate.done;
  });

  it('P2: a running task rejects at once; what lay behind it runs elsewhere', async () => {
    const pool = openPool({ threads: 1 });
    await warmUp(pool);
    for (const name of ['spinForEver', 'never'] as const) {
      const controller = new AbortController();
      const running = pool.run(TASKS, name, [], { signal: controller.signal });
      await eventually(() => expect(pool.metrics().activeWorkers).to.equal(1));
      const notes = new Notes();
      const others = logAll(
        pool,
        notes,
        [0, 1, 2, 3].map((mark) => [Normal, mark] as const),
      );
      await nextTurn();
      const abortedMs = performance.now();
      controller.abort();
      expect(await rejectionOf(running)).to.include({ name: 'AbortError' });
      expect(performance.now() - abortedMs).to.be.below(100);
      await others;
      expect(notes.list).to.deep.equal([0, 1, 2, 3]);
      expectBalanced(pool);
    }
  });

  it('P2: an abort after the end does nothing, and one before the call rejects it', async () => {
    const pool = openPool({ threads: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    expect(await pool.run(TASKS, 'add', [1, 1], { signal })).to.equal(2);
    const { threadId } = await pool.run<{ threadId: number }>(TASKS, 'where');
    controller.abort();
    expect(await rejectionOf(pool.run(TASKS, 'noop', [], { signal }))).to.equal(signal.reason);
    expect(await pool.run(TASKS, 'where')).to.include({ threadId });
    expect(pool.metrics()).to.include({ tasksSubmitted: 3, tasksCompleted: 3, tasksCancelled: 0 });
  });
});

describe('compute: failures', function () {
  this.timeout(20_000);
  const openPool = poolsClosedAfterEach();

  it('P3, A8: a task that throws rejects with the whole error; its thread lives on', async () => {
    const pool = openPool({ threads: 1 });
    const before = await pool.run(TASKS, 'where');
    for (const name of ['fail', 'failLater'] as const) {
      const error = await rejectionOf(pool.run(TASKS, name));
      expect(error).to.be.instanceOf(MillraceError).and.include({ code: 'ERR_LOOP_CLOSED' });
      expect(error.cause).to.be.instanceOf(RangeError).and.include({ errno: -2, syscall: 'open' });
      expect((error as Thrown & { detail: unknown }).detail).to.deep.equal(
        new Map([['deep', [1n]]]),
      );
      expect(error.stack).to.include('richError');
    }
    expect(await pool.run(TASKS, 'where')).to.deep.equal(before);
    expect(pool.metrics()).to.include({ tasksCompleted: 2, tasksFailed: 2 });
  });

  it('P3: a result, argument or error that cannot be cloned fails the task alone', async () => {
    const pool = openPool({ threads: 1 });
    const result = await rejectionOf(pool.run(TASKS, 'uncloneable'));
    expect(result).to.include({ name: 'DataCloneError' });
    const argument = await rejectionOf(pool.run(TASKS, 'echo', [() => {}]));
    expect(argument).to.include({ name: 'DataCloneError' });
    expect(await rejectionOf(pool.run(TASKS, 'throwUncloneable'))).to.be.instanceOf(Error);
    expect(await pool.run(TASKS, 'echo', [7])).to.equal(7);
    expect(pool.metrics()).to.include({ tasksCompleted: 1, tasksFailed: 3 });
  });

  it('P3: a module, an export or a function that is not there rejects with a code', async () => {
    const pool = openPool({ threads: 1 });
    const codeOf = async (url: URL, name: string) => (await rejectionOf(pool.run(url, name))).code;
    expect(await codeOf(new URL('./none.js', TASKS), 'noop')).to.equal('ERR_MODULE_NOT_FOUND');
    const broken = new URL('data:text/javascript,throw new Error("at the top")');
    expect(await codeOf(broken, 'noop')).to.equal('ERR_MODULE_FAILED');
    expect(await codeOf(TASKS, 'nothing')).to.equal('ERR_NO_SUCH_FUNCTION');
    expect(await codeOf(TASKS, 'notAFunction')).to.equal('ERR_NO_SUCH_FUNCTION');
    expect(await codeOf(TASKS, 'toString')).to.equal('ERR_NO_SUCH_FUNCTION');
    expect(await pool.run(TASKS, 'add', [1, 2])).to.equal(3);
  });

  it('P3: a thread that dies rejects its task with the cause, and is replaced', async () => {
    const pool = openPool({ threads: 1 });
    const exited = await rejectionOf(pool.run(TASKS, 'exit', [3]));
    expect(exited).to.include({ code: 'ERR_THREAD_EXITED' });
    expect(exited.message).to.include('code 3');
    const thrown = await rejectionOf(pool.run(TASKS, 'throwOutside'));
    expect(thrown).to.include({ code: 'ERR_THREAD_EXITED' });
    expect(thrown.cause).to.be.instanceOf(MillraceError).and.include({ code: 'ERR_LOOP_CLOSED' });
    expect(await pool.run(TASKS, 'add', [1, 2])).to.equal(3);
    expect(pool.metrics()).to.include({ tasksFailed: 2, tasksCompleted: 1 });
  });

  it('P3: queueCapacity is exact, and what it refuses is not counted', async () => {
    const pool = openPool({ threads: 2, queueCapacity: 5 });
    const gates = [await Gate.shut(pool), await Gate.shut(pool)];
    const tasks = Array.from({ length: 5 }, (_, index) => pool.run(TASKS, 'echo', [index]));
    expect(queued(pool)).to.equal(5);
    const error = await rejectionOf(pool.run(TASKS, 'echo', [5]));
    expect(error).to.include({ code: 'ERR_QUEUE_FULL' });
    expect(error.message).to.include('5 tasks');
    expect(pool.metrics().tasksSubmitted).to.equal(7);
    expect(pool.spawn(TASKS, 'noop')).to.equal(false);
    for (const gate of gates) gate.open();
    expect(await Promise.all(tasks)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('P3: timeoutMs counts from the call, for waiting and for running', async () => {
    const pool = openPool({ threads: 1 });
    const gate = await Gate.shut(pool);
    const waiting = await rejectionOf(pool.run(TASKS, 'noop', [], { timeoutMs: 20 }));
    expect(waiting).to.include({ code: 'ERR_TASK_TIMEOUT' });
    gate.open();
    await gate.done;
    const running = await rejectionOf(pool.run(TASKS, 'spinForEver', [], { timeoutMs: 20 }));
    expect(running).to.include({ code: 'ERR_TASK_TIMEOUT' });
    expect(await pool.run(TASKS, 'add', [1, 2], { timeoutMs: 5000 })).to.equal(3);
    expect(pool.metrics()).to.include({ tasksFailed: 2, tasksCompleted: 2, tasksCancelled: 0 });
  });

  it('P3: close() drains; run() rejects from then on', async () => {
    const pool = openPool({ threads: 2 });
    const tasks = Array.from({ length: 300 }, (_, index) => pool.run(TASKS, 'echo', [index]));
    const closing = pool.close();
    expect(pool.closed).to.equal(true);
    expect(await rejectionOf(pool.run(TASKS, 'noop'))).to.include({ code: 'ERR_POOL_CLOSED' });
    expect(pool.spawn(TASKS, 'noop')).to.equal(false);
    expect(await Promise.all(tasks)).to.deep.equal(tasks.map((_, index) => index));
    await closing;
    expect(pool.metrics()).to.include({ tasksSubmitted: 300, tasksCompleted: 300 });
  });

  it('P3: close({ drain: false }) rejects what waits and runs, also after close()', async () => {
    for (const isSecond of [false, true]) {
      const pool = openPool({ threads: 1 });
      await warmUp(pool);
      const running = rejectionOf(pool.run(TASKS, 'spinForEver'));
      await eventually(() => expect(pool.metrics().activeWorkers).to.equal(1));
      const waiting = Array.from({ length: 200 }, () => rejectionOf(pool.run(TASKS, 'noop')));
      const closing = isSecond ? pool.close() : null;
      await pool.close({ drain: false });
      await closing;
      for (const error of await Promise.all([running, ...waiting])) {
        expect(error).to.include({ code: 'ERR_POOL_CLOSED' });
      }
      expect(pool.metrics()).to.include({ tasksCancelled: 201, tasksFailed: 0 });
    }
  });

  it('P3: module() proxies are typed, take options, and are not thenable', async () => {
    const pool = openPool({ threads: 1 });
    // Whatever has a then() would be called here.
    const tasks = await Promise.resolve(pool.module<Tasks>(TASKS));
    expect(await tasks.add(1, 2)).to.equal(3);
    expect(await tasks.addLater(1, 2)).to.equal(3);
    const urgent = tasks.with({ priority: Critical, timeoutMs: 20 });
    expect(await rejectionOf(urgent.never())).to.include({ code: 'ERR_TASK_TIMEOUT' });
    expect('then' in tasks).to.equal(false);
    expect((tasks as { then?: unknown }).then).to.equal(undefined);
  });
});

describe('compute: metrics', function () {
  this.timeout(20_000);
  const openPool = poolsClosedAfterEach();

  it('P4: the sum is exact in callbacks, continuations and between them', async () => {
    const pool = openPool({ threads: 2 });
    const all: Promise<unknown>[] = [];
    for (let index = 0; index < 600; index++) {
      const name = (['noop', 'fail', 'count', 'failLater'] as const)[index % 4];
      const options = { onProgress: () => expectBalanced(pool) };
      const task = pool.run(TASKS, name, [3], name === 'count' ? options : undefined);
      const check = (): void => expectBalanced(pool);
      all.push(task.then(check, check));
      expectBalanced(pool);
      if (index % 50 === 0) await nextTurn();
    }
    await Promise.all(all);
    expect(pool.metrics()).to.include({ tasksCompleted: 300, tasksFailed: 300, activeWorkers: 0 });
  });

  it('P4: what has begun counts as active, what was sent ahead as queued', async () => {
    const pool = openPool({ threads: 1 });
    await warmUp(pool);
    const gate = await Gate.shut(pool);
    const tasks = [Low, Low, Normal, High, High, High, Critical].map((priority) =>
      pool.run(TASKS, 'noop', [], { priority }),
    );
    const expected = {
      activeWorkers: 1,
      queueDepthLow: 2,
      queueDepthNormal: 1,
      queueDepthHigh: 3,
      queueDepthCritical: 1,
    };
    expect(pool.metrics()).to.include(expected);
    await nextTurn();
    expect(pool.metrics()).to.include(expected);
    gate.open();
    await Promise.all(tasks);
    expect(queued(pool)).to.equal(0);
  });

  it('P4: waits and runs are measured in nanoseconds, and add up', async () => {
    const pool = openPool({ threads: 1 });
    const beganMs = performance.now();
    await pool.run(TASKS, 'noop');
    await Promise.all([1, 2, 3].map(() => pool.run(TASKS, 'burn', [10])));
    const elapsedNs = (performance.now() - beganMs) * 1e6;
    const { waitTime, runTime, totalExecutionTimeNs } = pool.metrics();
    expect([waitTime.count, runTime.count]).to.deep.equal([4, 4]);
    expect(runTime.max).to.be.within(9.8e6, elapsedNs);
    expect(waitTime.max).to.be.within(19e6, elapsedNs);
    expect(totalExecutionTimeNs).to.be.within(30e6, elapsedNs + 1e8);
  });
});
