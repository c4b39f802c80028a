/**
 * How runs begin, end, fail and sleep (L4, L5, L6, T4) on a driver under the
 * test's control: no sockets, no threads, no real time.
 */
import { expect } from 'chai';
import type { Handler, Lateness } from '../../../src/loop/handler.js';
import { Turn } from '../../../src/poll/driver.js';
import { Interest } from '../../../src/poll/interest.js';
import { PollOpt } from '../../../src/poll/poll-opt.js';
import { FakeSource } from '../../support/fake-driver.js';
import { readySource, recorder, world } from '../../support/fake-loop.js';

describe('L5: a throw ends the run with that very error', () => {
  it('and the next run goes on with the next event, message and timer', () => {
    const w = world();
    const boom = new Error('boom');
    for (const token of [1, 2]) {
      const source = new FakeSource(w.driver);
      w.loop.register(source, token, Interest.READABLE, PollOpt.ONESHOT);
      w.poller.ready(source.handle, Interest.READABLE);
    }
    for (const message of ['a', 'b']) w.loop.channel().send(message);
    w.loop.timeout('t', 0);
    w.loop.timeout('u', 0);
    const failing = ['readable 1', 'notify a', 'timeout t', 'tick'];
    const note = (line: string) => {
      w.log.push(line);
      if (failing.includes(line)) throw boom;
    };
    const handler: Handler<string, string> = {
      readable: (_, token) => note(`readable ${token}`),
      notify: (_, message) => note(`notify ${message}`),
      timeout: (_, payload) => note(`timeout ${payload}`),
      tick: () => note('tick'),
    };
    for (const _ of failing) expect(() => w.loop.runOnce(handler, 0)).to.throw(boom);
    expect(w.log).to.deep.equal([
      'readable 1',
      'readable 2',
      'notify a',
      'notify b',
      'timeout t',
      'timeout u',
      'tick',
    ]);
    expect(w.poller.waits).to.have.length(1);
  });

  it('a throw from readable() leaves the writable half of its event', () => {
    const w = world();
    const source = new FakeSource(w.driver);
    w.loop.register(source, 1, Interest.READABLE | Interest.WRITABLE, PollOpt.ONESHOT);
    w.poller.ready(source.handle, Interest.READABLE | Interest.WRITABLE);
    const handler = recorder(w.log, {
      readable: () => {
        throw new Error('boom');
      },
    });
    expect(() => w.loop.runOnce(handler, 0)).to.throw('boom');
    w.loop.runOnce(handler, 0);
    expect(w.log).to.deep.equal(['writable 1', 'tick']);
  });

  it('run() rejects, and runs again', async () => {
    const w = world();
    const boom = new Error('boom');
    w.loop.channel().send('m');
    const handler = recorder(w.log, {
      notify: () => {
        throw boom;
      },
    });
    const failed = w.loop.run(handler).catch((error: unknown) => error);
    w.poller.runTurns();
    expect(await failed).to.equal(boom);
    w.loop.shutdown();
    const done = w.loop.run(handler);
    w.poller.runTurns();
    await done;
    expect(w.log).to.deep.equal(['tick']);
  });
});

