/** Objects of the language that are neither plain nor arrays, and carriers. */
/* oxlint-disable typescript/unbound-method -- they are called on the objects in question */
import type { Carrier } from './carriers.js';
import * as tag from './tags.js';
import { writeText } from './texts.js';
import { cloneError } from './uncloneable.js';
import type { Writer } from './writer.js';

// Taken here, so that a subclass cannot come between with methods of its own.
const eachOfMap = Map.prototype.forEach;
const eachOfSet = Set.prototype.forEach;
const timeOf = Date.prototype.getTime;

/** Collections are copied first: a getter inside may change them. */
export function writeMap(writer: Writer, map: Map<unknown, unknown>, at: number): number {
  const content: unknown[] = [];
  eachOfMap.call(map, (value, key) => content.push(key, value));
  let to = writer.count(content.length / 2, writer.byte(tag.MAP, at));
  for (const value of content) to = writer.value(value, to);
  return to;
}

export function writeSet(writer: Writer, set: Set<unknown>, at: number): number {
  const content: unknown[] = [];
  eachOfSet.call(set, (value) => content.push(value));
  let to = writer.count(content.length, writer.byte(tag.SET, at));
  for (const value of content) to = writer.value(value, to);
  return to;
}

export function writeDate(writer: Writer, date: Date, at: number): number {
  const to = writer.byte(tag.DATE, at);
  if (to + 8 > writer.limit) throw writer.overflow;
  writer.view.setFloat64(to, timeOf.call(date), true);
  return to + 8;
}

export function writeRegExp(writer: Writer, expression: RegExp, at: number): number {
  const to = writeText(writer, expression.source, writer.byte(tag.REGEXP, at));
  return writeText(writer, expression.flags, to);
}

export function writeBoxed(writer: Writer, boxed: object, at: number): number {
  const primitive = unboxed(boxed);
  if (typeof primitive === 'symbol') throw cloneError(boxed);
  return writer.value(primitive, writer.byte(tag.BOXED, at));
}

const UNBOXERS: readonly ((this: never) => unknown)[] = [
  Number.prototype.valueOf,
  String.prototype.valueOf,
  Boolean.prototype.valueOf,
  BigInt.prototype.valueOf,
  Symbol.prototype.valueOf,
];

function unboxed(boxed: object): unknown {
  for (const unbox of UNBOXERS) {
    try {
      return unbox.call(boxed as never);
    } catch {
      // Another of them fits.
    }
  }
  throw cloneError(boxed);
}

export function writeCarrier(
  writer: Writer,
  object: object,
  { id, fields }: Carrier<unknown>,
  at: number,
): number {
  let to = writer.byte(id, writer.byte(tag.CARRIER, at));
  for (const field of fields) {
    to = writer.value((object as Record<string, unknown>)[field], to);
  }
  return to;
}
