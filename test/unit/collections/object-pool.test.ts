/** The pool against a model: a list of idle objects, and a set of those in use. */
import { expect } from 'chai';
import { ObjectPool } from '../../../src/collections/object-pool.js';
import { random } from '../../support/random.js';
import { rejectionOf, thrownBy } from '../../support/thrown.js';

interface Item {
  id: number;
  text: string;
}

/** A pool whose objects are numbered as they are made. */
function numbered(initial: number, idleCapacity?: number) {
  let made = 0;
  const pool = new ObjectPool<Item>(
    initial,
    () => ({ id: made++, text: '' }),
    (item) => {
      item.text = '';
    },
    idleCapacity === undefined ? {} : { idleCapacity },
  );
  return { pool, made: () => made };
}

describe('ObjectPool', () => {
  for (const [initial, idleCapacity] of [
    [0, 0],
    [0, 1],
    [3, 8],
    [20, 20],
  ] as const) {
    it(`of ${initial}, ${idleCapacity} idle at most, does as a list and a set would`, () => {
      const { seed, next } = random();
      const { pool, made } = numbered(initial, idleCapacity);
      const idle = Array.from({ length: initial }, (_, id) => id);
      const inUse: Item[] = [];
      const gone: Item[] = [];
      let expectedMade = initial;
      for (let step = 1; step <= 5000; step++) {
        const choice = next();
        if (choice < 0.45) {
          const item = pool.acquire();
          expect(item, `seed ${seed}`).to.deep.equal({
            id: idle.pop() ?? expectedMade++,
            text: '',
          });
          item.text = 'used';
          inUse.push(item);
        } else if (choice < 0.9 && inUse.length > 0) {
          const [item] = inUse.splice(Math.floor(next() * inUse.length), 1);
          pool.release(item);
          if (idle.length < idleCapacity) idle.push(item.id);
          else gone.push(item);
        } else if (gone.length > 0) {
          const item = gone[Math.floor(next() * gone.length)];
          expect(thrownBy(() => pool.release(item)).code).to.equal('ERR_DOUBLE_RELEASE');
        }
        const counts = [pool.idleCount, pool.inUseCount, made()];
        expect(counts, `seed ${seed}`).to.deep.equal([idle.length, inUse.length, expectedMade]);
      }
    });
  }

  it('resets an object when it is released, and gives it out again', () => {
    const { pool, made } = numbered(1);
    const item = pool.acquire();
    item.text = 'a secret';
    pool.release(item);
    expect(item.text).to.equal('');
    expect(pool.acquire()).to.equal(item);
    expect(made()).to.equal(1);
  });

  it('keeps 1024 idle unless told otherwise, and more if it began with more', () => {
    for (const [initial, kept] of [
      [0, 1024],
      [2000, 2000],
    ] as const) {
      const { pool } = numbered(initial);
      const items = Array.from({ length: 2001 }, () => pool.acquire());
      for (const item of items) pool.release(item);
      expect(pool.idleCount).to.equal(kept);
    }
  });

  it('a second release is an error, and the object stays with its next user', () => {
    const { pool } = numbered(0);
    const item = pool.acquire();
    pool.release(item);
    expect(thrownBy(() => pool.release(item)).code).to.equal('ERR_DOUBLE_RELEASE');
    expect(pool.idleCount).to.equal(1);
    expect(pool.acquire()).to.equal(item);
    expect(pool.acquire()).to.not.equal(item);
  });

  it('an object of another pool is an error, and so is no object', () => {
    const { pool } = numbered(1);
    const other = numbered(1).pool;
    for (const foreign of [other.acquire(), { id: 0, text: '' }, null, undefined, 1, 'text']) {
      expect(thrownBy(() => pool.release(foreign as Item)).code).to.equal('ERR_FOREIGN_RELEASE');
    }
    expect([pool.idleCount, pool.inUseCount]).to.deep.equal([1, 0]);
  });

  it('use() returns what the function returned, and releases either way', () => {
    const { pool } = numbered(1);
    expect(pool.use(({ id }) => id + 7)).to.equal(7);
    expect(pool.inUseCount).to.equal(0);
    const error = thrownBy(() =>
      pool.use(() => {
        throw new RangeError('planned');
      }),
    );
    expect(error.message).to.equal('planned');
    expect([pool.idleCount, pool.inUseCount]).to.deep.equal([1, 0]);
  });

  it('use() of an asynchronous function releases when that has ended', async () => {
    const { pool } = numbered(1);
    let finish: (() => void) | undefined;
    const used = pool.use(async ({ id }) => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return id;
    });
    expect(pool.inUseCount).to.equal(1);
    finish?.();
    expect(await used).to.equal(0);
    expect(pool.inUseCount).to.equal(0);
    const failed = pool.use(() => Promise.reject(new RangeError('planned')));
    expect((await rejectionOf(failed)).message).to.equal('planned');
    expect([pool.idleCount, pool.inUseCount]).to.deep.equal([1, 0]);
  });

  it('use() tells of an object that the function released itself', () => {
    const { pool } = numbered(1);
    const error = thrownBy(() => pool.use((item) => pool.release(item)));
    expect(error.code).to.equal('ERR_DOUBLE_RELEASE');
    expect([pool.idleCount, pool.inUseCount]).to.deep.equal([1, 0]);
  });

  it('does not keep an object whose reset failed, and passes the error on', () => {
    const pool = new ObjectPool(1, Object, () => {
      throw new RangeError('planned');
    });
    expect(thrownBy(() => pool.release(pool.acquire())).message).to.equal('planned');
    expect([pool.idleCount, pool.inUseCount]).to.deep.equal([0, 0]);
  });

  it('refuses a factory that makes no objects, or one object for all', () => {
    const same = {};
    const codeOf = (factory: () => unknown) =>
      thrownBy(() => new ObjectPool(2, factory as () => object)).code;
    for (const factory of [() => 1, () => null, () => undefined, () => 'text', () => same]) {
      expect(codeOf(factory)).to.equal('ERR_INVALID_ARG_VALUE');
    }
  });

  it('idleCapacity from initial on, both sides', () => {
    expect(numbered(3, 3).pool.idleCount).to.equal(3);
    expect(thrownBy(() => numbered(3, 2))).to.be.instanceOf(RangeError);
  });
});
