/**
 * Each option of a loop does what it says: a test that fails if the option is
 * ignored, with a value that is not the default. Here on a driver under the
 * test's control; what only a system can show is in `conformance/`.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type EventLoopConfig, resolveConfig } from '../../../src/loop/config.js';
import { EventLoop } from '../../../src/loop/event-loop.js';
import { Interest } from '../../../src/poll/interest.js';
import { FakeDriver, FakeSource } from '../../support/fake-driver.js';
import { thrownBy } from '../../support/thrown.js';

type Loop = EventLoop<number, number>;

function open(config: EventLoopConfig = {}): { driver: FakeDriver; loop: Loop } {
  const driver = new FakeDriver();
  return { driver, loop: new EventLoop<number, number>({ driver, ...config }) };
}

/** Sources that stay ready. */
function readySources(driver: FakeDriver, loop: Loop, count: number): void {
  for (let token = 0; token < count; token++) {
    const source = new FakeSource(driver);
    loop.register(source, token);
    driver.poller.ready(source.handle, Interest.READABLE);
  }
}

describe('options of a loop', () => {
  for (const notifyCapacity of [1, 2, 3, 100]) {
    it(`notifyCapacity: ${notifyCapacity} holds as many, and not one more`, () => {
      const { loop } = open({ notifyCapacity });
      const sender = loop.channel();
      const taken = Array.from({ length: notifyCapacity + 2 }, (_, index) => sender.send(index));
      expect(taken.filter(Boolean).length).to.equal(notifyCapacity);
      expect(taken.slice(-2)).to.deep.equal([false, false]);
    });
  }

  for (const messagesPerTick of [1, 3, 1000]) {
    it(`messagesPerTick: ${messagesPerTick} are delivered in one tick`, () => {
      const { loop } = open({ messagesPerTick });
      for (let message = 0; message < 1001; message++) loop.channel().send(message);
      let count = 0;
      loop.runOnce({ notify: () => void (count += 1) }, 0);
      expect(count).to.equal(messagesPerTick);
    });
  }

  for (const eventsCapacity of [1, 3, 2000]) {
    it(`eventsCapacity: ${eventsCapacity} events come of one poll`, () => {
      const { driver, loop } = open({ eventsCapacity });
      readySources(driver, loop, eventsCapacity + 1);
      let count = 0;
      loop.runOnce({ readable: () => void (count += 1) }, 0);
      expect(count).to.equal(eventsCapacity);
    });
  }

  for (const fullPollsMax of [1, 3, 12]) {
    it(`fullPollsMax: ${fullPollsMax} full polls hold a timer back`, () => {
      const { driver, loop } = open({ fullPollsMax, eventsCapacity: 1 });
      readySources(driver, loop, 1);
      loop.timeout(0, 10);
      driver.clockMs += 20;
      let ticks = 0;
      while (loop.metrics().timers === 0 && ticks < 100) {
        ticks += 1;
        loop.runOnce({}, 0);
      }
      expect(ticks).to.equal(fullPollsMax);
    });
  }

  for (const [tickBudgetMs, callbacks] of [
    [0.5, 1],
    [5, 3],
    [1000, 20],
  ] as const) {
    it(`tickBudgetMs: ${tickBudgetMs} ms are over after ${callbacks} callbacks of 2 ms`, () => {
      const { driver, loop } = open({ tickBudgetMs });
      for (let message = 0; message < 20; message++) loop.channel().send(message);
      let count = 0;
      const handler = {
        notify: () => {
          count += 1;
          driver.clockMs += 2;
        },
      };
      loop.runOnce(handler, 0);
      expect(count).to.equal(callbacks);
      expect(driver.poller.options.turnBudgetMs).to.equal(tickBudgetMs);
    });
  }

  it('timerCapacity: is exact, and one more is refused', () => {
    const { loop } = open({ timerCapacity: 5 });
    for (let count = 0; count < 5; count++) loop.timeout(count, 10);
    expect(thrownBy(() => loop.timeout(5, 10)).code).to.equal('ERR_TIMER_OVERFLOW');
  });

  // Deadlines are exact whatever the wheel looks like. What shows are slots
  // that are shared: they keep the bound of a timeout that was cleared, and so
  // an alarm that is too early.
  const wheels: [string, EventLoopConfig, number][] = [
    ['the defaults: not shared', {}, 1900],
    ['timerTickMs: shared, 1000 ms wide', { timerTickMs: 1000 }, 1050],
    ['timerTickMs: not shared, 100 ms wide', { timerTickMs: 100, timerWheelSize: 16 }, 1900],
    ['timerWheelSize: shared, the only one', { timerWheelSize: 1 }, 1050],
    ['timerWheelSize: not shared, the wheel is 1024 ms round', { timerWheelSize: 1000 }, 1900],
    ['timerWheelSize: shared, it is 2 ms round', { timerWheelSize: 2 }, 1050],
  ];
  for (const [what, config, alarmMs] of wheels) {
    it(`the slots of timeouts at 1050 and 1900 ms, ${what}`, () => {
      const { driver, loop } = open(config);
      const first = loop.timeout(0, 50);
      loop.timeout(1, 900);
      // Timeouts go into their slots with the tick after they were armed.
      loop.runOnce({}, 0);
      loop.clearTimeout(first);
      const fired: number[] = [];
      const alarms: number[] = [];
      driver.poller.onPoll = () => alarms.push(driver.poller.deadlineMs);
      while (fired.length === 0) {
        loop.runOnce({ timeout: (_, __, { dueMs }) => void fired.push(dueMs) });
      }
      expect(alarms[0]).to.equal(alarmMs);
      expect(fired, 'deadlines stay exact').to.deep.equal([1900]);
    });
  }

  for (const poller of ['thread', 'inline'] as const) {
    it(`poller: the driver is asked for '${poller}'`, () => {
      const { driver } = open({ poller });
      expect(driver.poller.options.mode).to.equal(poller);
    });
  }

  it('driver: clock, randomness and poller are those of the driver', () => {
    const { driver, loop } = open();
    expect(driver.pollers.length).to.equal(1);
    expect(loop.now()).to.equal(driver.clockMs);
    expect(loop.random()).to.equal(driver.random());
  });

  it('driver: a loop opened in a callback stands on that of the loop being run', () => {
    const { driver, loop } = open();
    loop.channel().send(0);
    loop.runOnce({
      notify: () => new EventLoop().close(),
    });
    expect(driver.pollers.length).to.equal(2);
    new EventLoop().close();
    expect(driver.pollers.length).to.equal(2);
  });

  it('an option that is absent, or undefined, has the default that docs/api.md names', () => {
    // Other tables have options of their own.
    const [, table = ''] = readFileSync('docs/api.md', 'utf8').split(/^(?=\| `notifyCapacity`)/m);
    const [text = ''] = table.split('\n\n');
    const rows = [...text.matchAll(/^\| `(\w+)` \| ([\d.]+) \|/gm)];
    const documented = Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]));
    expect(Object.keys(documented)).to.have.length(8);
    const undefinedOnes: object = Object.fromEntries(rows.map(([, name]) => [name, undefined]));
    for (const given of [undefined, {}, undefinedOnes]) {
      expect(resolveConfig(given)).to.include({ ...documented, poller: 'thread' });
    }
  });
});
