/**
 * The receiving side of channels between threads (C1 to C6, and L2, L3, L9
 * with messages of other threads), on threads under the test's control.
 */
import { expect } from 'chai';
import type { EventLoopConfig } from '../../../src/loop/config.js';
import { EventLoop } from '../../../src/loop/event-loop.js';
import type { Handler } from '../../../src/loop/handler.js';
import { Sender } from '../../../src/loop/sender.js';
import { FakeDriver, type FakePoller } from '../../support/fake-driver.js';
import { type FakeInlet, withFakeThreads } from '../../support/fake-inlet.js';
import { random } from '../../support/random.js';
import { rejectionOf, thrownBy } from '../../support/thrown.js';

interface World {
  driver: FakeDriver;
  poller: FakePoller;
  loop: EventLoop<string, string>;
  sender: Sender<string>;
  inlet: FakeInlet<string>;
  log: string[];
}

/** Lets promises settle. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

describe('messages of other threads', () => {
  const fake = withFakeThreads();

  /** A loop that is open to other threads. */
  function world(config: EventLoopConfig = {}): World {
    const driver = new FakeDriver();
    const loop = new EventLoop<string, string>({ driver, ...config });
    fake.wake = (key) => driver.threads.wake(key);
    const sender = loop.channel();
    sender.transfer();
    const inlet = fake.inlets.at(-1) as unknown as FakeInlet<string>;
    return { driver, poller: driver.poller, loop, sender, inlet, log: [] };
  }

  function recorder(log: string[], more: Handler<string, string> = {}): Handler<string, string> {
    return {
      readable: (_, token) => void log.push(`readable ${token}`),
      notify: (_, message) => void log.push(message),
      timeout: (_, payload) => void log.push(`timeout ${payload}`),
      ...more,
    };
  }

  function drain(w: World): string[] {
    const got: string[] = [];
    while (w.loop.metrics().pendingMessages > 0) {
      w.loop.runOnce({ notify: (_, message) => void got.push(message) }, 0);
    }
    return got;
  }

  describe('a sender and its handle', () => {
    it('transfer() opens one inlet, and always returns its handle', () => {
      const w = world();
      expect(w.sender.transfer()).to.equal(w.inlet.handle);
      expect(w.loop.channel().transfer()).to.equal(w.inlet.handle);
      expect(fake.inlets.filter(({ host }) => host === w.inlet.host)).to.have.length(1);
      expect(w.inlet.host.capacity).to.equal(4096);
      expect(w.inlet.host.wakeKey).to.equal(w.poller.wakeKey);
    });

    it('from() makes a sender of it, which may come home and be transferred again', () => {
      const w = world();
      const sender = Sender.from<string>(w.sender.transfer());
      expect(sender.send('m')).to.equal(true);
      expect(sender.transfer()).to.equal(w.inlet.handle);
      expect(drain(w)).to.deep.equal(['m']);
      w.loop.close();
      expect(sender.closed).to.equal(true);
      expect(sender.send('late')).to.equal(false);
    });

    it('what is no handle is a TypeError', () => {
      const { control } = world().sender.transfer();
      const wrong = [null, 'text', {}, { millrace: 'sender', loop: '1' }, { loop: '1', control }];
      for (const handle of wrong) {
        expect(thrownBy(() => Sender.from(handle as never)).code).to.equal('ERR_INVALID_ARG_TYPE');
      }
    });

    it('transfer() of a closed loop is ERR_CHANNEL_CLOSED', () => {
      const w = world();
      w.loop.close();
      expect(thrownBy(() => w.sender.transfer()).code).to.equal('ERR_CHANNEL_CLOSED');
    });
  });

  describe('order and capacity', () => {
    it('C1: first in, first out for each sender, own and others, whatever comes between', () => {
      const numbers = random();
      const w = world({ notifyCapacity: 37, messagesPerTick: 5 });
      const next: Record<string, number> = { own: 0, A: 0, B: 0, C: 0 };
      const expected = { ...next };
      const handler: Handler<string, string> = {
        notify: (_, message) => {
          const [from, count] = message.split(' ');
          expect(Number(count), `seed ${numbers.seed}`).to.equal(expected[from]++);
        },
      };
      for (let step = 0; step < 4000; step++) {
        for (const from of ['own', 'A', 'B', 'C']) {
          if (numbers.next() < 0.4) continue;
          const message = `${from} ${next[from]}`;
          const taken = from === 'own' ? w.sender.send(message) : w.inlet.send(message, from);
          if (taken) next[from] += 1;
        }
        expect(w.inlet.taken).to.be.at.most(37);
        expect(w.loop.metrics().pendingMessages).to.equal(w.inlet.taken);
        if (numbers.next() < 0.5) w.loop.runOnce(handler, 0);
      }
      while (w.loop.metrics().pendingMessages > 0) w.loop.runOnce(handler, 0);
      expect(expected).to.deep.equal(next);
      expect(w.inlet.taken).to.equal(0);
      expect(w.loop.metrics().refused).to.be.above(0);
    });

    it('C1: the capacity is one for all threads, and exact', () => {
      const w = world({ notifyCapacity: 3 });
      expect(w.inlet.send('a')).to.equal(true);
      expect(w.sender.send('b')).to.equal(true);
      expect(w.inlet.send('c')).to.equal(true);
      expect(w.sender.send('d')).to.equal(false);
      expect(w.inlet.send('d')).to.equal(false);
      expect(w.loop.metrics().refused).to.equal(2);
      expect(w.loop.metrics().pendingMessages).to.equal(3);
      expect(drain(w)).to.have.members(['a', 'b', 'c']);
      for (const message of ['d', 'e', 'f']) expect(w.inlet.send(message)).to.equal(true);
      expect(w.sender.send('g')).to.equal(false);
    });

    it('C1: what waited before the inlet was opened takes its places', () => {
      const loop = new EventLoop<string>({ driver: new FakeDriver(), notifyCapacity: 3 });
      const sender = loop.channel();
      sender.send('a');
      sender.send('b');
      sender.transfer();
      const inlet = fake.inlets.at(-1) as unknown as FakeInlet<string>;
      expect(inlet.taken).to.equal(2);
      expect(inlet.send('c')).to.equal(true);
      expect(inlet.send('d')).to.equal(false);
      expect(loop.close()).to.deep.equal(['a', 'b', 'c']);
    });

    it('C1: others learn of free places by the end of the messages, and of a run', async () => {
      const w = world({ notifyCapacity: 2 });
      w.inlet.send('a');
      w.sender.send('b');
      const seen: number[] = [];
      w.loop.runOnce(recorder(w.log, { tick: () => void seen.push(w.inlet.published) }), 0);
      expect(seen).to.deep.equal([0]);
      w.inlet.send('c');
      const throwing: Handler<string, string> = {
        notify: () => {
          throw new Error('boom');
        },
      };
      expect(() => w.loop.runOnce(throwing, 0)).to.throw('boom');
      expect(w.inlet.published).to.equal(0);
      w.inlet.send('d');
      const run = rejectionOf(w.loop.run(throwing));
      w.poller.runTurns();
      await run;
      expect(w.inlet.published).to.equal(0);
    });

    it('C1: who waits here is served when another thread gives a place back', async () => {
      const w = world({ notifyCapacity: 1 });
      void w.loop.run(recorder(w.log));
      w.poller.runTurns();
      w.inlet.reserveElsewhere();
      let isTaken = false;
      void w.sender.sendAsync('patient').then(() => (isTaken = true));
      await settle();
      expect(isTaken).to.equal(false);
      w.inlet.giveBackElsewhere();
      expect(w.poller.wakes).to.equal(1);
      w.poller.runTurns();
      await settle();
      expect(isTaken).to.equal(true);
      expect(w.log).to.deep.equal(['patient']);
    });

    it('C1: no send() overtakes who waits, when there is room again', async () => {
      const w = world({ notifyCapacity: 1 });
      w.inlet.reserveElsewhere();
      const waiting = w.sender.sendAsync('patient');
      await settle();
      w.inlet.giveBackElsewhere();
      expect(w.sender.send('jumper')).to.equal(false);
      await waiting;
      expect(drain(w)).to.deep.equal(['patient']);
    });

    it('C2: sent before a run, and after one, is delivered by the next', () => {
      const w = world();
      w.inlet.send('before');
      w.loop.runOnce(recorder(w.log));
      w.inlet.send('after');
      expect(w.loop.metrics().pendingMessages).to.equal(1);
      w.loop.runOnce(recorder(w.log));
      expect(w.log).to.deep.equal(['before', 'after']);
    });

    it('C2: close() returns what was never delivered, announced or not', () => {
      const w = world();
      w.inlet.send('a');
      w.loop.metrics();
      w.sender.send('b');
      w.inlet.send('c');
      w.inlet.send('d', 'B');
      expect(w.loop.close()).to.deep.equal(['a', 'b', 'c', 'd']);
      expect(w.inlet.closed).to.equal(true);
      expect(w.inlet.send('late')).to.equal(false);
      expect(w.loop.close()).to.deep.equal([]);
      expect(w.loop.metrics().pendingMessages).to.equal(0);
      expect(w.loop.metrics().refused).to.equal(1);
    });
  });

  describe('the tick', () => {
    it('L1: claims before the poll, and what came during it only if there was nothing', () => {
      const w = world();
      w.poller.onPoll = () => w.inlet.send('during');
      w.loop.runOnce(recorder(w.log), 50);
      expect(w.log).to.deep.equal(['during']);
      w.inlet.send('early');
      w.loop.runOnce(recorder(w.log), 50);
      expect(w.log).to.deep.equal(['during', 'early']);
      expect(w.poller.waits).to.deep.equal([50, 0]);
    });

    it('L2 (b): what other threads had sent by the sample comes before the timer', () => {
      // Sent between the claim and the reading of the clock: S is after it.
      const w = world();
      let timer = w.loop.timeout('election', 150);
      w.driver.clockMs += 400;
      const { now } = w.driver;
      w.driver.now = () => {
        if (w.inlet.intakes === 1 && w.inlet.taken === 1) w.inlet.send('heartbeat');
        return now.call(w.driver);
      };
      // Claimed, so that the tick does not claim again after the poll.
      w.inlet.send('other');
      const handler = recorder(w.log, {
        notify: (loop, message) => {
          w.log.push(message);
          if (message !== 'heartbeat') return;
          loop.clearTimeout(timer);
          timer = loop.timeout('election', 150);
        },
      });
      for (let tick = 0; tick < 3; tick++) w.loop.runOnce(handler, 0);
      expect(w.log).to.deep.equal(['other', 'heartbeat']);
    });

    it('L2 (b): a backlog of other threads holds the timer for as many ticks as it takes', () => {
      const w = world({ messagesPerTick: 2 });
      const timer = w.loop.timeout('election', 150);
      for (const message of ['a', 'b']) w.inlet.send(message);
      w.sender.send('c');
      for (const message of ['d', 'heartbeat']) w.inlet.send(message);
      w.driver.clockMs += 400;
      const handler = recorder(w.log, {
        notify: (loop, message) => {
          w.log.push(message);
          if (message === 'heartbeat') loop.clearTimeout(timer);
        },
      });
      for (let tick = 0; tick < 4; tick++) w.loop.runOnce(handler, 0);
      expect(w.log).to.have.members(['a', 'b', 'c', 'd', 'heartbeat']);
    });

    it('L2: what came while it slept until a deadline is delivered before the timer', () => {
      const w = world();
      const timer = w.loop.timeout('election', 150);
      w.poller.onPoll = () => {
        // With the deadline, and too late to end the wait.
        if (w.poller.waits.length === 2) w.inlet.send('heartbeat');
      };
      const handler = recorder(w.log, {
        notify: (loop, message) => {
          w.log.push(message);
          loop.clearTimeout(timer);
        },
      });
      w.loop.runOnce(handler);
      expect(w.poller.waits).to.deep.equal([-1, 0]);
      expect(w.log).to.deep.equal(['heartbeat']);
    });

    it('L3: what is sent during a callback comes in a later tick, which does not wait', () => {
      const w = world();
      w.inlet.send('first');
      const handler = recorder(w.log, {
        notify: (_, message) => {
          w.log.push(message);
          if (message === 'first') w.inlet.send('second');
        },
        tick: () => void w.log.push('tick'),
      });
      w.loop.runOnce(handler, 50);
      w.loop.runOnce(handler, 50);
      expect(w.log).to.deep.equal(['first', 'tick', 'second', 'tick']);
      expect(w.poller.waits).to.deep.equal([0, 0]);
    });

    it('L5: a throw leaves the rest, own and others, for the next run', () => {
      const w = world();
      w.inlet.send('a');
      w.loop.metrics();
      w.sender.send('b');
      w.inlet.send('c');
      const handler: Handler<string, string> = {
        notify: (_, message) => {
          w.log.push(message);
          throw new Error(message);
        },
      };
      for (const message of ['a', 'b', 'c']) {
        expect(() => w.loop.runOnce(handler, 0)).to.throw(message);
      }
      expect(w.log).to.deep.equal(['a', 'b', 'c']);
    });
  });

  describe('C5: sleep and wake-up', () => {
    it('L9: a message wakes a loop that sleeps, once, and one that is awake not at all', () => {
      const w = world();
      void w.loop.run(recorder(w.log));
      w.inlet.send('awake');
      expect(w.poller.wakes).to.equal(0);
      w.poller.runTurns();
      for (const message of ['a', 'b', 'c']) w.inlet.send(message);
      expect(w.poller.wakes).to.equal(1);
      w.poller.runTurns();
      expect(w.log).to.deep.equal(['awake', 'a', 'b', 'c']);
    });

    it('a message between the last intake and falling asleep keeps the loop awake', () => {
      const w = world();
      void w.loop.run(recorder(w.log));
      w.inlet.onFallAsleep = () => {
        w.inlet.onFallAsleep = null;
        // Sent before the loop's announcement could be seen: nobody wakes it.
        w.inlet.asleep = false;
        w.inlet.send('narrow');
      };
      w.poller.runTurns();
      expect(w.poller.wakes).to.equal(0);
      expect(w.log).to.deep.equal(['narrow']);
    });

    it('and likewise keeps it from blocking', () => {
      const w = world();
      w.inlet.onFallAsleep = () => {
        w.inlet.onFallAsleep = null;
        w.inlet.asleep = false;
        w.inlet.send('narrow');
      };
      w.loop.runOnce(recorder(w.log));
      expect(w.log).to.deep.equal(['narrow']);
      expect(w.poller.waits).to.deep.equal([0]);
    });

    it('before it blocks, the loop says so, and after it, that it is awake', () => {
      const w = world();
      const asleep: boolean[] = [];
      w.poller.onPoll = (timeoutMs) => {
        asleep.push(w.inlet.asleep);
        if (timeoutMs !== 0) w.inlet.send('m');
      };
      w.loop.runOnce(recorder(w.log, { notify: () => void asleep.push(w.inlet.asleep) }));
      expect(asleep).to.deep.equal([true, false]);
      expect(w.poller.wakes).to.equal(1);
    });

    it('a blocking wait that the system refuses leaves it awake', () => {
      const w = world();
      const { poll } = w.poller;
      w.poller.poll = () => -12;
      expect(() => w.loop.runOnce({}, 50)).to.throw('ENOMEM');
      expect(w.inlet.asleep).to.equal(false);
      w.poller.poll = poll;
      w.loop.runOnce(recorder(w.log), 50);
    });

    it('an inlet that is opened while the loop sleeps knows that it does', () => {
      const driver = new FakeDriver();
      const loop = new EventLoop<string>({ driver });
      fake.wake = (key) => driver.threads.wake(key);
      const log: string[] = [];
      void loop.run(recorder(log));
      driver.poller.runTurns();
      loop.channel().transfer();
      const inlet = fake.inlets.at(-1) as unknown as FakeInlet<string>;
      inlet.send('m');
      expect(driver.poller.wakes).to.equal(1);
      driver.poller.runTurns();
      expect(log).to.deep.equal(['m']);
    });

    it('messages of the same thread wake it as cheaply as ever', () => {
      const w = world();
      void w.loop.run(recorder(w.log));
      w.poller.runTurns();
      for (const message of ['a', 'b', 'c']) w.sender.send(message);
      expect(w.poller.wakes).to.equal(1);
      expect(w.inlet.wakes).to.equal(0);
      w.poller.runTurns();
      expect(w.log).to.deep.equal(['a', 'b', 'c']);
    });

    it('a loop without an inlet has nothing to do with it', () => {
      const driver = new FakeDriver();
      const loop = new EventLoop<string>({ driver });
      const poller = Object.assign(driver.poller, {});
      Object.defineProperty(poller, 'wakeKey', { get: () => expect.fail('nobody asked for it') });
      loop.channel().send('m');
      loop.runOnce({}, 0);
      loop.close();
    });
  });

  describe('C6: a lane that is broken', () => {
    it('is reported once; what it had is passed over and counted, the rest is delivered', () => {
      const w = world();
      w.inlet.send('A1', 'A');
      w.inlet.send('A2', 'A');
      w.loop.metrics();
      w.sender.send('own');
      w.inlet.send('B1', 'B');
      w.inlet.send('A3', 'A');
      w.loop.metrics();
      w.inlet.breakLane('A', 1);
      expect(() => w.loop.runOnce(recorder(w.log), 0)).to.throw('lane A is broken');
      w.inlet.send('A4', 'A');
      w.inlet.send('B2', 'B');
      for (let tick = 0; tick < 3; tick++) w.loop.runOnce(recorder(w.log), 0);
      expect(w.log).to.deep.equal(['A1', 'own', 'B1', 'B2']);
      const { lost, pendingMessages, messages } = w.loop.metrics();
      expect({ lost, pendingMessages, messages }).to.deep.equal({
        lost: 3,
        pendingMessages: 0,
        messages: 4,
      });
      expect(w.inlet.taken).to.equal(0);
    });

    it('leaves the own messages behind it in their order, however many it had', () => {
      const w = world();
      for (let count = 0; count < 5; count++) w.inlet.send(`A${count}`, 'A');
      w.loop.metrics();
      w.inlet.breakLane('A', 1);
      for (let count = 0; count < 40; count++) w.sender.send(`own ${count}`);
      expect(() => w.loop.runOnce(recorder(w.log), 0)).to.throw('lane A is broken');
      w.sender.send('own 40');
      expect(drain(w)).to.deep.equal(Array.from({ length: 41 }, (_, index) => `own ${index}`));
      expect(w.loop.metrics().lost).to.equal(4);
      w.sender.send('later');
      expect(w.loop.close()).to.deep.equal(['later']);
    });

    it('L2: does not let a timer overtake what stands behind it', () => {
      const w = world({ messagesPerTick: 1 });
      const timer = w.loop.timeout('election', 150);
      w.driver.clockMs += 400;
      w.inlet.send('A1', 'A');
      w.loop.metrics();
      w.sender.send('heartbeat');
      w.inlet.breakLane('A');
      const handler = recorder(w.log, {
        notify: (loop, message) => {
          w.log.push(message);
          loop.clearTimeout(timer);
        },
      });
      expect(() => w.loop.runOnce(handler, 0)).to.throw('lane A is broken');
      for (let count = 0; count < 4; count++) w.inlet.send(`A ${count}`, 'A');
      for (let tick = 0; tick < 3; tick++) w.loop.runOnce(handler, 0);
      expect(w.log).to.deep.equal(['heartbeat']);
    });

    it('makes run() reject; the next run goes on with the rest, and sleeps', async () => {
      const w = world();
      w.inlet.send('A1', 'A');
      w.inlet.send('B1', 'B');
      w.inlet.breakLane('A');
      const failed = rejectionOf(w.loop.run(recorder(w.log)));
      w.poller.runTurns();
      expect((await failed).message).to.equal('lane A is broken');
      void w.loop.run(recorder(w.log));
      w.poller.runTurns();
      expect(w.log).to.deep.equal(['B1']);
      expect(w.inlet.asleep).to.equal(true);
    });

    it('is no part of what close() returns', () => {
      const w = world();
      w.inlet.send('A1', 'A');
      w.inlet.send('A2', 'A');
      w.inlet.send('B1', 'B');
      w.inlet.breakLane('A');
      w.loop.metrics();
      expect(w.loop.close()).to.deep.equal(['B1']);
      expect(w.loop.metrics().lost).to.equal(2);
    });
  });

  it('L10: nothing more is asked of the inlet once the loop was closed', () => {
    const w = world();
    w.loop.close();
    const { intakes, publications } = w.inlet;
    w.loop.metrics();
    w.sender.send('late');
    w.sender.wake();
    expect([w.inlet.intakes, w.inlet.publications]).to.deep.equal([intakes, publications]);
  });
});
