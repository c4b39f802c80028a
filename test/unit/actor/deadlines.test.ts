/** Many deadlines behind one timer of the loop, by a clock that is told. */
import { expect } from 'chai';
import { Alarm, Deadlines } from '../../../src/actor/deadlines.js';
import { EventLoop } from '../../../src/loop/event-loop.js';
import type { Handler } from '../../../src/loop/handler.js';
import type { Timeout } from '../../../src/loop/timer-wheel.js';
import { FakeDriver } from '../../support/fake-driver.js';
import { collectGarbage } from '../../support/garbage.js';

describe('Deadlines', () => {
  let driver: FakeDriver;
  let loop: EventLoop;
  let deadlines: Deadlines;
  let expired: unknown[];

  const handler: Handler = {
    timeout: (_, payload, { dueMs }) => (payload as Alarm).deadlines.ring(dueMs),
  };

  beforeEach(() => {
    driver = new FakeDriver();
    loop = new EventLoop({ driver });
    deadlines = new Deadlines(loop, driver);
    expired = [];
  });

  const arm = (name: unknown, delayMs: number) =>
    deadlines.arm({ expire: () => void expired.push(name) }, delayMs);

  it('expire in order, each once and in its time; what was cleared does not', () => {
    const delays = [50, 10, 30, 10, 40];
    const timeouts = delays.map((delayMs, index) => arm(`${delayMs} ${index}`, delayMs));
    deadlines.clear(timeouts[2]);
    const times: number[] = [];
    while (expired.length < 4) {
      loop.runOnce(handler, 1000);
      times.push(driver.clockMs);
    }
    expect(expired).to.deep.equal(['10 1', '10 3', '40 4', '50 0']);
    // The alarm for the one that was cleared stays where it was.
    expect(times.filter((timeMs) => timeMs !== 1030)).to.deep.equal([1010, 1040, 1050]);
    expect(driver.clockMs).to.equal(1050);
  });

  it('T3: take the place of one timer of the loop, always', () => {
    expect(loop.metrics().pendingTimers).to.equal(1);
    const timeouts = [30, 20, 10, 40].map((delayMs) => arm(delayMs, delayMs));
    expect(loop.metrics().pendingTimers).to.equal(1);
    deadlines.clear(timeouts[0]);
    loop.runOnce(handler, 15);
    expect(expired).to.deep.equal([10]);
    expect(loop.metrics().pendingTimers).to.equal(1);
    for (const timeout of timeouts) deadlines.clear(timeout);
    expect(loop.metrics().pendingTimers).to.equal(1);
  });

  it('T3: that place is kept while they expire, when others take all that are free', () => {
    loop = new EventLoop({ driver, timerCapacity: 2 });
    deadlines = new Deadlines(loop, driver);
    const greedy = () => {
      expired.push('greedy');
      loop.timeout('other', 1000);
      expect(() => loop.timeout('one too many', 1000)).to.throw('as many as timerCapacity allows');
      arm('next', 5);
    };
    deadlines.arm({ expire: greedy }, 10);
    loop.runOnce(handler, 100);
    loop.runOnce(handler, 100);
    expect(expired).to.deep.equal(['greedy', 'next']);
  });

  it('L2: what became due after the alarm waits for the next tick, and comes then', () => {
    arm('first', 10);
    arm('second', 11);
    driver.clockMs += 400;
    loop.runOnce(handler, 0);
    expect(expired).to.deep.equal(['first']);
    loop.runOnce(handler, 0);
    expect(expired).to.deep.equal(['first', 'second']);
  });

  it('neither one that is nearer than all others is missed, nor one armed meanwhile', () => {
    arm('late', 100);
    arm('early', 10);
    const again = () => {
      expired.push('again');
      arm('armed by it', 20);
    };
    deadlines.arm({ expire: again }, 15);
    while (expired.length < 4) loop.runOnce(handler, 1000);
    expect(expired).to.deep.equal(['early', 'again', 'armed by it', 'late']);
    expect(driver.clockMs).to.equal(1100);
  });

  /** Many at a time, and none of them any more. Returns one of them. */
  function busyMoment(): Timeout {
    const timeouts = Array.from({ length: 5000 }, (_, index) => arm(index, 10 + index));
    for (const timeout of timeouts) deadlines.clear(timeout);
    return timeouts[0];
  }

  it('the memory of a busy moment is given up after it', async () => {
    for (let round = 0; round < 2; round++) {
      const wheel = new WeakRef(busyMoment().wheel);
      await new Promise(setImmediate);
      collectGarbage();
      expect(wheel.deref()).to.equal(undefined);
    }
    // A quiet one is no reason to make another wheel.
    const wheels = [1, 2].map((name) => {
      const timeout = arm(name, 1);
      deadlines.clear(timeout);
      return timeout.wheel;
    });
    expect(wheels[0]).to.equal(wheels[1]);
  });

  it('what waits longer than a busy moment is not given up with it', () => {
    arm('patient', 50);
    busyMoment();
    while (driver.clockMs < 1050) loop.runOnce(handler, 100);
    expect(expired).to.deep.equal(['patient']);
  });

  it('one of a busy moment that is over clears nothing of what came after it', () => {
    const old = busyMoment();
    arm('kept', 5);
    deadlines.clear(old);
    loop.runOnce(handler, 100);
    loop.runOnce(handler, 100);
    expect(expired).to.deep.equal(['kept']);
  });
});
