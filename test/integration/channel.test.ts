/**
 * Lanes between real threads. The receiving end is driven by hand, as an inbox
 * does, so that it can sleep and stop where it hurts most.
 */
import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { hasPlacesTaken } from '../../src/channel/control.js';
import { waitAsync } from '../../src/channel/wait-async.js';
import type { LaneSenderPlan } from '../fixtures/lane-sender.js';
import { type Block, BlockCheck } from '../support/blocks.js';
import { Drain } from '../support/lanes.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { random } from '../support/random.js';

leavesNothingBehind();

const FIXTURE = new URL('../fixtures/lane-sender.js', import.meta.url);

class Senders {
  readonly workers: Worker[];
  readonly #gate = new Int32Array(new SharedArrayBuffer(8));
  readonly #results: Promise<{ taken: number }>[];

  constructor(count: number, drain: Drain, plan: Partial<LaneSenderPlan>) {
    const workerData: Partial<LaneSenderPlan> = {
      handle: drain.inlet.handle,
      bell: drain.bell.words,
      gate: this.#gate,
      seed: random().seed,
      pauses: 0,
      ...plan,
    };
    this.workers = Array.from({ length: count }, () => new Worker(FIXTURE, { workerData }));
    this.#results = this.workers.map(async (worker) => (await once(worker, 'message'))[0]);
    for (const result of this.#results) result.catch(() => {});
  }

  /** All of them begin at once. */
  async start(): Promise<void> {
    for (;;) {
      const ready = Atomics.load(this.#gate, 0);
      if (ready === this.workers.length) break;
      const outcome = await waitAsync(this.#gate, 0, ready, 10_000);
      if (outcome === 'timed-out') throw new Error('a sender did not start');
    }
    this.#gate[1] = 1;
    Atomics.notify(this.#gate, 1);
  }

  results(): Promise<{ taken: number }[]> {
    return Promise.all(this.#results);
  }

  async end(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

describe('Lanes between threads', function () {
  this.timeout(60_000);

  let drain: Drain;
  let senders: Senders | null = null;

  afterEach(async () => {
    await senders?.end();
    senders = null;
    drain.inlet.close();
  });

  it('C1: messages of each thread arrive in their order', async () => {
    drain = new Drain(1000);
    senders = new Senders(4, drain, { kind: 'numbers', count: 20_000 });
    await senders.start();
    const next = new Map<number, number>();
    for (let got = 0; got < 80_000; ) {
      for (const [sender, index] of drain.waitAndTake() as [number, number][]) {
        expect(index).to.equal(next.get(sender) ?? 0);
        next.set(sender, index + 1);
        got += 1;
      }
    }
    expect(drain.take()).to.deep.equal([]);
  });

  it('C1: the capacity is exact under eight threads', async () => {
    drain = new Drain(100);
    senders = new Senders(8, drain, { kind: 'attempts', count: 500 });
    await senders.start();
    const results = await senders.results();
    const taken = results.reduce((sum, result) => sum + result.taken, 0);
    expect(taken).to.equal(100);
    expect(drain.take()).to.have.length(100);
    expect(drain.inlet.refused).to.equal(8 * 500 - 100);
  });

  it('C1: what is taken while others take and give back is what arrives', async () => {
    drain = new Drain(7);
    senders = new Senders(4, drain, { kind: 'attempts', count: 20_000 });
    await senders.start();
    let got = 0;
    const state = { finished: false };
    const results = senders.results().finally(() => {
      state.finished = true;
    });
    while (!state.finished) {
      const count = drain.take().length;
      expect(count).to.be.at.most(7);
      got += count;
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    got += drain.take().length;
    const taken = (await results).reduce((sum, result) => sum + result.taken, 0);
    expect(got).to.equal(taken);
    expect(got + drain.inlet.refused).to.equal(80_000);
  });

  it('C5: no wake-up is lost, with a receiver that sleeps whenever it can', async () => {
    drain = new Drain(64);
    senders = new Senders(8, drain, { kind: 'numbers', count: 25_000, pauses: 1 / 500 });
    await senders.start();
    for (let got = 0; got < 200_000; ) got += drain.waitAndTake().length;
    expect(drain.naps).to.be.above(8);
  });

  it('senders that wait for room are all served, in their order', async () => {
    drain = new Drain(3);
    senders = new Senders(4, drain, { kind: 'waiting', count: 500 });
    await senders.start();
    const next = new Map<number, number>();
    for (let got = 0; got < 2000; ) {
      for (const [sender, index] of drain.waitAndTake() as [number, number][]) {
        expect(index).to.equal(next.get(sender) ?? 0);
        next.set(sender, index + 1);
        got += 1;
      }
    }
  });

  it('C6: blocks of all sizes are never torn', async () => {
    drain = new Drain(64);
    senders = new Senders(2, drain, { kind: 'blocks', count: 3000 });
    await senders.start();
    const check = new BlockCheck();
    while (check.count < 6000) {
      for (const block of drain.waitAndTake()) check.add(block as Block);
    }
  });

  it('C6: a thread that dies in the middle leaves nothing torn, and no place taken', async () => {
    drain = new Drain(16);
    const check = new BlockCheck();
    const numbers = random();
    let deaths = 0;
    while (deaths < 50) {
      senders = new Senders(5, drain, { kind: 'blocks', count: 1e9 });
      await senders.start();
      // Until some more blocks have come, a random number of them.
      const enough = check.count + numbers.next() * 200;
      while (check.count < enough) {
        for (const block of drain.waitAndTake()) check.add(block as Block);
      }
      const [victim] = senders.workers;
      const dying = victim.terminate();
      for (let turn = 0; turn < 20; turn++) {
        for (const block of drain.take()) check.add(block as Block);
      }
      await dying;
      await senders.end();
      deaths += senders.workers.length;
      for (const block of drain.take()) check.add(block as Block);
    }
    // A loop that finds nothing twice looks for what the dead have left. Node may
    // tell of an exit a little before the thread has cleared up behind itself.
    const control = new Int32Array(drain.inlet.handle.control);
    const endMs = performance.now() + 5000;
    while (hasPlacesTaken(control) && performance.now() < endMs) {
      expect(drain.inlet.fallAsleep()).to.equal(true);
      drain.inlet.wakeUp();
      await immediate();
    }
    expect(hasPlacesTaken(control)).to.equal(false);
  });
});