describe('L4: shutdown()', () => {
  it('finishes the current tick', () => {
    const w = world();
    w.loop.channel().send('stop');
    w.loop.channel().send('after');
    w.loop.timeout('t', 0);
    w.loop.runSync(
      recorder(w.log, {
        notify: (loop, message) => {
          w.log.push(`notify ${message}`);
          loop.shutdown();
        },
      }),
    );
    expect(w.log).to.deep.equal(['notify stop', 'notify after', 'timeout t', 'tick']);
  });

  it('is sticky: called before, the next run takes one tick', () => {
    const w = world();
    w.loop.shutdown();
    w.loop.channel().send('m');
    w.loop.runSync(recorder(w.log));
    expect(w.log).to.deep.equal(['notify m', 'tick']);
  });

  it('leaves messages that were not claimed for a later run', () => {
    const w = world({ messagesPerTick: 1 });
    for (const message of ['a', 'b']) w.loop.channel().send(message);
    const handler = recorder(w.log, {
      notify: (loop, message) => {
        w.log.push(`notify ${message}`);
        loop.shutdown();
      },
    });
    w.loop.runSync(handler);
    expect(w.log).to.deep.equal(['notify a', 'tick']);
    w.loop.runSync(handler);
    expect(w.log.slice(2)).to.deep.equal(['notify b', 'tick']);
  });

  it('close() returns what was never delivered, and refuses from then on', () => {
    const w = world();
    const sender = w.loop.channel();
    sender.send('a');
    sender.send('b');
    expect(w.loop.close()).to.deep.equal(['a', 'b']);
    expect(w.loop.close()).to.deep.equal([]);
    expect(sender.send('c')).to.equal(false);
    expect(sender.closed).to.equal(true);
    expect(w.loop.metrics().refused).to.equal(1);
  });

  it('close() from a callback drops the events, signals and deferred work of that tick', () => {
    const w = world();
    const host = w.loop.admit({ dismissed: () => void w.log.push('dismissed') });
    readySource(w, 1);
    readySource(w, 2);
    w.poller.raise(1);
    w.loop.runSync(
      recorder(w.log, {
        readable: (loop, token) => {
          w.log.push(`readable ${token}`);
          expect(host.defer(() => void w.log.push('deferred'))).to.equal(true);
          loop.close();
        },
      }),
    );
    expect(w.log).to.deep.equal(['readable 1', 'dismissed']);
  });

  it('close() from a callback ends the run; nothing more is delivered', () => {
    const w = world();
    for (const message of ['a', 'b']) w.loop.channel().send(message);
    w.loop.timeout('t', 0);
    w.loop.runSync(
      recorder(w.log, {
        notify: (loop, message) => {
          w.log.push(`notify ${message}`);
          expect(loop.close()).to.deep.equal(['b']);
        },
      }),
    );
    expect(w.log).to.deep.equal(['notify a']);
  });
});

describe('T4: timeout()', () => {
  it('tells when it was due and how late it is, and has missed nothing', () => {
    const w = world();
    const dues: Lateness[] = [];
    w.loop.timeout('t', 10);
    w.driver.clockMs += 45;
    w.loop.runOnce({ timeout: (_, __, late) => void dues.push(late) }, 0);
    expect(dues).to.deep.equal([{ dueMs: 1010, lateMs: 35, missed: 0 }]);
  });
});

describe('T4: interval()', () => {
  it('keeps to the grid on which it began, however late deliveries are', () => {
    const w = world();
    const dues: Lateness[] = [];
    w.loop.interval('i', 10);
    const handler: Handler<string, string> = {
      timeout: (_, __, late) => {
        dues.push(late);
        w.driver.clockMs += 3;
      },
    };
    for (let count = 0; count < 3; count++) w.loop.runOnce(handler);
    expect(dues).to.deep.equal([
      { dueMs: 1010, lateMs: 0, missed: 0 },
      { dueMs: 1020, lateMs: 0, missed: 0 },
      { dueMs: 1030, lateMs: 0, missed: 0 },
    ]);
  });

  it('makes one delivery of many missed deadlines, which tells how many', () => {
    const w = world();
    const dues: Lateness[] = [];
    w.loop.interval('i', 10);
    const handler: Handler<string, string> = { timeout: (_, __, late) => void dues.push(late) };
    w.driver.clockMs += 45;
    w.loop.runOnce(handler, 0);
    w.loop.runOnce(handler, 0);
    expect(dues).to.deep.equal([{ dueMs: 1010, lateMs: 35, missed: 3 }]);
    w.loop.runOnce(handler);
    expect(dues[1]).to.deep.equal({ dueMs: 1050, lateMs: 0, missed: 0 });
  });

  it('can be cleared from its own callback', () => {
    const w = world();
    let count = 0;
    const interval = w.loop.interval('i', 10);
    const handler: Handler<string, string> = {
      timeout: (loop) => {
        count += 1;
        expect(loop.clearTimeout(interval)).to.equal(true);
      },
    };
    w.loop.runOnce(handler);
    w.driver.clockMs += 100;
    w.loop.runOnce(handler, 0);
    expect(count).to.equal(1);
    expect(w.loop.clearTimeout(interval)).to.equal(false);
  });
});

