/**
 * The rules of a tick (L1, L2, L8, T5) on a driver under the test's control:
 * no sockets, no threads, no real time.
 */
import { expect } from 'chai';
import type { EventLoop } from '../../../src/loop/event-loop.js';
import type { Handler } from '../../../src/loop/handler.js';
import { Interest } from '../../../src/poll/interest.js';
import { PollOpt } from '../../../src/poll/poll-opt.js';
import { FakeSource } from '../../support/fake-driver.js';
import { readySource, recorder, type World, world } from '../../support/fake-loop.js';

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

  it('L8: a poll that is interrupted delivers nothing of what an earlier one had fetched', () => {
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

  it('L8: also when the deadline of a timer has come meanwhile', () => {
    const w = world();
    w.loop.timeout('t', 30);
    w.poller.onPoll = () => {
      w.driver.clockMs = 1030;
      w.poller.interruptNext = true;
      w.poller.onPoll = null;
    };
    w.loop.runOnce(recorder(w.log));
    expect(w.log).to.deep.equal(['interrupted', 'tick']);
    // The first poll after it proves something about the time before the wait,
    for (let tick = 0; tick < 2; tick++) w.loop.runOnce(recorder(w.log));
    // and the next one about the deadline.
    expect(w.log.slice(2)).to.deep.equal(['tick', 'timeout t', 'tick']);
  });

  it('L7: what the budget has left over comes in the next tick, which does not wait', () => {
    const w = world({ tickBudgetMs: 10 });
    const seen = (loop: EventLoop<string, string>, line: string) => {
      w.log.push(line);
      w.driver.clockMs += 20;
      if (line.startsWith('m')) loop.timeout(line, 0);
    };
    const handler: Handler<string, string> = {
      notify: (loop, message) => seen(loop, message),
      timeout: (loop, payload) => seen(loop, `timeout ${payload}`),
      tick: () => void w.log.push('tick'),
    };
    for (const message of ['m1', 'm2']) w.loop.channel().send(message);
    for (let tick = 0; tick < 4; tick++) w.loop.runOnce(handler, 500);
    expect(w.log).to.deep.equal([
      'm1',
      'tick',
      'm2',
      'tick',
      'timeout m1',
      'tick',
      'timeout m2',
      'tick',
    ]);
    expect(w.poller.waits).to.deep.equal([0, 0, 0, 0]);
    w.loop.runOnce({}, 500);
    expect(w.poller.waits.at(-1)).to.equal(500);
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

  it('(a) so is the half of an edge that reregister() in readable() dropped', () => {
    const w = world();
    const { clear } = election(w);
    const source = readySource(w, 1);
    w.poller.ready(source.handle, Interest.READABLE | Interest.WRITABLE);
    w.driver.clockMs += 400;
    const handler = recorder(w.log, {
      readable: (loop) => {
        w.log.push('readable');
        loop.reregister(source, 2, Interest.WRITABLE, PollOpt.EDGE);
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
