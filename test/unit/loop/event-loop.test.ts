/**
 * What a loop does when its poller refuses, on a driver under the test's
 * control: which calls of a real one can fail, and how, is in
 * `integration/faults.test.ts`.
 */
import { expect } from 'chai';
import { EventLoop } from '../../../src/loop/event-loop.js';
import type { Handler } from '../../../src/loop/handler.js';
import { Interest } from '../../../src/poll/interest.js';
import { FakeDriver, FakeSource } from '../../support/fake-driver.js';
import { rejectionOf, thrownBy } from '../../support/thrown.js';

const ENOMEM = -12;

interface World {
  driver: FakeDriver;
  loop: EventLoop<string, string>;
  log: string[];
  handler: Handler<string, string>;
}

/** A loop with an event, a message and a timeout, all of them due. */
function busyWorld(): World {
  const driver = new FakeDriver();
  const loop = new EventLoop<string, string>({ driver });
  const source = new FakeSource(driver);
  loop.register(source, 1);
  driver.poller.ready(source.handle, Interest.READABLE);
  loop.channel().send('m');
  loop.timeout('t', 0);
  const log: string[] = [];
  const handler: Handler<string, string> = {
    readable: () => void log.push('readable'),
    notify: () => void log.push('notify'),
    timeout: () => void log.push('timeout'),
    interrupted: () => void log.push('interrupted'),
    tick: (l) => {
      log.push('tick');
      l.shutdown();
    },
  };
  return { driver, loop, log, handler };
}

const WHOLE_TICK = ['readable', 'notify', 'timeout', 'tick'];

describe('a poll that fails', () => {
  it('ends runOnce() and runSync() with the error of the system, and nothing is lost', () => {
    for (const way of ['runOnce', 'runSync'] as const) {
      const { driver, loop, log, handler } = busyWorld();
      driver.poller.failNext = ENOMEM;
      const error = thrownBy(() => loop[way](handler));
      expect(error).to.include({ code: 'ENOMEM', syscall: 'poll' });
      expect(log, 'nothing else of the tick happens').to.deep.equal([]);
      expect(loop.isRunning).to.equal(false);
      loop[way](handler);
      expect(log).to.deep.equal(WHOLE_TICK);
    }
  });

  it('rejects run(), which can be called again', async () => {
    const { driver, loop, log, handler } = busyWorld();
    driver.poller.failNext = ENOMEM;
    const failed = rejectionOf(loop.run(handler));
    driver.poller.runTurns();
    expect(await failed).to.include({ code: 'ENOMEM', syscall: 'poll' });
    expect(log).to.deep.equal([]);
    const run = loop.run(handler);
    driver.poller.runTurns();
    await run;
    expect(log).to.deep.equal(WHOLE_TICK);
  });
});
