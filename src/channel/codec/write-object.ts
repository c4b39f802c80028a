/** Objects: which kind each is, and plain ones. */
import { types } from 'node:util';
import { writerOf } from './kinds.js';
import { mayBeSourceHandle } from './shape-code.js';
import type { Shape } from './shapes.js';
import * as tag from './tags.js';
import { writeText } from './texts.js';
import { cloneError } from './uncloneable.js';
import { writeArray } from './write-array.js';
import { writeByteArray } from './write-binary.js';
import { writeForeign, writeProperties } from './write-parts.js';
import type { Writer } from './writer.js';

const PLAIN_PROTOTYPE = Object.prototype;

export function writeObject(writer: Writer, value: object, at: number): number {
  const known = writer.references.meet(value);
  if (known >= 0) return writeReference(writer, known, at);
  if (writer.transfer?.has(value)) return writeForeign(writer, value, at);
  const depth = writer.descend();
  let end: number;
  // The likely kinds are told apart here; calls on the way down cost stack as well as time.
  // Bytes come first since their prototype need not be asked for, which takes the engine long.
  if (ArrayBuffer.isView(value) && value instanceof Uint8Array) {
    end = writeByteArray(writer, value, at);
  } else {
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === PLAIN_PROTOTYPE) end = writePlain(writer, value, at);
    else if (Array.isArray(value)) end = writeArray(writer, value, at);
    else end = writeByPrototype(writer, value, prototype, at);
  }
  writer.depth = depth - 1;
  return end;
}

function writeByPrototype(
  writer: Writer,
  value: object,
  prototype: object | null,
  at: number,
): number {
  const write = writerOf(value, prototype);
  return write === null ? writeByKeys(writer, value, at) : write(writer, value, at);
}

function writeReference(writer: Writer, known: number, at: number): number {
  writer.makeFull();
  return writer.count(known, writer.byte(tag.REFERENCE, at));
}

/**
 * An object that is most likely plain. One of the shape that came last at this
 * level is written at once: a proxy that looks like it is then read through.
 * To find that out would cost half as much as the whole message.
 */
function writePlain(writer: Writer, value: object, at: number): number {
  const guess = writer.shapes.guess(writer.depth);
  if (guess.matches(value)) return guess.write(writer, value, writeHeader(writer, guess, at));
  if (types.isProxy(value) || types.isArgumentsObject(value)) throw cloneError(value);
  if (isEmpty(value)) return writeByPrototype(writer, value, null, at);
  return writeByKeys(writer, value, at);
}

/** Without keys it may be a Map whose prototype was exchanged, or the like. */
function isEmpty(value: object): boolean {
  for (const _ in value) return false;
  return true;
}

function writeHeader(writer: Writer, { number }: Shape, at: number): number {
  if (number <= tag.SHAPED_MAX) return writer.byte(tag.SHAPED + number, at);
  return writer.count(number, writer.byte(tag.LARGE_SHAPED, at));
}

/** For which no guess held. */
function writeByKeys(writer: Writer, value: object, at: number): number {
  const { shapes } = writer;
  const keys = Object.keys(value);
  const found = shapes.find(keys);
  if (found !== null) {
    shapes.met(found, writer.depth);
    return found.write(writer, value, writeHeader(writer, found, at));
  }
  const learnt = shapes.learn(keys);
  if (learnt !== null) {
    shapes.met(learnt, writer.depth);
    return learnt.write(writer, value, writeDefinition(writer, learnt, at));
  }
  if (mayBeSourceHandle(keys)) writer.noteFlight(value);
  return writeProperties(writer, value, keys, writer.byte(tag.OBJECT, at));
}

function writeDefinition(writer: Writer, { number, keys }: Shape, at: number): number {
  let to = writer.count(number, writer.byte(tag.DEFINE_SHAPE, at));
  to = writer.count(keys.length, to);
  for (const key of keys) to = writeText(writer, key, to);
  return to;
}
