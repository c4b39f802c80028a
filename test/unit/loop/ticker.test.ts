/**
 * The rules of a tick (L1 to L5, L8, T5) on a driver under the test's control:
 * no sockets, no threads, no real time.
 */
import { expect } from 'chai';
import type { EventLoopConfig } from '../../../src/loop/config.js';
import { EventLoop } from '../../../src/loop/event-loop.js';
import type { Handler, Lateness } from '../../../src/loop/handler.js';
import { Interest } from '../../../src/poll/interest.js';
import { PollOpt } from '../../../src/poll/poll-opt.js';
import { Turn } from '../../../src/poll/driver.js';
import { FakeDriver, type FakePoller, FakeSource } from '../../support/fake-driver.js';

interface World {
  driver: FakeDriver;
  poller: FakePoller;
  loop: EventLoop<string, string>;
  log: string[];
}

function world(config: EventLoopConfig = {}): World {
  const driver = new FakeDriver();
  const loop = new EventLoop<string, string>({ driver, ...config });
  return { driver, poller: driver.poller, loop, log: [] };
}

/** A handler that writes down what it is called with. */
function recorder(log: string[], more: Handler<string, string> = {}): Handler<string, string> {
  return {
    readable: (_, token) => void log.push(`readable ${token}`),
    writable: (_, token) => void log.push(`writable ${token}`),
    notify: (_, message) => void log.push(`notify ${message}`),
    timeout: (_, payload) => void log.push(`timeout ${payload}`),
    signal: (_, { signal }) => void log.push(`signal ${signal}`),
    interrupted: () => void log.push('interrupted'),
    tick: () => void log.push('tick'),
    ...more,
  };
}

function readySource({ driver, poller, loop }: World, token: number): FakeSource {
  const source = new FakeSource(driver);
  loop.register(source, token, Interest.READABLE | Interest.WRITABLE);
  poller.ready(source.handle, Interest.READABLE);
  return source;
}

