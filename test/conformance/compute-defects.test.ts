/** What was wrong with mill-io's compute pool: `docs/parity.md` names these tests. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { TaskPriority } from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { Gate, poolsClosedAfterEach, TASKS } from '../support/pools.js';

leavesNothingBehind();

describe('no defect of the compute pool of mill-io', function () {
  this.timeout(20_000);
  const openPool = poolsClosedAfterEach();

  it('defect 11: close() ends, whatever its threads are at: asleep, starting, busy', async () => {
    for (let round = 0; round < 12; round++) {
      const pool = openPool({ threads: 2 });
      if (round % 3 !== 0) await pool.run(TASKS, 'noop');
      // Just before, so that the close comes between the task's arrival and its end.
      const last = round % 2 === 0 ? pool.run(TASKS, 'echo', [round]) : Promise.resolve(round);
      await pool.close();
      expect(await last).to.equal(round);
    }
  });

  it('defect 11: a task of low priority runs, though more urgent ones never end', async () => {
    const pool = openPool({ threads: 1, agingMs: 100 });
    // Longer than what is sent ahead of its turn, so that the queue decides each time.
    const urgent = () => pool.run(TASKS, 'burn', [7], { priority: TaskPriority.High });
    await urgent();
    const aim = { isReached: false };
    // Each that ends is followed by another: there is always one that is more urgent.
    const keepBusy = async () => {
      for (let round = 0; round < 100 && !aim.isReached; round++) await urgent();
    };
    const busy = Array.from({ length: 4 }, keepBusy);
    await pool.run(TASKS, 'noop', [], { priority: TaskPriority.Low });
    aim.isReached = true;
    await Promise.all(busy);
    expect(pool.metrics().tasksCompleted).to.be.below(400);
  });

  it('defect 11: metrics tell how long tasks waited, and how long they ran', async () => {
    const pool = openPool({ threads: 1 });
    const gate = await Gate.shut(pool);
    const waiting = Array.from({ length: 20 }, () => pool.run(TASKS, 'noop'));
    await sleep(30);
    gate.open();
    await Promise.all(waiting);
    const { waitTime, runTime, tasksCompleted } = pool.metrics();
    expect(tasksCompleted).to.equal(21);
    expect([waitTime.count, runTime.count]).to.deep.equal([21, 21]);
    expect(waitTime.percentile(50)).to.be.at.least(29e6);
    expect(runTime.max).to.be.at.least(29e6);
    expect(runTime.percentile(50)).to.be.below(29e6);
  });
});
