/** The ring of messages against a plain array, with random operations; and those who wait. */
import { expect } from 'chai';
import { Inbox } from '../../../src/loop/inbox.js';
import { collectGarbage } from '../../support/garbage.js';
import { random } from '../../support/random.js';
import { rejectionOf } from '../../support/thrown.js';

const quiet = { wake() {}, wakeKey: 1 };

/** Lets promises settle. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

describe('Inbox', () => {
  for (const capacity of [1, 2, 3, 15, 16, 17, 31, 33, 1000]) {
    it(`with a capacity of ${capacity} does as an array would`, () => {
      const numbers = random();
      const inbox = new Inbox<number>(capacity, quiet);
      const model: number[] = [];
      let refused = 0;
      let next = 0;
      for (let step = 0; step < 5000; step++) {
        // Long ups and downs, so that it is full and empty many times.
        const rising = Math.sin((step / 5000) * Math.PI * 20) > 0 ? 0.7 : 0.3;
        if (numbers.next() < rising) {
          const taken = inbox.offer(next);
          expect(taken, `seed ${numbers.seed}`).to.equal(model.length < capacity);
          if (taken) model.push(next);
          else refused += 1;
          next += 1;
        } else if (model.length > 0) {
          expect(inbox.take(), `seed ${numbers.seed}`).to.equal(model.shift());
        }
        expect(inbox.size).to.equal(model.length);
        expect(inbox.pushed - inbox.popped).to.equal(model.length);
        expect(inbox.refused).to.equal(refused);
      }
      expect(inbox.close()).to.deep.equal(model);
    });
  }

  it('keeps the order while it grows, wherever the head is', () => {
    for (let head = 0; head < 40; head++) {
      const inbox = new Inbox<number>(1000, quiet);
      for (let i = 0; i < head; i++) {
        inbox.offer(-1);
        inbox.take();
      }
      for (let i = 0; i < 300; i++) inbox.offer(i);
      for (let i = 0; i < 300; i++) expect(inbox.take()).to.equal(i);
    }
  });

  it('holds no message longer than it must', async () => {
    const inbox = new Inbox<object>(4, quiet);
    inbox.offer({});
    inbox.offer({ waits: true });
    const weak = new WeakRef(inbox.take());
    await new Promise(setImmediate);
    collectGarbage();
    expect(weak.deref()).to.equal(undefined);
    expect(inbox.take()).to.deep.equal({ waits: true });
  });

  it('C5: wakes once, and only a loop that sleeps', () => {
    let wakes = 0;
    const poller = { wake: () => void (wakes += 1), wakeKey: 1 };
    const inbox = new Inbox<string>(4, poller);
    inbox.offer('awake');
    expect(wakes).to.equal(0);
    inbox.sleeping = true;
    inbox.offer('first');
    inbox.offer('second');
    expect(wakes).to.equal(1);
    expect(inbox.sleeping).to.equal(false);
    inbox.offer('fourth');
    inbox.sleeping = true;
    inbox.offer('refused');
    expect(wakes).to.equal(1);
    inbox.wake();
    expect(wakes).to.equal(2);
  });

  it('C1: those who wait are served in turn, one for each place', async () => {
    const inbox = new Inbox<string>(2, quiet);
    const settled: string[] = [];
    for (const message of ['a', 'b', 'c', 'd']) {
      void inbox.offerAsync(message).then(() => settled.push(message));
    }
    await settle();
    expect(settled).to.deep.equal(['a', 'b']);
    expect(inbox.take()).to.equal('a');
    expect(inbox.offer('jumper')).to.equal(false);
    await settle();
    expect(settled).to.deep.equal(['a', 'b', 'c']);
    expect([inbox.take(), inbox.take(), inbox.take()]).to.deep.equal(['b', 'c', 'd']);
    await settle();
    expect(settled).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('C1: one that gave up is passed over, and leaves no listener behind', async () => {
    const inbox = new Inbox<string>(1, quiet);
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    inbox.offer('first');
    const admitted = inbox.offerAsync('second', signal);
    inbox.take();
    await admitted;
    expect(listeners).to.equal(0);
    const closed = new Inbox<string>(1, quiet);
    closed.offer('first');
    const rejected = rejectionOf(closed.offerAsync('second', signal));
    expect(listeners).to.equal(1);
    closed.close();
    await rejected;
    expect(listeners).to.equal(0);
    const aborted = rejectionOf(inbox.offerAsync('third', signal));
    const patient = inbox.offerAsync('fourth');
    controller.abort();
    expect((await aborted).name).to.equal('AbortError');
    expect(inbox.take()).to.equal('second');
    await patient;
    expect(inbox.take()).to.equal('fourth');
    expect(inbox.size).to.equal(0);
  });

  it('C2: close() rejects those who wait, gives back the rest, and refuses', async () => {
    const inbox = new Inbox<string>(1, quiet);
    inbox.offer('left');
    const waiting = rejectionOf(inbox.offerAsync('waiting'));
    expect(inbox.close()).to.deep.equal(['left']);
    expect(inbox.close()).to.deep.equal([]);
    expect((await waiting).code).to.equal('ERR_CHANNEL_CLOSED');
    expect((await rejectionOf(inbox.offerAsync('late'))).code).to.equal('ERR_CHANNEL_CLOSED');
    expect(inbox.offer('late')).to.equal(false);
    expect(inbox.refused).to.equal(1);
    expect(inbox.size).to.equal(0);
  });

  it('C2: there is nobody to be woken after close()', () => {
    let wakes = 0;
    const inbox = new Inbox<string>(1, { wake: () => void (wakes += 1), wakeKey: 1 });
    inbox.sleeping = true;
    inbox.close();
    inbox.wake();
    inbox.offer('late');
    expect(wakes).to.equal(0);
  });
});
