/** The codec, kind by kind. Random values are in codec-random.test.ts. */
/* oxlint-disable no-sparse-arrays -- holes are among what is tested */
import { expect } from 'chai';
import { open } from 'node:fs/promises';
import { MessageChannel } from 'node:worker_threads';
import { MillraceError } from '../../../src/index.js';
import { registerCarrier } from '../../../src/channel/codec/carriers.js';
import { Encoder, OVERFLOW } from '../../../src/channel/codec/encoder.js';
import { Memory } from '../../../src/channel/codec/memory.js';
import { difference, Pair } from '../../support/codec.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

function nested(levels: number): object {
  let value = {};
  for (let level = 1; level < levels; level++) value = { value };
  return value;
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

describe('codec', () => {
  let pair: Pair;

  beforeEach(() => {
    pair = new Pair();
  });

  const same = (value: unknown) =>
    expect(difference(structuredClone(value), pair.carry(value))).to.equal(null);

  it('every message of a burst lies behind the one before', () => {
    const { encoder, decoder, memory } = pair;
    const values = [42, 'text', { type: 'a' }, { type: 'a' }, [1, 2], null, { type: 'a' }];
    let end = 8;
    for (const value of values) {
      end = encoder.encode(memory, end, value);
      encoder.commit();
    }
    let at = 8;
    for (const value of values) {
      expect(decoder.decode(memory, at)).to.deep.equal(value);
      at = decoder.end;
    }
    expect(at).to.equal(end);
  });

  it('numbers, short texts and bytes are the same wherever they begin, up to the limit', () => {
    const { encoder, decoder, memory } = pair;
    const values: unknown[] = [-0, 127, 128, -129, 32_768, -32_769, 2 ** 31, 0.5, 'é', '漢'];
    for (let length = 0; length < 40; length++) {
      values.push('abcdefgh'.repeat(5).slice(0, length));
      values.push(Uint8Array.from({ length }, (_, at) => at + length));
    }
    for (const value of values) {
      for (let at = 8; at < 24; at++) {
        memory.bytes.fill(0xff, 0, 100);
        const end = encoder.encode(memory, at, value);
        expect(difference(value, decoder.decode(memory, at))).to.equal(null);
        expect(decoder.end).to.equal(end);
        expect(memory.bytes[end], 'behind the frame').to.equal(0xff);
        expect(encoder.encode(memory, at, value, end)).to.equal(end);
        expect(encoder.encode(memory, at, value, end - 1)).to.equal(OVERFLOW);
      }
    }
  });

  it('no frame begins with a byte that is reserved', () => {
    for (const value of [
      0,
      'x',
      'x'.repeat(31),
      'x'.repeat(100),
      '漢',
      {},
      [],
      5n,
      null,
      true,
      1e9,
    ]) {
      expect(pair.frame(value)[0]).to.be.below(0xf0);
    }
  });

  it('a memory may begin anywhere, and a frame anywhere in it', () => {
    const memory = new Memory(new ArrayBuffer(300), 3, 200);
    const value = { number: 0.1, big: 7n, wide: '漢'.repeat(20), bytes: new Uint8Array(33) };
    for (let at = 0; at < 9; at++) {
      expect(pair.encoder.encode(memory, at, value)).to.be.above(at);
      pair.encoder.commit();
      expect(pair.decoder.decode(memory, at)).to.deep.equal(value);
    }
  });

  it('C4: keys keep their order and their meaning', () => {
    const literal = JSON.parse('{"b":1,"2":2,"__proto__":{"x":1},"1":3,"constructor":4}');
    for (let time = 0; time < 100; time++) {
      same(literal);
      same({ ['__proto__']: 1 });
    }
    const arrived = pair.carry(literal) as object;
    expect(Object.getPrototypeOf(arrived)).to.equal(Object.prototype);
  });

  it('C4: getters are called once, and may do to the message what they like', () => {
    let calls = 0;
    const later = () => ({
      get first() {
        calls += 1;
        delete (this as { second?: number }).second;
        return 1;
      },
      second: 2,
      third: undefined,
    });
    for (let time = 1; time < 80; time++) {
      expect(Object.entries(pair.carry(later()) as object)).to.deep.equal([
        ['first', 1],
        ['third', undefined],
      ]);
      expect(calls).to.equal(time);
    }
    const shrinking = [0, 1, 2, 3];
    Object.defineProperty(shrinking, 0, { get: () => (shrinking.length = 2), enumerable: true });
    expect(pair.carry(shrinking)).to.deep.equal(structuredClone([2, 1, , ,]));
    const map = new Map<unknown, unknown>();
    map.set(1, {
      get grows() {
        return map.set(map.size + 1, this).size;
      },
    });
    expect((pair.carry(map) as Map<unknown, unknown>).size).to.equal(1);
  });

  it('a getter that sends into the same channel is refused, and harms nothing', () => {
    const { encoder, memory } = pair;
    const value = {
      a: 1,
      get b() {
        return encoder.encode(memory, 0, 1);
      },
    };
    expect(thrownBy(() => encoder.encode(memory, 0, value)).name).to.equal('DataCloneError');
    same({ a: 1, b: 2 });
  });

  it('C4: identity is kept across all kinds of objects', () => {
    const buffer = new ArrayBuffer(16);
    const view = new Uint8Array(buffer);
    const date = new Date(5);
    const error = new Error('e');
    const all = { buffer, view, words: new Uint16Array(buffer, 2, 3), date, error };
    const value = {
      all,
      again: all,
      map: new Map<unknown, unknown>([
        [date, buffer],
        [error, view],
      ]),
      self: {},
    };
    value.self = value;
    for (let time = 0; time < 3; time++) {
      const arrived = pair.carry(value) as typeof value;
      expect(arrived.self).to.equal(arrived);
      expect(arrived.again).to.equal(arrived.all);
      expect(arrived.all.words.buffer).to.equal(arrived.all.buffer);
      expect(arrived.all.view.buffer).to.equal(arrived.all.buffer);
      expect([...arrived.map]).to.deep.equal([
        [arrived.all.date, arrived.all.buffer],
        [arrived.all.error, arrived.all.view],
      ]);
      expect([...arrived.map.keys()][1]).to.equal(arrived.all.error);
    }
    const many = Array.from({ length: 40 }, (_, index) => ({ index }));
    same([many, many.toReversed()]);
  });

  it('C4: arrays keep holes, names and length', () => {
    const long = Array.from({ length: 1000 }, (_, index) => index);
    const holed = long.slice();
    Reflect.deleteProperty(holed, 500);
    const hidden = [1, 2];
    Object.defineProperty(hidden, 0, { enumerable: false });
    const far: unknown[] = [];
    far[4_000_000_000] = 1;
    for (const array of [
      [],
      [,],
      [, 1],
      [1, ,],
      [undefined, , undefined],
      long,
      holed,
      hidden,
      far,
      new Array(4294967295),
      Object.assign([1, 2], { name: 1 }),
      Object.assign([, 1], { name: 1 }),
      Object.assign([], { name: 1 }),
      Object.assign(long.slice(), { name: 1 }),
    ])
      same(array);
  });

  it('C4: every kind of string, bigint and number', () => {
    for (const piece of ['x', 'ÿ', '漢', '\ud800', '😀']) {
      for (const length of [0, 1, 12, 13, 23, 24, 25, 31, 32, 127, 128, 100_000]) {
        same(piece.repeat(length));
      }
    }
    for (let bits = 0; bits < 70; bits++) {
      for (const by of [-1, 0, 1]) {
        same(2 ** bits + by);
        same(-(2 ** bits) + by);
        same(2n ** BigInt(bits) + BigInt(by));
        same(-(2n ** BigInt(bits)) + BigInt(by));
      }
    }
    for (const value of [-0, Number.NaN, Number.MIN_VALUE, Number.POSITIVE_INFINITY]) same(value);
  });

  it('C4: buffers that can change their length, and what looks at them', () => {
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer;
    const buffer = new Resizable(8, { maxByteLength: 16 });
    const arrived = pair.carry([buffer, new Uint8Array(buffer), new Uint8Array(buffer, 2, 3)]) as [
      ArrayBuffer & { resize(length: number): void },
      Uint8Array,
      Uint8Array,
    ];
    expect(arrived[1].buffer).to.equal(arrived[0]);
    arrived[0].resize(12);
    expect(arrived.map((each) => each.byteLength)).to.deep.equal([12, 12, 3]);
  });

  it('C4: instances become plain objects, those of the language themselves', () => {
    class Point {
      x = 1;
      #y = 2;
      get y() {
        return this.#y;
      }
    }
    class Points extends Map<unknown, unknown> {}
    function Old(this: { x: number }) {
      this.x = 1;
    }
    (Old as unknown as { prototype: object }).prototype = { inherited: 1 };
    for (const value of [
      new Point(),
      new Points([[1, 2]]),
      Reflect.construct(Old, []),
      Object.create(Map.prototype),
      Object.setPrototypeOf(new Map([[1, 2]]), Object.prototype),
      Object.setPrototypeOf(new Map([[1, 2]]), null),
      JSON,
      Math,
      Buffer.from('pooled'),
      new Point(),
    ])
      same(value);
  });

  it("C4: objects of Node's own are what they are for structuredClone", () => {
    // Plain and empty on Node 20, refused later.
    for (const value of [new URL('http://host/'), new EventTarget()]) {
      if (isCloneable(value)) same(value);
      else expect(thrownBy(() => pair.carry(value)).name).to.equal('DataCloneError');
    }
  });

  it('C4: what cannot be cloned is refused, and nothing is remembered of it', () => {
    const arguments_ = (function () {
      return arguments;
    })();
    const detached = new ArrayBuffer(8);
    const view = new Uint8Array(detached);
    structuredClone(detached, { transfer: [detached] });
    for (const bad of [
      () => 1,
      Symbol('s'),
      Promise.resolve(),
      new WeakMap(),
      new WeakSet(),
      new WeakRef({}),
      (function* () {})(),
      new Map().keys(),
      new Set().values(),
      Object(Symbol('s')),
      arguments_,
      new Proxy({}, {}),
      new Proxy([], {}),
      new Proxy(new EventTarget(), {}),
      new Intl.NumberFormat(),
      detached,
      view,
      new FinalizationRegistry(() => {}),
      [].values(),
    ]) {
      for (const value of [bad, [bad], { first: { x: 1 }, bad }, new Map([[1, bad]])]) {
        const expected = thrownBy(() => structuredClone(value));
        const error = thrownBy(() => pair.encoder.encode(pair.memory, 0, value));
        expect([error.name, error.message]).to.deep.equal([expected.name, expected.message]);
        expect(error).to.be.instanceOf(DOMException);
        expect(pair.encoder.foreign).to.deep.equal([]);
      }
      same({ first: { x: 1 }, bad: 1 });
    }
  });

  it('a thousand levels are carried, more are refused', () => {
    same(nested(1000));
    for (const levels of [1001, 10_000, 100_000]) {
      const error = thrownBy(() => pair.encoder.encode(pair.memory, 0, nested(levels)));
      expect([error.name, error.code]).to.deep.equal(['RangeError', 'ERR_OUT_OF_RANGE']);
      same({ after: levels });
    }
    const endless = {
      get again(): object {
        return Object.create(endless, Object.getOwnPropertyDescriptors(endless));
      },
    };
    expect(thrownBy(() => pair.encoder.encode(pair.memory, 0, endless))).to.be.instanceOf(
      RangeError,
    );
  });

  it('what bytes cannot carry goes beside the frame, each once, in order', () => {
    const { port1, port2 } = new MessageChannel();
    const shared = new SharedArrayBuffer(8);
    const blob = new Blob(['x']);
    const value = { blob, list: [shared, new Uint8Array(shared, 1, 2), blob], port1 };
    const moved = new Set([port1]);
    const end = pair.encoder.encode(pair.memory, 0, value, undefined, moved);
    expect(end).to.be.above(0);
    const foreign = [...pair.encoder.foreign];
    expect(foreign).to.deep.equal([blob, shared, port1]);
    pair.encoder.commit();
    const arrived = pair.decoder.decode(pair.memory, 0, foreign) as typeof value;
    expect(arrived.port1).to.equal(port1);
    expect(arrived.list[2]).to.equal(arrived.blob);
    expect((arrived.list[1] as Uint8Array).buffer).to.equal(shared);
    pair.frame(1);
    expect(pair.encoder.foreign).to.deep.equal([]);
    port1.close();
    port2.close();
  });

  it('C4: what has to be moved is refused where it is not listed', async () => {
    const { port1, port2 } = new MessageChannel();
    const file = await open(new URL(import.meta.url));
    for (const value of [port1, file, new Blob(['x']).stream()]) {
      expect(thrownBy(() => pair.frame({ deep: [value] })).name).to.equal('DataCloneError');
      // As a field of an error it is dropped, as all that cannot be cloned (A8).
      const got = pair.carry(Object.assign(new Error('e'), { value, kept: 1 })) as object;
      expect({ ...got }).to.deep.equal({ kept: 1 });
    }
    await file.close();
    port1.close();
    port2.close();
  });

  it('C4: transferables travel as themselves, with their views', () => {
    const buffer = new ArrayBuffer(8);
    const value = { buffer, view: new Uint8Array(buffer), bytes: new Uint8Array(4) };
    expect(pair.encoder.encode(pair.memory, 0, value, 1000, new Set([buffer]))).to.be.above(0);
    expect(pair.encoder.foreign).to.deep.equal([buffer]);
    pair.encoder.commit();
    const arrived = pair.decoder.decode(pair.memory, 0, [buffer]) as typeof value;
    expect(arrived.buffer).to.equal(buffer);
    expect(arrived.view.buffer).to.equal(buffer);
    expect(pair.carry({ root: 1 }, new Set())).to.deep.equal({ root: 1 });
  });

  it('carriers arrive as themselves', () => {
    class Ref {
      readonly id: number;
      readonly path: string;
      #secret = () => 1;
      constructor(id: number, path: string) {
        this.id = id;
        this.path = path;
      }
      get secret() {
        return this.#secret();
      }
    }
    class Sub extends Ref {}
    expect(pair.carry(new Ref(1, 'a'))).to.not.be.instanceOf(Ref);
    registerCarrier<Ref>({
      id: 255,
      type: Ref,
      fields: ['id', 'path'],
      create: (id, path) => new Ref(id as number, path as string),
    });
    const ref = new Ref(7, 'p');
    const arrived = pair.carry({ ref, again: [ref], sub: new Sub(8, 'q') }) as {
      ref: Ref;
      again: Ref[];
      sub: Ref;
    };
    expect(arrived.ref).to.be.instanceOf(Ref);
    expect([arrived.ref.id, arrived.ref.path, arrived.ref.secret]).to.deep.equal([7, 'p', 1]);
    expect(arrived.again[0]).to.equal(arrived.ref);
    expect(arrived.sub).to.be.instanceOf(Ref);
    const other = { id: 255, type: Sub, fields: [], create: () => ref };
    expect(thrownBy(() => registerCarrier(other)).code).to.equal('ERR_INVALID_ARG_VALUE');
    const outside = { id: 256, type: Sub, fields: [], create: () => ref };
    expect(thrownBy(() => registerCarrier(outside)).code).to.equal('ERR_OUT_OF_RANGE');
  });

  it('a short text takes a byte for each character, and one more', () => {
    for (const text of ['', 'x', '\u00ff', 'x'.repeat(24)]) {
      expect(pair.frame(text)).to.have.length(text.length + 1);
      expect(pair.frame([text])).to.have.length(text.length + 4);
    }
    expect(pair.frame('x'.repeat(25))).to.have.length(27);
    expect(pair.frame('\u0100')).to.have.length(4);
  });

  it('a frame may end exactly at its limit', () => {
    for (const value of [
      1,
      -1,
      1e6,
      0.5,
      5n,
      'text',
      'x'.repeat(50),
      '漢',
      { a: 1 },
      [1, , 2],
      new Uint8Array(9),
      new Error('e'),
    ]) {
      const size = pair.frame(value).length;
      const encoder = new Encoder();
      expect(encoder.encode(pair.memory, 0, value, size)).to.equal(size);
      for (let limit = 0; limit < size; limit++) {
        expect(encoder.encode(pair.memory, 0, value, limit)).to.equal(OVERFLOW);
      }
    }
  });
});

describe('codec: errors', () => {
  const pair = new Pair();

  it('A8: arrive with class, message, stack, cause and every own field', () => {
    const cause = Object.assign(new TypeError('inner'), { detail: { x: 1 } });
    for (const ErrorClass of [
      Error,
      EvalError,
      RangeError,
      ReferenceError,
      SyntaxError,
      TypeError,
      URIError,
    ]) {
      const error = Object.assign(new ErrorClass('outer', { cause }), {
        code: 'ECONNRESET',
        errno: -104,
        syscall: 'read',
        map: new Map([[1, 2]]),
      });
      const arrived = pair.carry(error);
      expect(difference(error, arrived)).to.equal(null);
      expect(arrived).to.be.instanceOf(ErrorClass);
    }
  });

  it('A8: AggregateError, MillraceError and DOMException as well', () => {
    const aggregate = new AggregateError([new TypeError('one'), 2], 'both');
    expect(difference(aggregate, pair.carry(aggregate))).to.equal(null);
    const own = new MillraceError('ERR_LOOP_CLOSED', 'closed', { cause: aggregate });
    expect(difference(own, pair.carry(own))).to.equal(null);
    expect((pair.carry(own) as MillraceError).code).to.equal('ERR_LOOP_CLOSED');
    const exception = pair.carry(new DOMException('stop', 'AbortError')) as DOMException;
    expect(exception).to.be.instanceOf(DOMException);
    expect([exception.name, exception.message, exception.code]).to.deep.equal([
      'AbortError',
      'stop',
      20,
    ]);
  });

  it('A8: others arrive as the nearest known class, with their name', () => {
    class Refusal extends Error {
      override get name() {
        return 'Refusal';
      }
      readonly retry = true;
    }
    const arrived = pair.carry(new Refusal('no')) as Refusal;
    expect(Object.getPrototypeOf(arrived)).to.equal(Error.prototype);
    expect([arrived.name, arrived.message, arrived.retry]).to.deep.equal(['Refusal', 'no', true]);
    expect(Object.keys(arrived)).to.deep.equal(['retry']);
    class Narrow extends TypeError {}
    expect(pair.carry(new Narrow('n'))).to.be.instanceOf(TypeError);
  });

  it('A8: fields that cannot be cloned are dropped, and what they began with them', () => {
    const shared = { shared: 1 };
    const error = Object.assign(new Error('e'), {
      bad: [shared, { never: 1, seen: 2 }, new Blob(['x']), () => 1],
      shared,
      get thrower() {
        return 1;
      },
      kept: [shared],
    });
    Object.defineProperty(error, 'thrower', {
      get: () => {
        throw new Error('getter');
      },
      enumerable: true,
    });
    for (let time = 0; time < 3; time++) {
      const arrived = pair.carry([error, { never: 1, seen: 2 }]) as [typeof error, object];
      expect(Object.keys(arrived[0])).to.deep.equal(['shared', 'kept']);
      expect(arrived[0].kept[0]).to.equal(arrived[0].shared);
      expect(arrived[1]).to.deep.equal({ never: 1, seen: 2 });
      expect(pair.encoder.foreign).to.deep.equal([]);
    }
  });

  it('A8: cyclic causes, and errors within messages', () => {
    const error = new Error('e');
    error.cause = { error };
    const arrived = pair.carry({ error }) as { error: { cause: { error: unknown } } };
    expect(arrived.error.cause.error).to.equal(arrived.error);
  });
});
