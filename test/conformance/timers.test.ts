/** Timers in real time: rules T1 to T5. How late they are is measured elsewhere. */
import { expect } from 'chai';
import type { EventLoop, Lateness, Timeout } from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { random } from '../support/random.js';
import { thrownBy } from '../support/thrown.js';

leavesNothingBehind();

/** Blocks the thread, as a callback that computes does. */
function busyFor(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

describeWays('timers', (way) => {
  it('T1: never early, by the clock of now() and by that of Node', async () => {
    const loop = way.open<unknown, { delayMs: number; setMs: number; nodeMs: number }>();
    const numbers = random();
    const delays = Array.from({ length: 200 }, () => numbers.next() ** 3 * 60);
    for (const delayMs of delays) {
      loop.timeout({ delayMs, setMs: loop.now(), nodeMs: performance.now() }, delayMs);
    }
    let fired = 0;
    await way.drive(loop, {
      timeout: (l, { delayMs, setMs, nodeMs }, late) => {
        expect(performance.now() - nodeMs, `seed ${numbers.seed}`).to.be.at.least(delayMs - 1e-6);
        expect(late.dueMs).to.be.at.least(setMs + delayMs);
        expect(late.lateMs).to.be.at.least(0);
        fired += 1;
        if (fired === delays.length) l.shutdown();
      },
    });
  });

  it('T1: by deadline, first in first out among equals', async () => {
    const loop = way.open<unknown, number>();
    const numbers = random();
    const dues: { index: number; dueMs: number }[] = [];
    for (let index = 0; index < 300; index++) loop.timeout(index, numbers.next() * 30);
    await way.drive(loop, {
      timeout: (l, index, { dueMs }) => {
        dues.push({ index, dueMs });
        if (dues.length === 300) l.shutdown();
      },
    });
    // Within one batch and across batches: a later deadline never overtakes.
    const sorted = dues.toSorted((a, b) => a.dueMs - b.dueMs || a.index - b.index);
    expect(dues, `seed ${numbers.seed}`).to.deep.equal(sorted);
  });

  it('T1: counts from the real clock at the call, not from the start of the tick', async () => {
    const loop = way.open<unknown, number>();
    const delayMs = 10;
    loop.channel().send('go');
    await way.drive(loop, {
      notify: (l) => {
        busyFor(15);
        l.timeout(performance.now(), delayMs);
      },
      timeout: (l, setMs) => {
        expect(performance.now() - setMs).to.be.at.least(delayMs);
        l.shutdown();
      },
    });
  });

  it('T2: clearTimeout() is true once; false for fired, cleared and foreign ones', async () => {
    const loop = way.open<unknown, string>();
    const other = way.open<unknown, string>();
    const foreign = other.timeout('foreign', 5);
    const cleared = loop.timeout('cleared', 5);
    const fired = loop.timeout('fired', 5);
    const got: string[] = [];
    expect(loop.clearTimeout(cleared)).to.equal(true);
    expect(loop.clearTimeout(cleared)).to.equal(false);
    expect(loop.clearTimeout(foreign)).to.equal(false);
    loop.timeout('last', 10);
    await way.drive(loop, {
      timeout: (l, payload) => {
        got.push(payload);
        if (payload === 'fired') expect(l.clearTimeout(fired)).to.equal(false);
        if (payload === 'last') l.shutdown();
      },
    });
    expect(got).to.deep.equal(['fired', 'last']);
    expect(other.clearTimeout(foreign)).to.equal(true);
  });

  it('T2: a timeout that is due in the same batch is never delivered once cleared', async () => {
    const loop = way.open<unknown, number>();
    const timeouts: Timeout[] = [];
    for (let index = 0; index < 10; index++) timeouts.push(loop.timeout(index, 1));
    busyFor(3);
    const got: number[] = [];
    loop.timeout(99, 15);
    await way.drive(loop, {
      timeout: (l, index) => {
        got.push(index);
        if (index === 99) l.shutdown();
        else if (index % 2 === 0) expect(l.clearTimeout(timeouts[index + 1])).to.equal(true);
      },
    });
    expect(got).to.deep.equal([0, 2, 4, 6, 8, 99]);
  });

  it('T3: timerCapacity is exact, and room comes back', () => {
    const loop = way.open({ timerCapacity: 3 });
    const first = loop.timeout('a', 1000);
    loop.timeout('b', 1000);
    loop.interval('c', 1000);
    expect(thrownBy(() => loop.timeout('d', 1)).code).to.equal('ERR_TIMER_OVERFLOW');
    expect(thrownBy(() => loop.interval('d', 1)).code).to.equal('ERR_TIMER_OVERFLOW');
    loop.clearTimeout(first);
    loop.timeout('d', 1000);
    expect(loop.metrics().pendingTimers).to.equal(3);
  });

  it('T4: interval() stays on its grid, skips what was missed, and says how many', async () => {
    const loop = way.open<unknown, string>();
    const periodMs = 5;
    const got: (Lateness & { nowMs: number })[] = [];
    const interval = loop.interval('beat', periodMs);
    await way.drive(loop, {
      timeout: (l, _, late) => {
        got.push({ ...late, nowMs: performance.now() });
        if (got.length === 3) busyFor(22);
        if (got.length < 6) return;
        expect(l.clearTimeout(interval)).to.equal(true);
        l.shutdown();
      },
    });
    const [first] = got;
    let skipped = 0;
    for (const [index, { dueMs, missed, lateMs }] of got.entries()) {
      // What is told to be missed counts from the deadline that is told as due.
      const gridAt = (dueMs - first.dueMs) / periodMs;
      expect(gridAt).to.be.closeTo(index + skipped, 1e-6);
      expect(missed).to.equal(Math.floor(lateMs / periodMs));
      skipped += missed;
    }
    expect(got.map(({ missed }) => missed).slice(3, 4)[0]).to.be.at.least(3);
  });

  it('T5: a timeout of 0 from a callback fires in a later tick', async () => {
    const loop = way.open<unknown, number>();
    let ticks = 0;
    const firedIn: number[] = [];
    loop.timeout(0, 0);
    await way.drive(loop, {
      timeout: (l: EventLoop<unknown, number>, payload) => {
        firedIn.push(ticks);
        if (payload === 5) l.shutdown();
        else l.timeout(payload + 1, 0);
      },
      tick: () => {
        ticks += 1;
      },
    });
    expect(new Set(firedIn).size).to.equal(6);
  });
});
