/**
 * The wheel against a model: a plain list, sorted when asked. Random
 * operations from a seed that is printed when they disagree.
 */
import { expect } from 'chai';
import { Timeout, TimerWheel } from '../../../src/loop/timer-wheel.js';
import { random } from '../../support/random.js';

class Model {
  readonly pending: Timeout[] = [];

  clear(timeout: Timeout): boolean {
    const index = this.pending.indexOf(timeout);
    if (index >= 0) this.pending.splice(index, 1);
    return index >= 0;
  }

  takeDue(nowMs: number): unknown[] {
    const due = this.pending
      .filter((timeout) => timeout.deadlineMs <= nowMs)
      .sort((a, b) => a.deadlineMs - b.deadlineMs || a.sequence - b.sequence);
    for (const timeout of due) this.clear(timeout);
    return due.map((timeout) => timeout.payload);
  }

  get nextMs(): number {
    return Math.min(Infinity, ...this.pending.map((timeout) => timeout.deadlineMs));
  }
}

function takeAll(wheel: TimerWheel): unknown[] {
  const fired: unknown[] = [];
  for (let due = wheel.takeDue(); due !== null; due = wheel.takeDue()) fired.push(due.payload);
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
      const wheel = new TimerWheel(slotMs, slots);
      const model = new Model();
      const all: Timeout[] = [];
      let nowMs = 0;
      for (let step = 1; step <= 5000; step++) {
        const choice = next();
        if (choice < 0.5) {
          const delayMs = next() < 0.3 ? Math.floor(next() * 20) : next() * 3000;
          const timeout = new Timeout(wheel, step, nowMs + delayMs, 0);
          wheel.arm(timeout);
          model.pending.push(timeout);
          all.push(timeout);
        } else if (choice < 0.75 && all.length > 0) {
          const timeout = all[Math.floor(next() * all.length)];
          expect(wheel.clear(timeout), `seed ${seed}`).to.equal(model.clear(timeout));
        } else {
          nowMs += next() * 50;
          wheel.collect(nowMs, Infinity);
          expect(takeAll(wheel), `seed ${seed}`).to.deep.equal(model.takeDue(nowMs));
        }
        expect(wheel.size).to.equal(model.pending.length);
        expect(wheel.nextMs, `seed ${seed}: never later than the truth`).to.be.at.most(
          model.nextMs,
        );
      }
    });
  }

  it('T1: equal deadlines fire in the order in which they were armed', () => {
    const wheel = new TimerWheel(1, 16);
    for (let payload = 0; payload < 100; payload++) {
      wheel.arm(new Timeout(wheel, payload, 5, 0));
    }
    wheel.collect(5, Infinity);
    expect(takeAll(wheel)).to.deep.equal(Array.from({ length: 100 }, (_, index) => index));
  });

  it('T2: clear() takes out what was collected and has not fired', () => {
    const wheel = new TimerWheel(1, 16);
    const timeouts = [1, 2, 3].map((payload) => new Timeout(wheel, payload, payload, 0));
    for (const timeout of timeouts) wheel.arm(timeout);
    wheel.collect(10, Infinity);
    expect(wheel.clear(timeouts[1])).to.equal(true);
    expect(takeAll(wheel)).to.deep.equal([1, 3]);
    expect(wheel.size).to.equal(0);
    expect(timeouts.map((timeout) => wheel.clear(timeout))).to.deep.equal([false, false, false]);
  });

  it('nothing is left to wake for when the only timeout is cleared', () => {
    const wheel = new TimerWheel(1, 16);
    const timeout = new Timeout(wheel, 1, 7.5, 0);
    wheel.arm(timeout);
    expect(wheel.nextMs).to.equal(7.5);
    wheel.clear(timeout);
    expect(wheel.nextMs).to.equal(Infinity);
  });

  it('finds the next deadline across many turns of the wheel', () => {
    const wheel = new TimerWheel(1, 4);
    wheel.arm(new Timeout(wheel, 1, 1e9 + 0.5, 0));
    wheel.arm(new Timeout(wheel, 2, 3 * 2 ** 40, 0));
    expect(wheel.nextMs).to.equal(1e9 + 0.5);
    wheel.collect(1e9 + 1, Infinity);
    expect(takeAll(wheel)).to.deep.equal([1]);
    expect(wheel.nextMs).to.equal(3 * 2 ** 40);
  });

  it('clearAll() forgets everything, what was collected too', () => {
    const wheel = new TimerWheel(1, 16);
    const timeouts = [1, 100].map((deadlineMs) => new Timeout(wheel, 0, deadlineMs, 0));
    for (const timeout of timeouts) wheel.arm(timeout);
    wheel.collect(50, Infinity);
    wheel.clearAll();
    expect(wheel.takeDue()).to.equal(null);
    expect(wheel.nextMs).to.equal(Infinity);
    expect(timeouts.map((timeout) => wheel.clear(timeout))).to.deep.equal([false, false]);
  });
});
