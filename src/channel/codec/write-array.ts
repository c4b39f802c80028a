/**
 * Arrays. Most are dense and have nothing but elements, which cannot be asked
 * for directly: an array may have holes, and names beside its elements. What
 * there is costs 10 ns an element (a list of all keys) or 1.5 us (inspect(),
 * which counts the elements and lists the rest), so it depends on the length.
 */
import { inspect, types } from 'node:util';
import * as tag from './tags.js';
import { cloneError } from './uncloneable.js';
import { writeProperties } from './write-parts.js';
import type { Writer } from './writer.js';

const LISTED_MAX = 128;

/** Elements are counted, what else there is is shown; no code of the array's own is called. */
const INSPECT_OPTIONS = {
  depth: 0,
  maxArrayLength: 0,
  customInspect: false,
  compact: true,
  breakLength: Number.POSITIVE_INFINITY,
};

export function writeArray(writer: Writer, array: readonly unknown[], at: number): number {
  if (types.isProxy(array)) throw cloneError(array);
  const { length } = array;
  if (length > LISTED_MAX) {
    if (!hasElementsOnly(array)) return writeListed(writer, array, Object.keys(array), at);
  } else if (length > 0) {
    const keys = Object.keys(array);
    // Elements come first: the last key can only be that of the last element if none is missing.
    const isDense = keys.length === length && keys[length - 1] === String(length - 1);
    if (!isDense) return writeListed(writer, array, keys, at);
  } else if (!isBare(array)) {
    return writeListed(writer, array, Object.keys(array), at);
  }
  return writeDense(writer, array, at);
}

/** False for an array that is anything out of the ordinary. */
function hasElementsOnly(array: readonly unknown[]): boolean {
  return inspect(array, INSPECT_OPTIONS) === `[ ... ${array.length} more items ]`;
}

/** For an array of length 0, which may have names all the same. */
function isBare(array: object): boolean {
  for (const _ in array) return false;
  return true;
}

function writeDense(writer: Writer, array: readonly unknown[], at: number): number {
  const { length } = array;
  let to = writer.count(length, writer.byte(tag.ARRAY, at));
  for (let index = 0; index < length; index++) {
    const value = array[index];
    if (value === undefined && !Object.hasOwn(array, index)) {
      return writeElements(writer, array, { length, from: index, keys: Object.keys(array) }, to);
    }
    to = writer.value(value, to);
  }
  return to;
}

/** Goes by the keys that there are: holes cost nothing, however many. */
function writeListed(
  writer: Writer,
  array: readonly unknown[],
  keys: readonly string[],
  at: number,
): number {
  const { length } = array;
  const names = keys.slice(elementCount(keys, length));
  let to = writer.byte(names.length > 0 ? tag.NAMED_ARRAY : tag.ARRAY, at);
  to = writeElements(writer, array, { length, from: 0, keys }, writer.count(length, to));
  return names.length > 0 ? writeProperties(writer, array, names, to) : to;
}

interface Elements {
  length: number;
  /** Those before it are written. */
  from: number;
  keys: readonly string[];
}

function writeElements(
  writer: Writer,
  array: readonly unknown[],
  { length, from, keys }: Elements,
  at: number,
): number {
  let to = at;
  let next = from;
  const count = elementCount(keys, length);
  for (let place = 0; place < count; place++) {
    const index = Number(keys[place]);
    if (index < next) continue;
    const value = array[index];
    // A getter of an earlier element may have deleted this one.
    if (value === undefined && !Object.hasOwn(array, index)) continue;
    to = writer.value(value, writeMissing(writer, index - next, to));
    next = index + 1;
  }
  return writeMissing(writer, length - next, to);
}

function writeMissing(writer: Writer, count: number, at: number): number {
  if (count === 0) return at;
  writer.makeFull();
  return writer.count(count, writer.byte(tag.MISSING, at));
}

/** How many of the keys are elements: those that come first and are below the length. */
function elementCount(keys: readonly string[], length: number): number {
  let low = 0;
  let high = Math.min(keys.length, length);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isIndex(keys[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isIndex(key: string): boolean {
  const index = Number(key) >>> 0;
  return String(index) === key && index !== 0xffff_ffff;
}
