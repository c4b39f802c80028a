/**
 * The ring against a model: a plain array of bytes. Random operations from a
 * seed that is printed when they disagree.
 */
import { expect } from 'chai';
import { RingBuf } from '../../../src/collections/ring-buf.js';
import { type Random, random } from '../../support/random.js';
import { thrownBy } from '../../support/thrown.js';

function bytes(characters: string): Uint8Array {
  return new TextEncoder().encode(characters);
}

/** All that the ring holds, as `readable()` shows it. */
function contents(ring: RingBuf): number[] {
  return ring.readable().flatMap((view) => [...view]);
}

function text(ring: RingBuf): string {
  return Buffer.from(contents(ring)).toString();
}

/** One random operation on both, with what either returns. */
class Comparison {
  readonly #ring: RingBuf;
  readonly #numbers: Random;
  readonly #max: number;
  readonly #model: number[] = [];

  constructor(ring: RingBuf, max: number, numbers: Random) {
    this.#ring = ring;
    this.#max = max;
    this.#numbers = numbers;
  }

  step(): void {
    const operations = [
      () => this.#write(),
      () => this.#lend(),
      () => this.#read(),
      () => this.#peek(),
      () => this.#consume(),
      () => this.#find(),
    ];
    operations[this.#below(operations.length)]();
    if (this.#below(200) === 0) {
      this.#ring.clear();
      this.#model.length = 0;
    }
    const told = [this.#ring.length, this.#ring.room];
    this.#expect(told, [this.#model.length, this.#max - this.#model.length]);
    this.#expect(contents(this.#ring), this.#model);
    expect(this.#ring.capacity).to.be.within(this.#model.length, this.#max);
  }

  #write(): void {
    const data = this.#data(this.#below(40));
    const start = this.#below(data.length + 1);
    const end = start + this.#below(data.length - start + 1);
    const taken = Math.min(end - start, this.#max - this.#model.length);
    this.#expect(this.#ring.write(data, start, end), taken);
    this.#model.push(...data.subarray(start, start + taken));
  }

  #lend(): void {
    const wanted = 1 + this.#below(20);
    const view = this.#ring.writable(wanted);
    expect(view.length).to.be.at.least(Math.min(wanted, this.#max - this.#model.length));
    // What is read meanwhile must not move the place of what is being written.
    if (this.#below(2) === 0) this.#consume();
    for (let parts = this.#below(3), at = 0; parts > 0; parts--) {
      const data = this.#data(this.#below(view.length - at + 1));
      view.set(data, at);
      at += data.length;
      this.#ring.commit(data.length);
      this.#model.push(...data);
    }
  }

  #read(): void {
    const target = new Uint8Array(this.#below(40));
    const start = this.#below(target.length + 1);
    const expected = this.#model.splice(0, target.length - start);
    this.#expect(this.#ring.read(target, start), expected.length);
    this.#expect([...target.subarray(start, start + expected.length)], expected);
  }

  #peek(): void {
    const target = new Uint8Array(this.#below(40));
    const offset = this.#below(this.#model.length + 1);
    const expected = this.#model.slice(offset, offset + target.length);
    this.#expect(this.#ring.peek(target, offset), expected.length);
    this.#expect([...target.subarray(0, expected.length)], expected);
  }

  #consume(): void {
    const size = this.#below(this.#model.length + 1);
    this.#ring.consume(size);
    this.#model.splice(0, size);
  }

  #find(): void {
    const byte = this.#below(256);
    const offset = this.#below(this.#model.length + 1);
    this.#expect(this.#ring.indexOf(byte, offset), this.#model.indexOf(byte, offset));
  }

  #expect(actual: unknown, expected: unknown): void {
    expect(actual, `seed ${this.#numbers.seed}`).to.deep.equal(expected);
  }

  #below(limit: number): number {
    return Math.floor(this.#numbers.next() * limit);
  }

  #data(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.#below(256));
  }
}

describe('RingBuf', () => {
  for (const [first, max] of [
    [0, 0],
    [0, 1],
    [1, 1],
    [1, 7],
    [0, 100],
    [3, 200],
    [64, 64],
  ] as const) {
    it(`from ${first} to ${max} bytes does as an array would`, () => {
      const numbers = random();
      const ring = new RingBuf(first, { capacityMaxBytes: max });
      const comparison = new Comparison(ring, max, numbers);
      for (let step = 0; step < 5000; step++) comparison.step();
    });
  }

  it('grows by doubling, up to the maximum, and keeps the order across the seam', () => {
    const ring = new RingBuf(4, { capacityMaxBytes: 10 });
    ring.write(bytes('abcd'));
    ring.consume(3);
    ring.write(bytes('efg'));
    expect([ring.capacity, text(ring)]).to.deep.equal([4, 'defg']);
    ring.write(bytes('h'));
    expect([ring.capacity, text(ring)]).to.deep.equal([8, 'defgh']);
    ring.write(bytes('ijkl'));
    expect([ring.capacity, text(ring)]).to.deep.equal([10, 'defghijkl']);
  });

  it('takes what there is room for, says how much, and then nothing', () => {
    const ring = new RingBuf(2, { capacityMaxBytes: 3 });
    expect(ring.write(bytes('abcde'))).to.equal(3);
    expect(ring.write(bytes('d'))).to.equal(0);
    expect(ring.writable().length).to.equal(0);
    expect([ring.room, text(ring)]).to.deep.equal([0, 'abc']);
  });

  it('shows bytes that wrap around in two views of its own memory', () => {
    const ring = new RingBuf(8, { capacityMaxBytes: 8 });
    ring.write(bytes('abcdef'));
    ring.consume(4);
    ring.write(bytes('ghij'));
    const [first, second] = ring.readable();
    expect([first, second].map((view) => Buffer.from(view).toString())).to.deep.equal([
      'efgh',
      'ij',
    ]);
    expect(first.buffer).to.equal(second.buffer);
    expect([ring.indexOf(0x69), ring.indexOf(0x65, 1), ring.indexOf(0x6a, 5)]).to.deep.equal([
      4, -1, 5,
    ]);
  });

  it('writable() is as long as asked for, in one piece, if the maximum allows', () => {
    const ring = new RingBuf(8, { capacityMaxBytes: 16 });
    ring.write(bytes('abcdef'));
    ring.consume(4);
    expect(ring.writable().length, 'up to the end of the memory').to.equal(2);
    expect(ring.writable(6).length, 'moved together').to.equal(6);
    expect([ring.capacity, text(ring)]).to.deep.equal([8, 'ef']);
    expect(ring.writable(7).length, 'grown').to.equal(14);
    expect(ring.writable(1000).length, 'all that there may be').to.equal(14);
    expect([ring.capacity, text(ring)]).to.deep.equal([16, 'ef']);
  });

  it('commit() takes no more than was lent, and nothing after a write', () => {
    const ring = new RingBuf(8, { capacityMaxBytes: 8 });
    const view = ring.writable();
    view.set(bytes('abc'));
    expect(thrownBy(() => ring.commit(9))).to.be.instanceOf(RangeError);
    ring.commit(3);
    expect(thrownBy(() => ring.commit(6))).to.be.instanceOf(RangeError);
    ring.writable();
    ring.write(bytes('d'));
    expect(thrownBy(() => ring.commit(1))).to.be.instanceOf(RangeError);
    ring.writable();
    ring.clear();
    expect(thrownBy(() => ring.commit(1))).to.be.instanceOf(RangeError);
    expect(text(ring)).to.equal('');
  });

  it('drops no more than there is', () => {
    const ring = new RingBuf(8);
    ring.write(bytes('abc'));
    expect(thrownBy(() => ring.consume(4))).to.be.instanceOf(RangeError);
    expect(thrownBy(() => ring.peek(new Uint8Array(1), 4))).to.be.instanceOf(RangeError);
    expect(text(ring)).to.equal('abc');
    ring.consume(3);
    expect(ring.read(new Uint8Array(8))).to.equal(0);
  });

  it('can be written from its own views, also when it grows by that', () => {
    const ring = new RingBuf(3, { capacityMaxBytes: 100 });
    ring.write(bytes('abc'));
    ring.write(ring.readable()[0]);
    expect(text(ring)).to.equal('abcabc');
  });

  it('the limits of its sizes, both sides', () => {
    expect(new RingBuf(0).capacity).to.equal(0);
    expect(new RingBuf(4, { capacityMaxBytes: 4 }).room).to.equal(4);
    expect(new RingBuf(4).room).to.equal(16 * 1024 * 1024);
    expect(new RingBuf(4, { capacityMaxBytes: 2 ** 30 }).room).to.equal(2 ** 30);
    for (const [first, max] of [
      [-1, 4],
      [4, 3],
      [4, 2 ** 30 + 1],
      [2 ** 30 + 1, 2 ** 30 + 1],
    ]) {
      const error = thrownBy(() => new RingBuf(first, { capacityMaxBytes: max }));
      expect(error).to.be.instanceOf(RangeError);
    }
  });
});