describe('the tick', () => {
  it('L2: a guest is told the sample that its timeout waited for, not the time', () => {
    const w = world();
    const host = w.loop.admit({ dismissed: () => undefined });
    const told: number[] = [];
    host.timeout({ expire: () => void (w.driver.clockMs += 5) }, 0);
    host.timeout({ expire: (settledMs) => void told.push(settledMs) }, 0);
    w.loop.runOnce({});
    expect(told).to.deep.equal([1000]);
  });

  it('L1: delivers I/O, then messages, then timers, then tick()', () => {
    const w = world();
    w.loop.timeout('t', 0);
    w.loop.channel().send('m');
    readySource(w, 1);
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['readable 1', 'notify m', 'timeout t', 'tick']);
  });

  it('L1: polls without waiting when messages are claimed, else until something is due', () => {
    const w = world();
    w.loop.channel().send('m');
    w.loop.runOnce(recorder(w.log), 50);
    expect(w.poller.waits).to.deep.equal([0]);
    w.loop.runOnce(recorder(w.log), 50);
    expect(w.poller.waits).to.deep.equal([0, 50]);
  });

  it('L1: claims what came during the poll only if there was nothing before it', () => {
    const w = world();
    const sender = w.loop.channel();
    w.poller.onPoll = () => sender.send('late');
    w.loop.runOnce(recorder(w.log), 50);
    expect(w.log).to.deep.equal(['notify late', 'tick']);
    w.log.length = 0;
    sender.send('early');
    w.poller.onPoll = () => {
      sender.send('during');
      w.poller.onPoll = null;
    };
    w.loop.runOnce(recorder(w.log), 50);
    expect(w.log).to.deep.equal(['notify early', 'tick']);
    w.loop.runOnce(recorder(w.log), 50);
    expect(w.log).to.deep.equal(['notify early', 'tick', 'notify during', 'tick']);
  });

  it('L1: delivers at most messagesPerTick messages a tick', () => {
    const w = world({ messagesPerTick: 2 });
    for (const message of ['a', 'b', 'c']) w.loop.channel().send(message);
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['notify a', 'notify b', 'tick']);
    w.loop.runOnce(recorder(w.log));
    expect(w.log.slice(3)).to.deep.equal(['notify c', 'tick']);
  });

  it('L1: calls tick() also when nothing happened', () => {
    const w = world();
    w.loop.runOnce(recorder(w.log), 5);
    expect(w.log).to.deep.equal(['tick']);
  });

  it('L3: a message sent from a callback arrives in a later tick, which does not wait', () => {
    const w = world();
    w.loop.channel().send('first');
    const handler = recorder(w.log, {
      notify: (loop, message) => {
        w.log.push(`notify ${message}`);
        if (message === 'first') loop.channel().send('second');
      },
    });
    w.loop.runOnce(handler);
    expect(w.log).to.deep.equal(['notify first', 'tick']);
    w.loop.runOnce(handler);
    expect(w.log.slice(2)).to.deep.equal(['notify second', 'tick']);
    expect(w.poller.waits).to.deep.equal([0, 0]);
  });

  it('L8: interrupted() on EINTR, and the tick goes on without I/O events', () => {
    const w = world();
    readySource(w, 1);
    w.loop.channel().send('m');
    w.poller.interruptNext = true;
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['interrupted', 'notify m', 'tick']);
    w.loop.runOnce(recorder(w.log));
    expect(w.log.slice(3)).to.deep.equal(['readable 1', 'tick']);
  });

  it('L8: what an earlier poll had fetched is not delivered again by one that is interrupted', () => {
    const w = world();
    readySource(w, 1);
    w.loop.runOnce(recorder(w.log));
    w.poller.interruptNext = true;
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['readable 1', 'tick', 'interrupted', 'tick']);
  });

  it('S2: readable() and then writable(), once each, where both are asked for', () => {
    const w = world();
    const source = readySource(w, 1);
    const next = readySource(w, 2);
    w.poller.ready(source.handle, Interest.READABLE | Interest.WRITABLE);
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['readable 1', 'writable 1', 'readable 2', 'tick']);
    w.log.length = 0;
    const handler = recorder(w.log, {
      readable: (loop, token) => {
        w.log.push(`readable ${token}`);
        if (token === 1) loop.deregister(source);
      },
    });
    w.poller.ready(next.handle, Interest.WRITABLE);
    w.loop.runOnce(handler);
    expect(w.log).to.deep.equal(['readable 1', 'writable 2', 'tick']);
  });

  it('S7: a source whose silence ends while the loop waits is asked in the same tick', () => {
    const w = world();
    const { registration } = readySource(w, 1);
    registration?.registry.suspend(registration, w.driver.clockMs);
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['readable 1', 'tick']);
    expect(w.poller.waits).to.deep.equal([-1, 0]);
  });

  it('counts what it does, each thing once', () => {
    const w = world({ eventsCapacity: 3 });
    const source = readySource(w, 1);
    const stale = readySource(w, 2);
    w.poller.raise(1);
    w.loop.channel().send('m');
    w.loop.timeout('t', 0);
    w.loop.runOnce(recorder(w.log, { readable: (loop) => loop.deregister(stale) }), 0);
    w.poller.settle(source.handle);
    w.poller.interruptNext = true;
    w.loop.runOnce(recorder(w.log), 0);
    w.loop.runOnce(recorder(w.log), 0);
    expect(w.log.filter((line) => line !== 'tick')).to.deep.equal([
      'signal SIGHUP',
      'notify m',
      'interrupted',
      'timeout t',
    ]);
    expect(w.loop.metrics()).to.include({
      ticks: 3,
      events: 1,
      staleEvents: 1,
      signals: 1,
      messages: 1,
      timers: 1,
      interrupted: 1,
      fullPolls: 1,
    });
  });

  it('L9: signals are events of the I/O phase', () => {
    const w = world();
    w.poller.raise(1);
    w.loop.channel().send('m');
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['signal SIGHUP', 'notify m', 'tick']);
  });

  it('L9: now() is the latest sample inside a tick, and the real clock outside', () => {
    const w = world();
    const seen: number[] = [];
    w.loop.timeout('t', 10);
    w.loop.runOnce({
      timeout: (loop) => {
        w.driver.clockMs += 5;
        seen.push(loop.now());
      },
    });
    expect(seen).to.deep.equal([1010]);
    expect(w.loop.now()).to.equal(1015);
  });

  it('T5: a timeout of 0 armed in a callback fires in a later tick', () => {
    const w = world();
    w.loop.timeout('first', 0);
    const handler = recorder(w.log, {
      timeout: (loop, payload) => {
        w.log.push(`timeout ${payload}`);
        if (payload === 'first') loop.timeout('second', 0);
      },
    });
    w.loop.runOnce(handler);
    expect(w.log).to.deep.equal(['timeout first', 'tick']);
    w.loop.runOnce(handler);
    expect(w.log.slice(2)).to.deep.equal(['timeout second', 'tick']);
  });

  it('T5: also when armed in the I/O phase, before the timers of its tick', () => {
    const w = world();
    const source = readySource(w, 1);
    const handler = recorder(w.log, {
      readable: (loop) => {
        w.poller.settle(source.handle);
        loop.timeout('zero', 0);
      },
    });
    w.loop.runOnce(handler);
    expect(w.log).to.deep.equal(['tick']);
    w.loop.runOnce(handler);
    expect(w.log).to.deep.equal(['tick', 'timeout zero', 'tick']);
  });
});

