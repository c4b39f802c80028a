/**
 * The wheel against a model: a plain list, sorted when asked. Random
 * operations from a seed that is printed when they disagree.
 */
import { expect } from 'chai';
import { Timeout, TimerWheel } from '../../../src/loop/timer-wheel.js';
import { collectGarbage } from '../../support/garbage.js';
import { random } from '../../support/random.js';

interface Pending {
  readonly timeout: Timeout;
  readonly payload: unknown;
  readonly deadlineMs: number;
}

class Model {
  /** In the order in which they were armed. */
  readonly pending: Pending[] = [];

  clear(timeout: Timeout): boolean {
    const index = this.pending.findIndex((each) => each.timeout === timeout);
    if (index >= 0) this.pending.splice(index, 1);
    return index >= 0;
  }

  takeDue(nowMs: number): unknown[] {
    const due = this.pending
      .filter(({ deadlineMs }) => deadlineMs <= nowMs)
      .sort((a, b) => a.deadlineMs - b.deadlineMs);
    for (const { timeout } of due) this.clear(timeout);
    return due.map(({ payload }) => payload);
  }

  get nextMs(): number {
    return Math.min(Infinity, ...this.pending.map(({ deadlineMs }) => deadlineMs));
  }
}

const CAPACITY = 4096;

function openWheel(slotMs: number, slots: number, capacity = CAPACITY): TimerWheel {
  return new TimerWheel({ slotMs, slots, capacity });
}

function arm(wheel: TimerWheel, payload: unknown, deadlineMs: number): Timeout {
  return present(wheel.arm(payload, deadlineMs));
}

function present(timeout: Timeout | null): Timeout {
  if (timeout === null) throw new Error('the wheel is full');
  return timeout;
}

function fireAll(wheel: TimerWheel, nowMs: number): unknown[] {
  const fired: unknown[] = [];
  while (wheel.hasDue) fired.push(wheel.fire(nowMs).payload);
  return fired;
}

