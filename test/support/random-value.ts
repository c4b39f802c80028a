/** Random values of every kind that can be cloned, some of them within others twice. */
import type { Random } from './random.js';

const NUMBERS = [
  0,
  -0,
  1,
  127,
  128,
  -1,
  -128,
  -129,
  32767,
  32768,
  -32768,
  -32769,
  2147483647,
  2147483648,
  -2147483648,
  -2147483649,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_VALUE,
  1e300,
];
const BIGINTS = [
  0n,
  1n,
  -1n,
  2n ** 63n - 1n,
  2n ** 63n,
  -(2n ** 63n),
  -(2n ** 63n) - 1n,
  3n ** 500n,
  -(3n ** 500n),
];
const PIECES = [
  '',
  'a',
  'type',
  'é',
  'ÿ',
  'Ā',
  '漢',
  '😀',
  '\ud800',
  '\udc00',
  '\0',
  '"\\\n\u2028',
];
const KEYS = [
  'type',
  'term',
  'index',
  '1',
  '0',
  '42',
  '-1',
  '4294967295',
  '',
  'é',
  '漢',
  '__proto__',
  'constructor',
  'toString',
  'a b',
  'length',
  "it's",
];
const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
];

class Point {
  readonly x: unknown;
  readonly #hidden = 1;
  constructor(x: unknown) {
    this.x = x;
  }
  get sum(): number {
    return this.#hidden;
  }
}
class OldMap extends Map<unknown, unknown> {}
class OldArray extends Array<unknown> {}

export class RandomValues {
  readonly #random: Random;
  #met: object[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  next(): unknown {
    this.#met = [];
    return this.#value(this.#below(6));
  }

  #value(depth: number): unknown {
    const kind = this.#below(depth > 0 ? 24 : 8);
    if (kind < 8) return this.#primitive(kind);
    if (kind < 10 && this.#met.length > 0) return this.#pick(this.#met);
    const object = this.#object(kind, depth - 1);
    // Those that contain others are there before them already.
    if (!this.#met.includes(object)) this.#met.push(object);
    return object;
  }

  #primitive(kind: number): unknown {
    switch (kind) {
      case 0:
        return this.#pick([undefined, null, true, false]);
      case 1:
        return this.#pick(BIGINTS);
      case 2:
      case 3:
        return this.text();
      case 4:
        return (this.#random.next() - 0.5) * 2 ** this.#below(60);
      case 5:
        return Math.floor((this.#random.next() - 0.5) * 2 ** this.#below(40));
      default:
        return this.#pick(NUMBERS);
    }
  }

  text(): string {
    const length = this.#pick([0, 1, 3, 12, 13, 24, 25, 31, 32, 33, 200]);
    const only = this.#below(2) === 0 ? this.#pick(PIECES) : null;
    let text = '';
    while (text.length < length) text += (only ?? this.#pick(PIECES)) || 'x';
    return text;
  }

  #object(kind: number, depth: number): object {
    const count = this.#pick([0, 1, 2, 3, 5, 8]);
    switch (kind) {
      case 13:
        return this.#filled(new (this.#pick([Map, OldMap]))(), (map) =>
          this.#times(count, () => map.set(this.#value(depth), this.#value(depth))),
        );
      case 14:
        return this.#filled(new Set(), (set) =>
          this.#times(count, () => set.add(this.#value(depth))),
        );
      case 15:
        return new Date(this.#pick([0, 1e12, -5, Number.NaN]));
      case 16:
        return this.#expression();
      case 17:
        return Object(this.#pick([0, -0, 'text', true, 5n, '漢', ''])) as object;
      case 18:
        return this.#buffer();
      case 19:
      case 20:
        return this.#view();
      case 21:
      case 22:
        return this.#array(count, depth);
      case 23:
        return new Point(this.#value(depth));
      default:
        return this.#plain(count, depth);
    }
  }

  #expression(): RegExp {
    const expression = /a\/[b]\n(?<name>x)/dgimsy;
    expression.lastIndex = 3;
    return this.#pick([expression, /(?:)/, /漢/u]);
  }

  #plain(count: number, depth: number): object {
    const object = this.#pick([{}, {}, {}, Object.create(null) as object]);
    return this.#filled(object, () => {
      this.#times(count, () => {
        const key = this.#below(8) === 0 ? this.text() : this.#pick(KEYS);
        const value = this.#value(depth);
        const how = this.#below(12);
        const attributes = { configurable: true, enumerable: how !== 0 };
        if (how === 1) Object.defineProperty(object, key, { ...attributes, get: () => value });
        else Object.defineProperty(object, key, { ...attributes, writable: true, value });
        if (how === 2) Object.defineProperty(object, Symbol('s'), { ...attributes, value });
      });
    });
  }

  #array(count: number, depth: number): object {
    const length = this.#pick([count, count, count, count + 3, 130, 2000, 4294967295]);
    const array: unknown[] = this.#below(6) === 0 ? new OldArray() : [];
    return this.#filled(array, () => {
      this.#times(count, (index) => {
        array[this.#below(5) === 0 ? this.#below(length) : index] = this.#value(depth);
      });
      if (length === 130) this.#times(130, (index) => (array[index] ??= index));
      if (this.#below(4) === 0) array.length = Math.max(length, array.length);
      if (this.#below(6) === 0)
        Object.assign(array, { [this.#pick(['x', '-1', '4294967295', '__x'])]: 1 });
    });
  }

  #buffer(): ArrayBuffer {
    const bytes = Uint8Array.from({ length: this.#pick([0, 8, 64, 200]) }, () => this.#below(256));
    return bytes.buffer;
  }

  #view(): object {
    const shared = this.#met.filter((object) => object instanceof ArrayBuffer);
    const buffer = shared.length > 0 && this.#below(2) === 0 ? this.#pick(shared) : this.#buffer();
    if (this.#below(5) === 0) return Buffer.from(this.text());
    this.#met.push(buffer);
    const View = this.#pick(VIEWS) as new (...args: unknown[]) => object;
    const size = (View as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
    const room = buffer.byteLength / size;
    const from = this.#below(2) === 0 ? 0 : this.#below(room + 1);
    return new View(
      buffer,
      from * size,
      this.#below(2) === 0 ? room - from : this.#below(room - from + 1),
    );
  }

  /** Known before its contents, so that they can lead back to it. */
  #filled<O extends object>(object: O, fill: (object: O) => void): O {
    this.#met.push(object);
    fill(object);
    return object;
  }

  #times(count: number, action: (index: number) => void): void {
    for (let index = 0; index < count; index++) action(index);
  }

  #pick<V>(values: readonly V[]): V {
    return values[this.#below(values.length)];
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }
}
