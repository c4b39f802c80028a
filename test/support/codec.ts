/** What the tests of the codec have in common: both ends, and what "the same" means. */
import { types } from 'node:util';
import { Decoder } from '../../src/channel/codec/decoder.js';
import { Encoder, OVERFLOW } from '../../src/channel/codec/encoder.js';
import { Memory } from '../../src/channel/codec/memory.js';

/** An encoder and its decoder, with nothing between them but memory. */
export class Pair {
  readonly encoder = new Encoder();
  readonly decoder = new Decoder();
  readonly memory: Memory;

  constructor(bytes = 1 << 20) {
    this.memory = new Memory(new SharedArrayBuffer(bytes));
  }

  /** There and back; what bytes cannot carry goes as a MessagePort would take it. */
  carry(value: unknown, transfer?: ReadonlySet<unknown>): unknown {
    const end = this.encoder.encode(this.memory, 0, value, undefined, transfer);
    if (end === OVERFLOW) throw new Error('the frame does not fit');
    const { foreign } = this.encoder;
    this.encoder.commit();
    const arrived = this.decoder.decode(this.memory, 0, structuredClone(foreign));
    if (this.decoder.end !== end) throw new Error(`read ${this.decoder.end} of ${end} bytes`);
    return arrived;
  }

  /** The bytes of a frame. */
  frame(value: unknown): Uint8Array {
    const end = this.encoder.encode(this.memory, 0, value);
    this.encoder.commit();
    return this.memory.bytes.slice(0, end);
  }
}

/**
 * Where two values differ, or null. Everything counts that a program can see:
 * prototypes, order of keys, holes, attributes, and which objects are one.
 */
export function difference(expected: unknown, actual: unknown): string | null {
  return compare(expected, actual, { path: 'value', pairs: new Map(), back: new Map() });
}

interface Walk {
  path: string;
  pairs: Map<object, object>;
  back: Map<object, object>;
}

function compare(expected: unknown, actual: unknown, walk: Walk): string | null {
  if (!isObject(expected) || !isObject(actual)) {
    return Object.is(expected, actual) ? null : `${walk.path}: ${show(expected)}, ${show(actual)}`;
  }
  if (walk.pairs.has(expected) || walk.back.has(actual)) {
    const isOne = walk.pairs.get(expected) === actual && walk.back.get(actual) === expected;
    return isOne ? null : `${walk.path}: another identity`;
  }
  walk.pairs.set(expected, actual);
  walk.back.set(actual, expected);
  if (Object.getPrototypeOf(expected) !== Object.getPrototypeOf(actual)) {
    return `${walk.path}: another prototype`;
  }
  return compareInside(expected, actual, walk) ?? compareProperties(expected, actual, walk);
}

function compareInside(expected: object, actual: object, walk: Walk): string | null {
  const [left, right] = [contentOf(expected), contentOf(actual)];
  if (left.length !== right.length) return `${walk.path}: ${left.length}, ${right.length} inside`;
  return firstDifference(left.keys(), (index) =>
    compare(left[index], right[index], { ...walk, path: `${walk.path}<${index}>` }),
  );
}

/** What is in an object and is no property. */
function contentOf(value: object): unknown[] {
  if (types.isMap(value)) return [...value].flat();
  if (types.isSet(value)) return [...value];
  if (types.isDate(value)) return [value.getTime()];
  if (types.isRegExp(value)) return [value.source, value.flags, value.lastIndex];
  if (types.isBoxedPrimitive(value)) return [value.valueOf()];
  if (ArrayBuffer.isView(value)) return [value.byteOffset, value.byteLength, value.buffer];
  if (types.isAnyArrayBuffer(value)) {
    const { resizable, maxByteLength } = value as { resizable?: boolean; maxByteLength?: number };
    return [Buffer.from(value as ArrayBuffer).toString('hex'), resizable, maxByteLength];
  }
  return [];
}

function compareProperties(expected: object, actual: object, walk: Walk): string | null {
  // Elements of a typed array are its buffer, which was compared.
  if (ArrayBuffer.isView(expected)) return null;
  const [keys, others] = [Reflect.ownKeys(expected), Reflect.ownKeys(actual)];
  if (keys.length !== others.length) return `${walk.path}: keys ${show(keys)}, ${show(others)}`;
  return firstDifference(keys.keys(), (index) => {
    const key = keys[index] as string;
    if (key !== others[index]) return `${walk.path}: key ${show(keys)}, ${show(others)}`;
    const path = `${walk.path}.${key}`;
    const [one, other] = [expected, actual].map((object) =>
      Object.getOwnPropertyDescriptor(object, key),
    );
    if (one?.enumerable !== other?.enumerable) return `${path}: enumerable ${one?.enumerable}`;
    // Read, not taken from the attributes: the stack of an error has a getter from Node 22 on.
    const [left, right] = [expected, actual].map((object) => Reflect.get(object, key) as unknown);
    return compare(left, right, { ...walk, path });
  });
}

function firstDifference<K>(keys: Iterable<K>, find: (key: K) => string | null): string | null {
  for (const key of keys) {
    const found = find(key);
    if (found !== null) return found;
  }
  return null;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(String).join(' ')}]`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