describe('TimerWheel', () => {
  for (const [slotMs, slots] of [
    [1, 1024],
    [1, 1],
    [0.25, 8],
    [100, 16],
  ] as const) {
    it(`T1, T2: does as a sorted list does (${slots} slots of ${slotMs} ms)`, () => {
      const { seed, next } = random();
      const wheel = openWheel(slotMs, slots);
      const model = new Model();
      const all: Timeout[] = [];
      let nowMs = 0;
      for (let step = 1; step <= 5000; step++) {
        const choice = next();
        if (choice < 0.5) {
          const delayMs = next() < 0.3 ? Math.floor(next() * 20) : next() * 3000;
          const timeout = arm(wheel, step, nowMs + delayMs);
          model.pending.push({ timeout, payload: step, deadlineMs: nowMs + delayMs });
          all.push(timeout);
        } else if (choice < 0.75 && all.length > 0) {
          const timeout = all[Math.floor(next() * all.length)];
          expect(wheel.clear(timeout), `seed ${seed}`).to.equal(model.clear(timeout));
        } else {
          nowMs += next() * 50;
          wheel.collect(nowMs, Infinity);
          expect(fireAll(wheel, nowMs), `seed ${seed}`).to.deep.equal(model.takeDue(nowMs));
        }
        expect(wheel.size).to.equal(model.pending.length);
        // Not at each step, so that some are cleared before they are in a slot.
        if (next() < 0.5) {
          expect(wheel.nextMs, `seed ${seed}: never later than the truth`).to.be.at.most(
            model.nextMs,
          );
        }
      }
    });
  }

  it('T1: equal deadlines fire in the order in which they were armed', () => {
    const wheel = openWheel(1, 16);
    for (let payload = 0; payload < 100; payload++) arm(wheel, payload, 5);
    wheel.collect(5, Infinity);
    expect(fireAll(wheel, 5)).to.deep.equal(Array.from({ length: 100 }, (_, index) => index));
  });

  it('T1: what is collected while others wait to fire joins them in order', () => {
    const wheel = openWheel(1, 16);
    for (const deadlineMs of [4, 1, 3]) arm(wheel, deadlineMs, deadlineMs);
    wheel.collect(5, Infinity);
    expect(wheel.fire(5).payload).to.equal(1);
    for (const deadlineMs of [2, 3.5]) arm(wheel, deadlineMs, deadlineMs);
    wheel.collect(6, Infinity);
    expect(fireAll(wheel, 6)).to.deep.equal([2, 3, 3.5, 4]);
  });

  it('T2: clear() takes out what was collected and has not fired', () => {
    const wheel = openWheel(1, 16);
    const timeouts = [1, 2, 3].map((payload) => arm(wheel, payload, payload));
    wheel.collect(10, Infinity);
    expect(wheel.clear(timeouts[1])).to.equal(true);
    expect(fireAll(wheel, 10)).to.deep.equal([1, 3]);
    expect(wheel.size).to.equal(0);
    expect(timeouts.map((timeout) => wheel.clear(timeout))).to.deep.equal([false, false, false]);
  });

  it('T2: a handle never clears the timeout that has its row now', () => {
    const wheel = openWheel(1, 16, 1);
    const cleared = arm(wheel, 'cleared', 5);
    wheel.clear(cleared);
    const fired = arm(wheel, 'fired', 6);
    expect(wheel.clear(cleared)).to.equal(false);
    wheel.collect(6, Infinity);
    expect(fireAll(wheel, 6)).to.deep.equal(['fired']);
    const pending = arm(wheel, 'pending', 7);
    expect([cleared, fired].map((timeout) => wheel.clear(timeout))).to.deep.equal([false, false]);
    expect([pending.row, wheel.size]).to.deep.equal([cleared.row, 1]);
  });

  it('T2: a handle never clears a timeout of another wheel', () => {
    const [ours, theirs] = [openWheel(1, 16), openWheel(1, 16)];
    const timeout = arm(ours, 'ours', 5);
    arm(theirs, 'theirs', 5);
    expect([theirs.clear(timeout), theirs.size]).to.deep.equal([false, 1]);
  });

  it('T3: takes as many as its capacity, and room comes back', () => {
    const wheel = openWheel(1, 16, 100);
    const timeouts = Array.from({ length: 100 }, (_, index) => arm(wheel, index, index));
    expect(wheel.arm('one too many', 5)).to.equal(null);
    expect(wheel.armInterval('one too many', 5, 5)).to.equal(null);
    wheel.clear(timeouts[50]);
    arm(wheel, 'in its place', 5);
    expect(wheel.arm('one too many', 5)).to.equal(null);
    wheel.collect(0, Infinity);
    expect(wheel.arm('collected ones count', 5)).to.equal(null);
    expect(fireAll(wheel, 0)).to.deep.equal([0]);
    arm(wheel, 'in its place', 5);
    expect(wheel.size).to.equal(100);
  });

  it('T4: an interval stays on its grid, tells what it skips, and keeps its handle', () => {
    const wheel = openWheel(1, 16);
    const timeout = present(wheel.armInterval('beat', 110, 10));
    const firings = [112, 147, 150.5].map((nowMs) => {
      wheel.collect(nowMs, Infinity);
      return wheel.fire(nowMs);
    });
    expect(firings).to.deep.equal([
      { payload: 'beat', dueMs: 110, missed: 0 },
      { payload: 'beat', dueMs: 120, missed: 2 },
      { payload: 'beat', dueMs: 150, missed: 0 },
    ]);
    expect([wheel.nextMs, wheel.size]).to.deep.equal([160, 1]);
    expect([wheel.clear(timeout), wheel.clear(timeout)]).to.deep.equal([true, false]);
    expect(wheel.nextMs).to.equal(Infinity);
  });

  it('T5: what was armed from that sequence number on is not collected', () => {
    const wheel = openWheel(1, 16);
    arm(wheel, 'before', 5);
    const { sequence } = wheel;
    arm(wheel, 'after', 4);
    wheel.collect(6, sequence);
    expect(fireAll(wheel, 6)).to.deep.equal(['before']);
    expect(wheel.nextMs).to.equal(4);
  });

  it('nothing is left to wake for when the only timeout is cleared', () => {
    const wheel = openWheel(1, 16);
    const timeout = arm(wheel, 1, 7.5);
    expect(wheel.nextMs).to.equal(7.5);
    wheel.clear(timeout);
    expect(wheel.nextMs).to.equal(Infinity);
  });

  it('finds the next deadline across many turns of the wheel', () => {
    const wheel = openWheel(1, 4);
    arm(wheel, 1, 1e9 + 0.5);
    arm(wheel, 2, 3 * 2 ** 40);
    expect(wheel.nextMs).to.equal(1e9 + 0.5);
    wheel.collect(1e9 + 1, Infinity);
    expect(fireAll(wheel, 1e9 + 1)).to.deep.equal([1]);
    expect(wheel.nextMs).to.equal(3 * 2 ** 40);
  });

  it('holds no payload of a timeout that is over', async () => {
    const wheel = openWheel(1, 16);
    const weak = Array.from({ length: 3 }, (_, index) => {
      const payload = {};
      const timeout = arm(wheel, payload, index);
      if (index === 0) wheel.clear(timeout);
      return new WeakRef(payload);
    });
    wheel.collect(1, Infinity);
    fireAll(wheel, 1);
    await new Promise(setImmediate);
    collectGarbage();
    expect(weak.map((each) => each.deref())).to.deep.equal([undefined, undefined, {}]);
  });

  it('close() forgets everything, what was collected too, and takes no more', () => {
    const wheel = openWheel(1, 16);
    const timeouts = [1, 100].map((deadlineMs) => arm(wheel, 0, deadlineMs));
    wheel.collect(50, Infinity);
    wheel.close();
    expect([wheel.hasDue, wheel.size, wheel.nextMs]).to.deep.equal([false, 0, Infinity]);
    expect(timeouts.map((timeout) => wheel.clear(timeout))).to.deep.equal([false, false]);
    expect(wheel.arm(0, 1)).to.equal(null);
  });
});
