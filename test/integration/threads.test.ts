/** Keys of threads and loops on real threads: who is alive, and waking each other (C5, L9). */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { EventLoop } from '../../src/index.js';
import { nativeDriver } from '../../src/poll/native-driver.js';
import type { NumberSenderOptions } from '../fixtures/number-sender.js';
import type { RemoteWakerOptions } from '../fixtures/remote-waker.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { NumberCrossing } from '../support/number-lanes.js';
import { random } from '../support/random.js';
import { closingAfterEach } from '../support/sockets.js';
import { withThreads } from '../support/fake-inlet.js';

leavesNothingBehind();

const { threads } = nativeDriver;

/** A wait that nothing ends is a wake-up that was lost. */
const LOST_MS = 5000;

interface Keys {
  thread: number;
  wakeKey: number;
}

interface Remote extends Keys {
  worker: Worker;
  ended: Promise<unknown>;
}

/** A thread that wakes loops when asked to. */
class Waker {
  readonly #asked = new Int32Array(new SharedArrayBuffer(8));
  #remote: Remote | null = null;

  async start(): Promise<this> {
    this.#remote = await startWorker({ ending: 'return', asked: this.#asked });
    return this;
  }

  wake(key: number): void {
    Atomics.store(this.#asked, 1, key);
    Atomics.add(this.#asked, 0, 1);
    Atomics.notify(this.#asked, 0);
  }

  async end(): Promise<void> {
    Atomics.store(this.#asked, 0, -1);
    Atomics.notify(this.#asked, 0);
    await this.#remote?.ended;
  }
}

async function startWorker(workerData: RemoteWakerOptions): Promise<Remote> {
  const worker = new Worker(new URL('../fixtures/remote-waker.js', import.meta.url), {
    workerData,
  });
  worker.on('error', () => {});
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  // Not once() of node:events: the error of a thread may be heard before what it had posted.
  const keys = await new Promise<Keys>((resolve) => worker.once('message', resolve));
  return { worker, ended, ...keys };
}

describe('threads', function () {
  this.timeout(30_000);
  const own = closingAfterEach();

  function openPoller() {
    return own(nativeDriver.openPoller({ eventsCapacity: 4, mode: 'thread', turnBudgetMs: 1 }));
  }

  it('each has a key of its own, and is alive while it runs', async () => {
    expect(threads.isAlive(threads.thisThread)).to.equal(true);
    const keys = new Set([threads.thisThread]);
    for (let round = 0; round < 3; round++) {
      const remote = await startWorker({ ending: 'wait' });
      expect(threads.isAlive(remote.thread)).to.equal(true);
      keys.add(remote.thread);
      await remote.worker.terminate();
    }
    expect(keys.size).to.equal(4);
  });

  for (const ending of ['return', 'exit', 'throw', 'wait'] as const) {
    const name = ending === 'wait' ? 'terminate' : ending;
    it(`one that ended by ${name} is not alive, and its loop is nobody`, async () => {
      const remote = await startWorker({ ending });
      if (ending === 'wait') void remote.worker.terminate();
      await remote.ended;
      expect(threads.isAlive(remote.thread)).to.equal(false);
      threads.wake(remote.wakeKey);
    });
  }

  it('a number that is no key is nobody', () => {
    for (const key of [0, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 52, 2 ** 64]) {
      expect(threads.isAlive(key)).to.equal(false);
      threads.wake(key);
    }
  });

  it('each poller has one key, and a closed one is nobody', () => {
    const first = openPoller();
    const second = openPoller();
    const { wakeKey } = first;
    expect(first.wakeKey).to.equal(wakeKey);
    expect(second.wakeKey).to.be.above(wakeKey);
    first.close();
    threads.wake(wakeKey);
    expect(second.poll(0)).to.equal(0);
  });

  it('C5: a wake-up ends a wait in poll(), and the next one if it came before', async () => {
    const poller = openPoller();
    const waker = await new Waker().start();
    for (let round = 1; round <= 200; round++) {
      waker.wake(poller.wakeKey);
      const startMs = performance.now();
      expect(poller.poll(LOST_MS)).to.equal(0);
      expect(performance.now() - startMs).to.be.below(LOST_MS);
    }
    await waker.end();
  });

  for (const mode of ['thread', 'inline'] as const) {
    it(`L9: a wake-up makes a loop that sleeps under run() take a tick (${mode})`, async () => {
      const poller = own(nativeDriver.openPoller({ eventsCapacity: 4, mode, turnBudgetMs: 1 }));
      const loop = own(
        new EventLoop({ driver: { ...nativeDriver, openPoller: () => poller }, spinUs: 0 }),
      );
      const waker = await new Waker().start();
      let ticks = 0;
      const run = loop.run({ tick: () => void (ticks += 1) });
      await eventually(() => expect(ticks).to.equal(1));
      for (let round = 1; round <= 100; round++) {
        const before = ticks;
        waker.wake(poller.wakeKey);
        await eventually(() => expect(ticks).to.be.above(before));
      }
      // One tick each, or a few less or more where wake-ups and ticks overlap.
      expect(ticks).to.be.within(100, 202);
      loop.shutdown();
      await run;
      await waker.end();
    });
  }

  it('waking loops that come and go harms nobody', async () => {
    const waker = await new Waker().start();
    for (let round = 1; round <= 300; round++) {
      const loop = new EventLoop({ poller: round % 2 === 0 ? 'thread' : 'inline' });
      const passing = openPoller();
      const { wakeKey } = passing;
      waker.wake(wakeKey);
      threads.wake(wakeKey);
      loop.shutdown();
      await loop.run({});
      loop.close();
      if (round % 3 === 0) waker.wake(wakeKey);
      passing.close();
      threads.wake(wakeKey);
    }
    await waker.end();
  });
});

describeWays('messages of real threads', (way) => {
  const channels = new NumberCrossing();
  withThreads(channels);

  for (const spinUs of [0, 20]) {
    it(`C5: none is lost or late, whenever the loop falls asleep (spinUs: ${spinUs})`, async () => {
      const SENDERS = 3;
      const COUNT = 4000;
      const { seed } = random();
      const loop = way.open<number>({ spinUs });
      loop.channel().transfer();
      const inlet = channels.inlets.at(-1)!;
      const workers = Array.from({ length: SENDERS }, (_, index) => {
        const workerData = { lane: inlet.openLane(), count: COUNT, seed: seed + index };
        return new Worker(new URL('../fixtures/number-sender.js', import.meta.url), {
          workerData: workerData satisfies NumberSenderOptions,
        });
      });
      const ended = workers.map((worker) => once(worker, 'exit'));
      let sum = 0;
      let left = SENDERS * COUNT;
      await way.drive(loop, {
        notify: (l, number) => {
          sum += number;
          left -= 1;
          if (left === 0) l.shutdown();
        },
      });
      await Promise.all(ended);
      expect(sum, `seed ${seed}`).to.equal((SENDERS * COUNT * (COUNT - 1)) / 2);
    });
  }
});