describe('L2: a timer waits for what had arrived by its deadline', () => {
  /** A handler whose readable() clears the election timer, as a heartbeat does. */
  function follower(w: World, arm: () => void, clear: () => boolean): Handler<string, string> {
    return recorder(w.log, {
      readable: (_, token) => {
        w.log.push(`heartbeat ${token}`);
        clear();
        arm();
      },
      notify: (_, message) => {
        if (message !== 'heartbeat') return;
        w.log.push('heartbeat');
        clear();
        arm();
      },
    });
  }

  function election(w: World): { arm(): void; clear(): boolean } {
    let timer = w.loop.timeout('election', 150);
    return {
      arm: () => {
        timer = w.loop.timeout('election', 150);
      },
      clear: () => w.loop.clearTimeout(timer),
    };
  }

  it('I/O that is ready after a stall clears the timer that the stall made overdue', () => {
    const w = world();
    const { arm, clear } = election(w);
    const source = readySource(w, 1);
    w.driver.clockMs += 400;
    w.loop.runOnce(follower(w, arm, clear), 0);
    w.poller.settle(source.handle);
    w.loop.runOnce(follower(w, arm, clear), 0);
    expect(w.log).to.deep.equal(['heartbeat 1', 'tick', 'tick']);
  });

  it('I/O that arrives between the sample and the end of the tick is not late', () => {
    // The stall happens in an I/O callback: what was due at the sample, before
    // the stall, may fire; what became due during the stall must not.
    const w = world();
    const { arm, clear } = election(w);
    const stalling = readySource(w, 1);
    const heartbeats = new FakeSource(w.driver);
    w.loop.register(heartbeats, 2);
    const handler = recorder(w.log, {
      readable: (_, token) => {
        w.log.push(`readable ${token}`);
        if (token === 1) {
          w.poller.settle(stalling.handle);
          w.driver.clockMs += 400;
          w.poller.ready(heartbeats.handle, Interest.READABLE);
        } else {
          w.poller.settle(heartbeats.handle);
          clear();
          arm();
        }
      },
    });
    w.loop.runOnce(handler, 0);
    w.loop.runOnce(handler, 0);
    expect(w.log).to.deep.equal(['readable 1', 'tick', 'readable 2', 'tick']);
  });

  it('a wait that slept until the deadline polls once more, and fires in the same tick', () => {
    const w = world();
    w.loop.timeout('t', 30);
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['timeout t', 'tick']);
    expect(w.poller.waits).to.deep.equal([-1, 0]);
  });

  it('what arrived with the deadline is delivered by that second poll, before the timer', () => {
    const w = world();
    const { arm, clear } = election(w);
    const source = new FakeSource(w.driver);
    w.loop.register(source, 1);
    w.poller.onPoll = () => {
      if (w.poller.waits.length === 2) w.poller.ready(source.handle, Interest.READABLE);
    };
    w.loop.runOnce(follower(w, arm, clear));
    expect(w.log).to.deep.equal(['heartbeat 1', 'tick']);
  });

  it('(a) a full poll proves nothing: the timer waits for one that is not full', () => {
    const w = world({ eventsCapacity: 2 });
    const { arm, clear } = election(w);
    const first = [readySource(w, 1), readySource(w, 2)];
    const heartbeat = readySource(w, 3);
    w.driver.clockMs += 400;
    const handler = follower(w, arm, clear);
    handler.readable = (_, token) => {
      w.log.push(`readable ${token}`);
      if (token < 3) w.poller.settle(first[token - 1].handle);
      else {
        w.poller.settle(heartbeat.handle);
        clear();
        arm();
      }
    };
    w.loop.runOnce(handler, 0);
    w.loop.runOnce(handler, 0);
    w.loop.runOnce(handler, 0);
    expect(w.log.filter((line) => line !== 'tick')).to.deep.equal([
      'readable 1',
      'readable 2',
      'readable 3',
    ]);
  });

  it('(a) endless full polls hold a timer for eight polls and no longer', () => {
    const w = world({ eventsCapacity: 1 });
    w.loop.timeout('t', 10);
    readySource(w, 1);
    w.driver.clockMs += 400;
    const log: string[] = [];
    for (let tick = 1; tick <= 9; tick++) {
      w.loop.runOnce({ timeout: () => void log.push(`tick ${tick}`) }, 0);
    }
    expect(log).to.deep.equal(['tick 8']);
  });

  const renewals: [string, (loop: World['loop'], source: FakeSource) => void][] = [
    ['reregister()', (loop, source) => loop.reregister(source, 2, Interest.READABLE)],
    [
      'register() after deregister()',
      (loop, source) => {
        loop.deregister(source);
        loop.register(source, 2);
      },
    ],
  ];
  for (const [name, renew] of renewals) {
    it(`(a) an event that ${name} dropped is told again before the timer`, () => {
      const w = world();
      const { clear } = election(w);
      const first = readySource(w, 1);
      const heartbeat = readySource(w, 2);
      w.driver.clockMs += 400;
      const handler = recorder(w.log, {
        readable: (loop, token) => {
          w.log.push(`readable ${token}`);
          w.poller.settle((token === 1 ? first : heartbeat).handle);
          if (token === 1) renew(loop, heartbeat);
          else clear();
        },
      });
      w.loop.runOnce(handler, 0);
      w.loop.runOnce(handler, 0);
      expect(w.log).to.deep.equal(['readable 1', 'tick', 'readable 2', 'tick']);
    });
  }

  it('(a) so is the half that reregister() in readable() dropped', () => {
    const w = world();
    const { clear } = election(w);
    const source = readySource(w, 1);
    w.poller.ready(source.handle, Interest.READABLE | Interest.WRITABLE);
    w.driver.clockMs += 400;
    const handler = recorder(w.log, {
      readable: (loop) => {
        w.log.push('readable');
        loop.reregister(source, 2, Interest.WRITABLE);
      },
      writable: () => {
        w.log.push('writable');
        clear();
      },
    });
    w.loop.runOnce(handler, 0);
    w.loop.runOnce(handler, 0);
    expect(w.log).to.deep.equal(['readable', 'tick', 'writable', 'tick']);
  });

  it('(a) an event that was dropped for good holds no timer', () => {
    const w = world();
    w.loop.timeout('t', 10);
    readySource(w, 1);
    const closed = readySource(w, 2);
    w.driver.clockMs += 400;
    w.loop.runOnce(recorder(w.log, { readable: () => closed.close() }), 0);
    expect(w.log).to.deep.equal(['timeout t', 'tick']);
  });

  it('(a) endless renewals hold a timer for eight polls and no longer', () => {
    const w = world();
    w.loop.timeout('t', 10);
    readySource(w, 1);
    const dropped = readySource(w, 2);
    w.driver.clockMs += 400;
    const log: string[] = [];
    for (let tick = 1; tick <= 9; tick++) {
      const handler: Handler<string, string> = {
        readable: (loop) => loop.reregister(dropped, 2, Interest.READABLE),
        timeout: () => void log.push(`tick ${tick}`),
      };
      w.loop.runOnce(handler, 0);
    }
    expect(log).to.deep.equal(['tick 8']);
  });

  it('(a) what an earlier sample had waited for does not count for the next', () => {
    const w = world({ eventsCapacity: 1 });
    for (const due of ['first', 'second', 'third']) {
      // One poll that is not full, after which a timer may fire,
      w.loop.runOnce({}, 0);
      w.loop.timeout(due, 10);
      w.driver.clockMs += 400;
      // and then full ones, of which eight are the bound each time.
      const source = readySource(w, 1);
      const log: string[] = [];
      for (let tick = 1; tick <= 9; tick++) {
        w.loop.runOnce({ timeout: (_, payload) => void log.push(`${payload} in ${tick}`) }, 0);
      }
      expect(log).to.deep.equal([`${due} in 8`]);
      source.close();
      w.loop.runOnce({}, 0);
    }
  });

  it('(b) every message queued at the sample comes first, however many ticks it takes', () => {
    const w = world({ messagesPerTick: 2 });
    const { arm, clear } = election(w);
    for (const message of ['a', 'b', 'c', 'd', 'heartbeat']) w.loop.channel().send(message);
    w.driver.clockMs += 400;
    const handler = follower(w, arm, clear);
    for (let tick = 0; tick < 4; tick++) w.loop.runOnce(handler, 0);
    expect(w.log.filter((line) => line !== 'tick')).to.deep.equal(['heartbeat']);
  });

  it('(b) an endless stream of messages holds a timer for one backlog and no longer', () => {
    const w = world({ messagesPerTick: 2, notifyCapacity: 6 });
    const sender = w.loop.channel();
    for (let count = 0; count < 6; count++) sender.send('m');
    w.loop.timeout('t', 10);
    w.driver.clockMs += 400;
    const log: string[] = [];
    for (let tick = 1; tick <= 6; tick++) {
      const handler: Handler<string, string> = {
        notify: () => void sender.send('again'),
        timeout: () => void log.push(`tick ${tick}`),
      };
      w.loop.runOnce(handler, 0);
    }
    expect(log).to.deep.equal(['tick 3']);
  });

  it('an interrupted poll proves nothing either', () => {
    const w = world();
    const { arm, clear } = election(w);
    readySource(w, 1);
    w.driver.clockMs += 400;
    w.poller.interruptNext = true;
    w.loop.runOnce(follower(w, arm, clear), 0);
    w.loop.runOnce(follower(w, arm, clear), 0);
    expect(w.log).to.deep.equal(['interrupted', 'tick', 'heartbeat 1', 'tick']);
  });

  it('events that the budget left over come before the timer', () => {
    const w = world({ tickBudgetMs: 10 });
    const { arm, clear } = election(w);
    const slow = readySource(w, 1);
    const heartbeat = readySource(w, 2);
    w.driver.clockMs += 400;
    const handler = recorder(w.log, {
      readable: (_, token) => {
        w.log.push(`readable ${token}`);
        w.driver.clockMs += 20;
        if (token === 1) w.poller.settle(slow.handle);
        else {
          w.poller.settle(heartbeat.handle);
          clear();
          arm();
        }
      },
    });
    w.loop.runOnce(handler, 0);
    expect(w.log).to.deep.equal(['readable 1', 'tick']);
    w.loop.runOnce(handler, 0);
    expect(w.log.slice(2)).to.deep.equal(['readable 2', 'tick']);
    // The second tick had the rest of the first poll, and made none of its own.
    expect(w.poller.waits).to.have.length(1);
  });

  it('a timer cleared by an earlier timer of the same tick never fires', () => {
    const w = world();
    w.loop.timeout('first', 10);
    const second = w.loop.timeout('second', 11);
    w.driver.clockMs += 400;
    const cleared: boolean[] = [];
    w.loop.runOnce(
      recorder(w.log, {
        timeout: (loop, payload) => {
          w.log.push(`timeout ${payload}`);
          cleared.push(loop.clearTimeout(second));
        },
      }),
      0,
    );
    expect(w.log).to.deep.equal(['timeout first', 'tick']);
    expect(cleared).to.deep.equal([true]);
  });
});

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
