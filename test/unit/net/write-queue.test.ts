import { expect } from 'chai';
import type { NetStream } from '../../../src/net/endpoint.js';
import { WriteQueue } from '../../../src/net/write-queue.js';
import { collectGarbage } from '../../support/garbage.js';
import { random } from '../../support/random.js';

/** Takes as many bytes at a time as it is told. */
class FakeStream {
  readonly taken: number[] = [];
  readonly #limits: (number | null)[];
  calls = 0;
  buffersMax = 0;

  constructor(limits: (number | null)[]) {
    this.#limits = limits;
  }

  write(data: Uint8Array): number | null {
    return this.writev([data]);
  }

  writev(buffers: Uint8Array[]): number | null {
    this.calls += 1;
    this.buffersMax = Math.max(this.buffersMax, buffers.length);
    const limit = this.#limits.length > 0 ? this.#limits.shift()! : null;
    if (limit === null) return null;
    const bytes = Buffer.concat(buffers).subarray(0, limit);
    this.taken.push(...bytes);
    return bytes.length;
  }
}

/** Takes everything, and keeps none of it. */
class Gulper {
  write(data: Uint8Array): number {
    return data.length;
  }

  writev(buffers: Uint8Array[]): number {
    return buffers.reduce((sum, { length }) => sum + length, 0);
  }
}

const flush = (queue: WriteQueue, limits: (number | null)[]) => {
  const stream = new FakeStream(limits);
  const written = queue.flush(stream as unknown as NetStream);
  return { ...stream, taken: stream.taken, written };
};

const bytes = (length: number, from = 0) =>
  Uint8Array.from({ length }, (_, index) => (from + index) % 251);

describe('WriteQueue', () => {
  it('gives all back in order, however little the kernel takes at a time', () => {
    const { seed, next } = random();
    const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
    for (let round = 0; round < 10; round++) {
      const queue = new WriteQueue();
      const expected: number[] = [];
      const taken: number[] = [];
      for (let step = 0; step < 40; step++) {
        const size = integer(1, integer(0, 9) === 0 ? 40_000 : 300);
        const data = bytes(size, expected.length);
        const start = integer(0, size - 1);
        expected.push(...data.subarray(start));
        if (integer(0, 1) === 0) queue.push(data, start);
        else queue.share(data, start);
        if (integer(0, 2) > 0) continue;
        taken.push(...flush(queue, [integer(0, 20_000), null]).taken);
        expect(queue.sizeBytes, `seed ${seed}`).to.equal(expected.length - taken.length);
      }
      while (queue.sizeBytes > 0) taken.push(...flush(queue, [integer(1, 30_000)]).taken);
      expect(Buffer.from(taken).equals(Buffer.from(expected)), `seed ${seed}`).to.equal(true);
    }
  });

  it('copies what is pushed, and takes no more of it than from the start', () => {
    const queue = new WriteQueue();
    const data = Buffer.from('abcdef');
    queue.push(data, 2);
    data.fill(0);
    expect(queue.sizeBytes).to.equal(4);
    expect(Buffer.from(flush(queue, [100]).taken).toString()).to.equal('cdef');
  });

  it('gathers small messages, so that one call with one buffer takes them all', () => {
    const queue = new WriteQueue();
    for (let count = 0; count < 1000; count++) queue.push(bytes(10), 0);
    expect(flush(queue, [20_000])).to.include({ written: 10_000, calls: 1, buffersMax: 1 });
  });

  it('stops where the kernel takes less than it was offered', () => {
    const queue = new WriteQueue();
    queue.push(bytes(100), 0);
    expect(flush(queue, [60, 40])).to.include({ written: 60, calls: 1 });
    expect(flush(queue, [null])).to.include({ written: 0, calls: 1 });
    expect(queue.sizeBytes).to.equal(40);
    expect(flush(queue, [40]).taken).to.deep.equal([...bytes(40, 60)]);
  });

  it('blocks of several queues that take turns are not mixed', () => {
    const queues = [new WriteQueue(), new WriteQueue()];
    for (let round = 0; round < 10; round++) {
      for (const [index, queue] of queues.entries()) queue.push(bytes(50, index * 100), 0);
      for (const [index, queue] of queues.entries()) {
        expect(flush(queue, [100]).taken).to.deep.equal([...bytes(50, index * 100)]);
      }
    }
  });

  it('a long list of chunks of which some are always left is sent in order', () => {
    const queue = new WriteQueue();
    const expected: number[] = [];
    const taken: number[] = [];
    for (let round = 0; round < 300; round++) {
      for (let count = 0; count < 3; count++) {
        const chunk = bytes(10, expected.length);
        expected.push(...chunk);
        if (count === 1) queue.push(chunk, 0);
        else queue.share(chunk, 0);
      }
      taken.push(...flush(queue, [round < 100 ? 5 : 35]).taken);
      expect(queue.sizeBytes).to.equal(expected.length - taken.length);
    }
    while (queue.sizeBytes > 0) taken.push(...flush(queue, [1000]).taken);
    expect(taken).to.deep.equal(expected);
  });

  it('lets go of a chunk that was sent, though others are left', async () => {
    const queue = new WriteQueue();
    const weak = new WeakRef(bytes(10));
    queue.share(weak.deref()!, 0);
    queue.share(bytes(20), 0);
    // Not with the stream of the other tests, which keeps what it was given.
    const stream = { write: () => 10, writev: () => 10 };
    queue.flush(stream as unknown as NetStream);
    expect(queue.sizeBytes).to.equal(20);
    await new Promise(setImmediate);
    collectGarbage();
    expect(weak.deref()).to.equal(undefined);
    expect(queue.sizeBytes).to.equal(20);
  });

  it('the memory of what was sent is used again, whatever the size of the messages', () => {
    const queue = new WriteQueue();
    const message = bytes(50_000);
    const pushAndFlush = (): void => {
      queue.push(message, 0);
      queue.flush(new Gulper() as unknown as NetStream);
    };
    pushAndFlush();
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 100; count++) pushAndFlush();
    // No collection is asked for: there is nothing to collect.
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(message.length);
  });

  it('what is given up half sent goes round as well, and only once', () => {
    const [given, ...others] = Array.from({ length: 4 }, () => new WriteQueue());
    given.push(bytes(100_000), 0);
    flush(given, [20_000]);
    given.clear();
    expect(given.sizeBytes).to.equal(0);
    given.clear();
    for (const [index, queue] of others.entries()) queue.push(bytes(70_000, index), 0);
    for (const [index, queue] of others.entries()) {
      expect(flush(queue, [70_000]).taken).to.deep.equal([...bytes(70_000, index)]);
    }
  });
});
