/** Senders in other threads, with loops that are run in every way (C1, C4, C5). */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { EventLoop, Sender } from '../../src/index.js';
import type { LoopSenderPlan, Question } from '../fixtures/loop-sender.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const FIXTURE = new URL('../fixtures/loop-sender.js', import.meta.url);

interface Numbered {
  index: number;
  text: string;
}

function start(plan: Partial<LoopSenderPlan>): Worker {
  return new Worker(FIXTURE, {
    workerData: { handle: null, answers: false, abandons: false, count: 1000, ...plan },
  });
}

describeWays('senders in other threads', (way) => {
  it('C1: what two threads send through a full channel arrives in order', async () => {
    const loop = way.open<Numbered>({ notifyCapacity: 10 });
    const handle = loop.channel().transfer();
    const workers = [start({ handle }), start({ handle })];
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    const counts = new Map<number, number>();
    let got = 0;
    await way.drive(loop, {
      notify: (l, { index, text }) => {
        expect(text).to.equal(`message ${index}`);
        counts.set(index, (counts.get(index) ?? 0) + 1);
        // Each number comes twice, and never before the one below it came so often.
        if (index > 0) expect(counts.get(index)).to.be.at.most(counts.get(index - 1) ?? 0);
        got += 1;
        if (got === 2000) l.shutdown();
      },
    });
    await ended;
    expect(loop.metrics().lost).to.equal(0);
  });
});

describe('senders between loops', function () {
  this.timeout(20_000);

  it('a handle may come by postMessage()', async () => {
    using loop = new EventLoop<Numbered>();
    const worker = start({ count: 100 });
    worker.postMessage(loop.channel().transfer());
    const ended = once(worker, 'exit');
    const got: number[] = [];
    await loop.run({
      notify: (l, { index }) => {
        got.push(index);
        if (got.length === 100) l.shutdown();
      },
    });
    expect(got).to.deep.equal(Array.from({ length: 100 }, (_, index) => index));
    await ended;
  });

  it('a sender inside a message arrives as a working one', async () => {
    using loop = new EventLoop<{ ask: Sender<Question> } | number>();
    const worker = start({ handle: loop.channel().transfer(), count: 200, answers: true });
    const ended = once(worker, 'exit');
    const got: number[] = [];
    await loop.run({
      notify: (l, message) => {
        if (typeof message === 'number') {
          got.push(message);
          if (got.length === 200) l.shutdown();
          return;
        }
        expect(message.ask).to.be.instanceOf(Sender);
        for (let index = 0; index < 200; index++) {
          expect(message.ask.send({ index, reply: loop.channel() })).to.equal(true);
        }
      },
    });
    expect(got).to.deep.equal(Array.from({ length: 200 }, (_, index) => index));
    await ended;
  });

  it('C4: on its own thread a handle makes a sender that passes by reference', async () => {
    using loop = new EventLoop<object>();
    const message = {};
    Sender.from<object>(loop.channel().transfer()).send(message);
    await loop.run({
      notify: (l, got) => {
        expect(got).to.equal(message);
        l.shutdown();
      },
    });
  });

  it('C2: a sender elsewhere learns that the loop was closed', async () => {
    const loop = new EventLoop<Numbered>({ notifyCapacity: 1 });
    const worker = start({ handle: loop.channel().transfer(), count: 1e9 });
    const failed = once(worker, 'error');
    await loop.run({ notify: (l) => l.shutdown() });
    loop.close();
    expect((await failed)[0].code).to.equal('ERR_CHANNEL_CLOSED');
  });

  it('C2: a loop whose thread has ended is closed to senders elsewhere', async () => {
    const worker = start({ abandons: true });
    const ended = once(worker, 'exit');
    const [handle] = await once(worker, 'message');
    const sender = Sender.from<string>(handle);
    expect(sender.closed).to.equal(false);
    expect(sender.send('while it lives')).to.equal(true);
    worker.postMessage('the end');
    await ended;
    expect(sender.closed).to.equal(true);
    expect(sender.send('too late')).to.equal(false);
    expect((await rejectionOf(sender.sendAsync('too late'))).code).to.equal('ERR_CHANNEL_CLOSED');
  });
});