describe('L6: a loop that sleeps', () => {
  it('sets its alarm anew when timeouts are armed or cleared from outside', () => {
    const w = world();
    void w.loop.run(recorder(w.log));
    w.poller.runTurns();
    expect(w.poller.deadlineMs).to.equal(Infinity);
    const late = w.loop.timeout('late', 500);
    const early = w.loop.timeout('early', 50);
    expect(w.poller.deadlineMs).to.equal(1050);
    w.loop.clearTimeout(early);
    expect(w.poller.deadlineMs).to.equal(1500);
    w.loop.clearTimeout(late);
    expect(w.poller.deadlineMs).to.equal(Infinity);
  });

  it('has the alarm for what was armed in its last tick', () => {
    const w = world();
    w.loop.channel().send('m');
    void w.loop.run(recorder(w.log, { notify: (loop) => void loop.timeout('t', 70) }));
    expect(w.poller.runTurns()).to.equal(Turn.IDLE);
    expect(w.poller.deadlineMs).to.equal(1070);
  });

  it('T1: has the alarm again when the poller was ready a little early', () => {
    const w = world();
    w.loop.timeout('t', 50);
    void w.loop.run(recorder(w.log));
    expect(w.poller.runTurns()).to.equal(Turn.IDLE);
    w.poller.deadlineMs = Infinity;
    w.driver.clockMs = 1049.5;
    expect(w.poller.runTurns()).to.equal(Turn.IDLE);
    expect(w.poller.deadlineMs).to.equal(1050);
    w.driver.clockMs = 1050;
    w.poller.runTurns();
    expect(w.log.filter((line) => line !== 'tick')).to.deep.equal(['timeout t']);
  });

  it('does not go to sleep without the alarm that it needs', async () => {
    const w = world();
    w.loop.timeout('t', 50);
    const { setDeadline } = w.poller;
    w.poller.setDeadline = () => -12;
    const failed = w.loop.run(recorder(w.log)).catch((error: unknown) => error);
    w.poller.runTurns();
    expect(await failed).to.include({ code: 'ENOMEM', syscall: 'setDeadline' });
    w.poller.setDeadline = setDeadline;
    void w.loop.run(recorder(w.log));
    expect(w.poller.runTurns()).to.equal(Turn.IDLE);
    expect(w.poller.deadlineMs).to.equal(1050);
  });

  it('takes a turn when its alarm cannot be set anew from outside', () => {
    const w = world();
    void w.loop.run(recorder(w.log));
    w.poller.runTurns();
    const { setDeadline } = w.poller;
    w.poller.setDeadline = () => -12;
    w.loop.timeout('t', 50);
    expect(w.poller.wakes).to.equal(1);
    w.poller.setDeadline = setDeadline;
    w.poller.runTurns();
    expect(w.poller.deadlineMs).to.equal(1050);
  });

  it('is woken by the first message only', () => {
    const w = world();
    void w.loop.run(recorder(w.log));
    w.poller.runTurns();
    const sender = w.loop.channel();
    for (const message of ['a', 'b', 'c']) sender.send(message);
    expect(w.poller.wakes).to.equal(1);
    w.poller.runTurns();
    expect(w.log.filter((line) => line !== 'tick')).to.deep.equal([
      'notify a',
      'notify b',
      'notify c',
    ]);
  });
});
