/** Values that are packed, posted and unpacked, and above all errors: rule A8. */
import { expect } from 'chai';
import { MillraceError } from '../../../src/index.js';
import { systemError } from '../../../src/errors.js';
import { pack, unpack } from '../../../src/channel/codec/packed.js';

function sent<T>(value: T): T {
  return unpack(structuredClone(pack(value))) as T;
}

describe('packed values', () => {
  for (const make of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError]) {
    it(`A8: ${make.name} keeps class, message, stack and cause`, () => {
      const cause = new URIError('deeper');
      const error = new make('it broke', { cause });
      const got = sent(error);
      expect(Object.getPrototypeOf(got)).to.equal(make.prototype);
      expect([got.name, got.message, got.stack]).to.deep.equal([
        make.name,
        'it broke',
        error.stack,
      ]);
      expect(got.cause).to.be.instanceOf(URIError).with.property('message', 'deeper');
      expect(Object.keys(got)).to.deep.equal([]);
    });
  }

  it('A8: MillraceError is one on the other side, with its code', () => {
    const got = sent(new MillraceError('ERR_LOOP_CLOSED', 'the loop is closed'));
    expect(got).to.be.instanceOf(MillraceError);
    expect([got.name, got.code]).to.deep.equal(['MillraceError', 'ERR_LOOP_CLOSED']);
  });

  it('A8: an error of the system keeps code, errno, syscall and address', () => {
    const error = systemError(-98, 'bind', { address: '::1', port: 80 });
    expect({ ...sent(error) }).to.deep.equal({ ...error });
  });

  it('A8: AggregateError keeps its errors, each whole', () => {
    const inner = Object.assign(new TypeError('one'), { code: 'ERR_ONE' });
    const got = sent(new AggregateError([inner, 2], 'all'));
    expect(got).to.be.instanceOf(AggregateError);
    expect(got.errors[0]).to.be.instanceOf(TypeError).with.property('code', 'ERR_ONE');
    expect(got.errors[1]).to.equal(2);
  });

  it('A8: DOMException, as of an abort, keeps name and code', () => {
    const got = sent(AbortSignal.abort().reason as DOMException);
    expect(got).to.be.instanceOf(DOMException);
    expect([got.name, got.code]).to.deep.equal(['AbortError', DOMException.ABORT_ERR]);
  });

  it('A8: a class of the user arrives as the nearest one known, with its name', () => {
    class ConfigError extends TypeError {
      override name = 'ConfigError';
      readonly key = 'port';
    }
    const got = sent(new ConfigError('bad'));
    expect(Object.getPrototypeOf(got)).to.equal(TypeError.prototype);
    expect(got).to.include({ name: 'ConfigError', key: 'port', message: 'bad' });
  });

  it('A8: fields that cannot be cloned are dropped, with all the others kept', () => {
    const holder = { list: [() => {}] };
    const { port1, port2 } = new MessageChannel();
    const fields = { act: () => {}, mark: Symbol('s'), holder, again: holder, port: port1 };
    const kept = { number: 1n, when: new Date(7), bytes: new Uint8Array([1]), none: null };
    const error = Object.assign(new Error('mixed'), fields, kept);
    Object.defineProperty(error, 'broken', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    port2.close();
    expect({ ...sent(error) }).to.deep.equal(kept);
  });

  it('A8: errors keep their identity, also in circles', () => {
    const first: Error & { other?: Error } = new Error('first');
    const second: Error & { other?: Error } = new Error('second', { cause: first });
    first.other = second;
    const got = sent({ list: [first, second, first], map: new Map([[second, new Set([first])]]) });
    expect(got.list[0]).to.equal(got.list[2]);
    expect(got.list[0]?.other).to.equal(got.list[1]);
    expect(got.list[1]?.cause).to.equal(got.list[0]);
    const [[key, set] = []] = [...got.map];
    expect(key).to.equal(got.list[1]);
    expect([...(set ?? [])]).to.deep.equal([got.list[0]]);
  });

  it('A8: the value around an error stays what it is', () => {
    const shared = { deep: 1 };
    const sparse: (typeof shared)[] = [shared];
    sparse[2] = shared;
    const value = {
      error: new Error('in it'),
      sparse,
      date: new Date(3),
      ['__proto__']: 'own',
      bare: Object.assign(Object.create(null) as object, { x: 1 }),
    };
    const before = Object.getOwnPropertyDescriptors(value);
    const got = sent(value);
    expect(Object.getOwnPropertyDescriptors(value)).to.deep.equal(before);
    expect(got.sparse[0]).to.equal(got.sparse[2]);
    expect(1 in got.sparse).to.equal(false);
    expect({ ...got, error: 0 }).to.deep.equal({ ...structuredClone(value), error: 0 });
  });

  it('A8: a chain of 999 causes arrives', () => {
    let error = new Error('0');
    for (let depth = 1; depth <= 999; depth++) error = new Error(String(depth), { cause: error });
    let got: unknown = sent(error);
    for (let depth = 999; depth > 0; depth--) got = (got as Error).cause;
    expect(got).to.be.instanceOf(Error).with.property('message', '0');
  });

  it('each value stands for itself, of whatever size, in whatever order', () => {
    const values = [1, 100, 10_000, 1_000_000].map((length) => ({
      texts: ['x'.repeat(length), 'a name', 'a name'],
      rows: Array.from({ length: 3 }, (_, row) => ({ row, length })),
    }));
    const packed = values.map((value) => structuredClone(pack(value)));
    const got = packed.toReversed().map(unpack).toReversed();
    expect(got).to.deep.equal(values);
  });

  it('what is refused leaves nothing behind', () => {
    expect(() => pack({ key: 'value', bad: () => {} })).to.throw(DOMException);
    const { port1, port2 } = new MessageChannel();
    expect(() => pack({ port1 }))
      .to.throw(DOMException)
      .with.property('name', 'DataCloneError');
    expect(pack({ port1 }, [port1]).foreign).to.deep.equal([port1]);
    expect(pack('next').foreign).to.deep.equal([]);
    expect(sent({ key: 'value' })).to.deep.equal({ key: 'value' });
    port2.close();
  });
});
