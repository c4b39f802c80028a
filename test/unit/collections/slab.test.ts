/**
 * The slab against a model: a Map, and a list of keys that were freed. Random
 * operations from a seed that is printed when they disagree.
 */
import { expect } from 'chai';
import { Slab } from '../../../src/collections/slab.js';
import { random } from '../../support/random.js';

class Model {
  readonly values = new Map<number, number>();
  readonly #freed: number[] = [];
  readonly #capacity: number;
  #nextKey: number;

  constructor(capacity: number, firstKey: number) {
    this.#capacity = capacity;
    this.#nextKey = firstKey;
  }

  insert(value: number): number | null {
    if (this.values.size === this.#capacity) return null;
    const key = this.#freed.pop() ?? this.#nextKey++;
    this.values.set(key, value);
    return key;
  }

  remove(key: number): number | undefined {
    const value = this.values.get(key);
    if (this.values.delete(key)) this.#freed.push(key);
    return value;
  }

  get entries(): [number, number][] {
    return [...this.values].toSorted(([left], [right]) => left - right);
  }
}

describe('Slab', () => {
  for (const [capacity, firstKey] of [
    [0, 0],
    [1, 0],
    [7, 3],
    [100, 65536],
  ] as const) {
    it(`of ${capacity} from ${firstKey} on does as a Map with a list of free keys`, () => {
      const { seed, next } = random();
      const slab = new Slab<number>(capacity, { firstKey });
      const model = new Model(capacity, firstKey);
      for (let step = 1; step <= 5000; step++) {
        const key = firstKey - 1 + Math.floor(next() * (capacity + 2));
        const choice = next();
        if (choice < 0.5) {
          expect(slab.insert(step), `seed ${seed}`).to.equal(model.insert(step));
        } else if (choice < 0.9) {
          expect(slab.remove(key), `seed ${seed}`).to.equal(model.remove(key));
        } else {
          expect(slab.replace(key, step), `seed ${seed}`).to.equal(model.values.get(key));
          if (model.values.has(key)) model.values.set(key, step);
        }
        expect(slab.get(key), `seed ${seed}`).to.equal(model.values.get(key));
        expect(slab.contains(key), `seed ${seed}`).to.equal(model.values.has(key));
        expect(slab.size, `seed ${seed}`).to.equal(model.values.size);
        if (step % 50 === 0) expect([...slab], `seed ${seed}`).to.deep.equal(model.entries);
      }
      expect(slab.capacity).to.equal(capacity);
    });
  }

  it('is full at its capacity, not before, and takes again after a removal', () => {
    const slab = new Slab<string>(3);
    expect(['a', 'b', 'c', 'd'].map((value) => slab.insert(value))).to.deep.equal([0, 1, 2, null]);
    expect(slab.size).to.equal(3);
    expect(slab.remove(1)).to.equal('b');
    expect(slab.insert('d')).to.equal(1);
    expect(slab.insert('e')).to.equal(null);
  });

  it('gives away the slot that was freed last', () => {
    const slab = new Slab<string>(8);
    for (const value of ['a', 'b', 'c', 'd']) slab.insert(value);
    for (const key of [1, 3, 0]) slab.remove(key);
    expect(['e', 'f', 'g', 'h'].map((value) => slab.insert(value))).to.deep.equal([0, 3, 1, 4]);
  });

  it('has no value for what is no key of it: outside, freed, broken, not finite', () => {
    const slab = new Slab<string>(4, { firstKey: 10 });
    slab.insert('a');
    slab.remove(slab.insert('b') ?? 0);
    for (const key of [0, 9, 11, 12, 14, 10.5, -1, NaN, Infinity, 2 ** 53]) {
      expect(slab.get(key), String(key)).to.equal(undefined);
      expect(slab.contains(key), String(key)).to.equal(false);
      expect(slab.replace(key, 'c'), String(key)).to.equal(undefined);
      expect(slab.remove(key), String(key)).to.equal(undefined);
    }
    expect([...slab]).to.deep.equal([[10, 'a']]);
  });

  it('tells a value that is undefined from none', () => {
    const slab = new Slab<undefined>(2);
    expect(slab.insert(undefined)).to.equal(0);
    expect([slab.contains(0), slab.contains(1)]).to.deep.equal([true, false]);
    expect([...slab]).to.deep.equal([[0, undefined]]);
    slab.remove(0);
    expect(slab.contains(0)).to.equal(false);
  });

  it('iterates by ascending key, and bears removals meanwhile', () => {
    const slab = new Slab<string>(8);
    for (const value of ['a', 'b', 'c', 'd', 'e']) slab.insert(value);
    expect([...slab.keys()]).to.deep.equal([0, 1, 2, 3, 4]);
    expect([...slab.values()].join('')).to.equal('abcde');
    const met: string[] = [];
    for (const [key, value] of slab) {
      met.push(value);
      slab.remove(key);
      slab.remove(key + 1);
    }
    expect(met).to.deep.equal(['a', 'c', 'e']);
    expect(slab.size).to.equal(0);
  });

  it('clear() forgets everything, and begins with the first key again', () => {
    const slab = new Slab<string>(2, { firstKey: 5 });
    slab.insert('a');
    slab.insert('b');
    slab.remove(5);
    slab.clear();
    expect([...slab]).to.deep.equal([]);
    expect(slab.get(6)).to.equal(undefined);
    expect(['c', 'd', 'e'].map((value) => slab.insert(value))).to.deep.equal([5, 6, null]);
  });

  it('takes no memory for slots that were never used', () => {
    const before = process.memoryUsage().heapUsed;
    const slabs = Array.from({ length: 100 }, () => new Slab<number>(2 ** 24));
    expect(process.memoryUsage().heapUsed - before).to.be.below(2 ** 20);
    expect(slabs[0]?.capacity).to.equal(2 ** 24);
  });
});
