/** The channel on one thread: rules C1 to C5. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect } from 'chai';
import { EventLoop, type RefusedMessage } from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

describeWays('the channel', (way) => {
  it('C1: first in, first out, over many ticks and several senders', async () => {
    const loop = way.open<[number, number]>({ notifyCapacity: 3000, messagesPerTick: 100 });
    const senders = [loop.channel(), loop.channel(), loop.channel()];
    for (let count = 0; count < 1000; count++) {
      for (const [index, sender] of senders.entries()) {
        expect(sender.send([index, count])).to.equal(true);
      }
    }
    const next = [0, 0, 0];
    let left = 3000;
    await way.drive(loop, {
      notify: (l, [index, count]) => {
        expect(count).to.equal(next[index]++);
        left -= 1;
        if (left === 0) l.shutdown();
      },
    });
  });

  for (const capacity of [1, 2, 3, 16, 17, 1000]) {
    it(`C1: a capacity of ${capacity} holds ${capacity}`, async () => {
      const loop = way.open<number>({ notifyCapacity: capacity });
      const sender = loop.channel();
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < capacity; i++) expect(sender.send(i)).to.equal(true);
        expect(sender.send(-1)).to.equal(false);
        expect(sender.send(-1)).to.equal(false);
        const got: number[] = [];
        // Ticks of its own for each round: shutdown() would be sticky.
        while (got.length < capacity) {
          loop.runOnce({ notify: (_, message) => void got.push(message) }, 0);
        }
        expect(got).to.deep.equal(Array.from({ length: capacity }, (_, index) => index));
      }
      expect(loop.metrics().refused).to.equal(6);
    });
  }

  it('C2: what is sent before a run, and after one, is delivered by the next', async () => {
    const loop = way.open<string>();
    const got: string[] = [];
    const handler = {
      notify: (l: EventLoop<string>, message: string) => {
        got.push(message);
        l.shutdown();
      },
    };
    loop.channel().send('before');
    await way.drive(loop, handler);
    loop.channel().send('after');
    expect(loop.metrics().pendingMessages).to.equal(1);
    await way.drive(loop, handler);
    expect(got).to.deep.equal(['before', 'after']);
  });

  it('C2: close() returns what was never delivered, and refuses from then on', async () => {
    const loop = way.open<string>({ messagesPerTick: 1 });
    const sender = loop.channel();
    for (const message of ['a', 'b', 'c']) sender.send(message);
    await way.drive(loop, { notify: (l) => l.shutdown() });
    expect(sender.closed).to.equal(false);
    expect(loop.close()).to.deep.equal(['b', 'c']);
    expect(loop.close()).to.deep.equal([]);
    expect(sender.closed).to.equal(true);
    expect(sender.send('d')).to.equal(false);
    sender.wake();
    const error = await rejectionOf(sender.sendAsync('d'));
    expect(error.code).to.equal('ERR_CHANNEL_CLOSED');
  });

  it('C3: what is refused is counted, and published with its reason', () => {
    const loop = way.open<string>({ notifyCapacity: 1 });
    const sender = loop.channel();
    const refusals: RefusedMessage[] = [];
    const onRefused = (message: unknown) => refusals.push(message as RefusedMessage);
    subscribe('millrace:refused', onRefused);
    try {
      sender.send('taken');
      sender.send('too many');
      loop.close();
      sender.send('too late');
    } finally {
      unsubscribe('millrace:refused', onRefused);
    }
    sender.send('unheard');
    expect(refusals).to.deep.equal([
      { reason: 'full', capacity: 1, message: 'too many' },
      { reason: 'closed', capacity: 1, message: 'too late' },
    ]);
    expect(loop.metrics().refused).to.equal(3);
  });

  it('C4: a message arrives by reference, whatever it is', async () => {
    const loop = way.open();
    const messages = [{ deep: [1] }, undefined, null, NaN, () => 1, Symbol('s'), new Map(), 10n];
    for (const message of messages) loop.channel().send(message);
    const got: unknown[] = [];
    await way.drive(loop, {
      notify: (l, message) => {
        got.push(message);
        if (got.length === messages.length) l.shutdown();
      },
    });
    expect(got.every((message, index) => Object.is(message, messages[index]))).to.equal(true);
  });

  it('C5: wake() makes for a tick without a message', async () => {
    const loop = way.open();
    let ticks = 0;
    loop.channel().wake();
    await way.drive(loop, {
      notify: () => expect.fail('no message was sent'),
      tick: (l) => {
        ticks += 1;
        if (ticks === 2) l.shutdown();
        else l.channel().wake();
      },
    });
  });
});

describeWays(
  'the channel, waiting for room',
  (way) => {
    it('C1: sendAsync() waits its turn, and no send() overtakes', async () => {
      const loop = way.open<string>({ notifyCapacity: 2, messagesPerTick: 1 });
      const sender = loop.channel();
      expect(sender.send('a')).to.equal(true);
      expect(sender.send('b')).to.equal(true);
      const settled: string[] = [];
      const waiting = ['c', 'd', 'e'].map(async (message) => {
        await sender.sendAsync(message);
        settled.push(message);
      });
      expect(sender.send('refused')).to.equal(false);
      const got: string[] = [];
      await way.drive(loop, {
        notify: (l, message) => {
          got.push(message);
          // A place has become free, and it belongs to who waits longest.
          if (got.length <= 3) expect(sender.send('jumper')).to.equal(false);
          if (got.length === 5) l.shutdown();
        },
      });
      await Promise.all(waiting);
      expect(got).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      expect(settled).to.deep.equal(['c', 'd', 'e']);
    });

    it('C1: a wait that is aborted rejects with the reason and takes nothing', async () => {
      const loop = way.open<string>({ notifyCapacity: 1 });
      const sender = loop.channel();
      const controller = new AbortController();
      const reason = new Error('changed my mind');
      sender.send('a');
      const aborted = rejectionOf(sender.sendAsync('b', { signal: controller.signal }));
      const waiting = sender.sendAsync('c');
      controller.abort(reason);
      expect(await aborted).to.equal(reason);
      expect(await rejectionOf(sender.sendAsync('d', { signal: controller.signal }))).to.equal(
        reason,
      );
      const got: string[] = [];
      await way.drive(loop, {
        notify: (l, message) => {
          got.push(message);
          if (message === 'c') l.shutdown();
        },
      });
      await waiting;
      expect(got).to.deep.equal(['a', 'c']);
    });

    it('C2: close() rejects those who wait', async () => {
      const loop = way.open<string>({ notifyCapacity: 1 });
      const sender = loop.channel();
      await sender.sendAsync('a');
      const waiting = rejectionOf(sender.sendAsync('b'));
      expect(loop.close()).to.deep.equal(['a']);
      expect((await waiting).code).to.equal('ERR_CHANNEL_CLOSED');
    });
  },
  ['run', 'runOnce'],
);
