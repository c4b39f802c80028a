/** Objects, by their tags. Those of a full frame are put into its table before their contents. */
import { carrierWithId } from './carriers.js';
import { ERROR_CLASSES } from './error-classes.js';
import { SHAPE_KEYS_MAX, SHAPES_MAX, USES_BEFORE_CODE } from './limits.js';
import { readBuffer, readBytes, readView } from './read-binary.js';
import { Malformed, type Reader, type RememberedShape, type ValueReader } from './reader.js';
import { objectReaderFor, setProperty } from './shape-code.js';
import * as tag from './tags.js';

/** Elements further apart are kept by key; a count of them must not take memory. */
const GAP_MAX = 1024;
const ARRAY_LENGTH_MAX = 0xffff_ffff;

export const OBJECT_READERS: readonly (ValueReader | undefined)[] = readersByTag();

function readersByTag(): (ValueReader | undefined)[] {
  const readers: (ValueReader | undefined)[] = new Array(0x100).fill(undefined);
  readers[tag.LARGE_SHAPED] = (reader) => reader.shaped(reader.count());
  readers[tag.DEFINE_SHAPE] = readDefinition;
  readers[tag.OBJECT] = (reader) => readProperties(reader, begun(reader, {}));
  readers[tag.ARRAY] = readArray;
  readers[tag.NAMED_ARRAY] = (reader) => readProperties(reader, readArray(reader));
  readers[tag.MAP] = readMap;
  readers[tag.SET] = readSet;
  readers[tag.DATE] = (reader) => begun(reader, new Date(reader.double()));
  readers[tag.REGEXP] = (reader) => begun(reader, new RegExp(reader.string(), reader.string()));
  readers[tag.BOXED] = readBoxed;
  readers[tag.BYTES] = readBytes;
  readers[tag.BUFFER] = readBuffer;
  readers[tag.VIEW] = readView;
  readers[tag.ERROR] = readError;
  readers[tag.CARRIER] = readCarrier;
  readers[tag.FOREIGN] = readForeign;
  readers[tag.REFERENCE] = readReference;
  return readers;
}

/** An object whose contents are still to come. */
function begun<O extends object>(reader: Reader, object: O): O {
  reader.table?.push(object);
  return object;
}

function readDefinition(reader: Reader): object {
  const number = reader.count();
  // A number may come again: the frame that gave it first may never have been sent.
  if (number > reader.shapes.length || number >= SHAPES_MAX) throw new Malformed('a gap in shapes');
  const count = reader.count();
  if (count === 0 || count > SHAPE_KEYS_MAX) throw new Malformed(`a shape of ${count} keys`);
  const keys: string[] = [];
  for (let index = 0; index < count; index++) keys.push(reader.string());
  if (new Set(keys).size < count) throw new Malformed('a key comes twice');
  const shape = remembered(keys);
  reader.shapes[number] = shape;
  return shape.read(reader);
}

/** As with writing, a shape has to be met a few times to be worth code of its own. */
function remembered(keys: readonly string[]): RememberedShape {
  let uses = 0;
  let read = objectReaderFor(keys, { compiled: false });
  return {
    keys,
    read(reader) {
      if (reader.table !== null) return readStepwise(reader, keys);
      uses += 1;
      if (uses === USES_BEFORE_CODE) read = objectReaderFor(keys, { compiled: true });
      return read(reader);
    },
  };
}

function readStepwise(reader: Reader, keys: readonly string[]): object {
  const object = begun(reader, {});
  for (const key of keys) {
    if (!isMissing(reader)) setProperty(object, key, reader.value());
  }
  return object;
}

/** Steps over the sign that a property has no value. */
function isMissing(reader: Reader): boolean {
  if (reader.table === null || reader.bytes[reader.at] !== tag.MISSING) return false;
  reader.at += 2;
  return true;
}

function readProperties(reader: Reader, object: object): object {
  const count = reader.count();
  for (let index = 0; index < count; index++) {
    const key = reader.string();
    if (Array.isArray(object) && key === 'length') throw new Malformed('an array with two lengths');
    if (!isMissing(reader)) setProperty(object, key, reader.value());
  }
  return object;
}

function readArray(reader: Reader): unknown[] {
  const length = reader.count();
  const array: unknown[] = begun(reader, []);
  if (reader.table !== null) return readElements(reader, array, length);
  while (array.length < length) {
    if (reader.bytes[reader.at] === tag.DOUBLE) readDoubles(reader, array as number[], length);
    else array.push(reader.value());
  }
  return array;
}

/** A run of fractions. As values they would be boxed one by one, which takes the engine longer. */
function readDoubles(reader: Reader, array: number[], length: number): void {
  const { bytes, view } = reader;
  let { at } = reader;
  do {
    array.push(view.getFloat64(at + 1, true));
    at += 9;
  } while (array.length < length && bytes[at] === tag.DOUBLE);
  reader.at = at;
}

function readElements(reader: Reader, array: unknown[], length: number): unknown[] {
  if (length > ARRAY_LENGTH_MAX) throw new Malformed(`an array of ${length}`);
  while (array.length < length) {
    if (reader.bytes[reader.at] === tag.MISSING) {
      reader.at += 1;
      const count = reader.count();
      if (count === 0 || count > length - array.length) throw new Malformed('too many holes');
      leaveOut(array, count);
    } else {
      const value = reader.value();
      array.push(value);
    }
  }
  return array;
}

function leaveOut(array: unknown[], count: number): void {
  const length = array.length + count;
  if (count > GAP_MAX) {
    // An element that far out makes the engine keep the array by key.
    array[length - 1] = undefined;
    Reflect.deleteProperty(array, length - 1);
  } else {
    array.length = length;
  }
}

function readMap(reader: Reader): Map<unknown, unknown> {
  const count = reader.count();
  const map = begun(reader, new Map());
  for (let index = 0; index < count; index++) {
    const key = reader.value();
    map.set(key, reader.value());
  }
  return map;
}

function readSet(reader: Reader): Set<unknown> {
  const count = reader.count();
  const set = begun(reader, new Set());
  for (let index = 0; index < count; index++) set.add(reader.value());
  return set;
}

function readBoxed(reader: Reader): object {
  const value = reader.value();
  if (value === null || value === undefined || typeof value === 'object') {
    throw new Malformed('no primitive in a box');
  }
  return begun(reader, Object(value) as object);
}

function readError(reader: Reader): Error {
  const errorClass = ERROR_CLASSES[reader.byte()];
  if (errorClass === undefined) throw new Malformed('no such class of errors');
  const error = begun(
    reader,
    withoutStack(() => errorClass.make(reader.string(), reader.string())),
  );
  // What the constructor has set comes first in most errors, in the same order, and then is
  // assigned to: the engine takes three times as long to delete and define.
  const own = Object.getOwnPropertyNames(error);
  let kept = 0;
  while (reader.bytes[reader.at] !== tag.END) {
    const key = reader.string();
    const enumerable = reader.byte() === 1;
    const value = reader.value();
    if (key === own[kept] && !enumerable) {
      (error as unknown as Record<string, unknown>)[key] = value;
      kept += 1;
    } else {
      deleteAll(error, own.splice(kept));
      Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
    }
  }
  reader.at += 1;
  deleteAll(error, own.splice(kept));
  return error;
}

function deleteAll(error: Error, keys: readonly string[]): void {
  for (const key of keys) Reflect.deleteProperty(error, key);
}

/** That of this place is nobody's business, and to take it costs more than all the rest. */
function withoutStack<R>(make: () => R): R {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function readCarrier(reader: Reader): object {
  const carrier = carrierWithId(reader.byte());
  if (carrier === undefined) throw new Malformed('no such carrier');
  const { table } = reader;
  const place = (table?.push(undefined) ?? 0) - 1;
  const values = carrier.fields.map(() => reader.value());
  const object = carrier.create(...values) as object;
  if (table !== null) table[place] = object;
  return object;
}

function readForeign(reader: Reader): unknown {
  const index = reader.count();
  if (index >= reader.foreign.length) throw new Malformed('nothing travelled beside the frame');
  const value = reader.foreign[index];
  reader.table?.push(value);
  return value;
}

function readReference(reader: Reader): unknown {
  // Of an object that is not there yet, such as a carrier from inside itself, there is nothing.
  const object = reader.table?.[reader.count()];
  if (object === undefined) throw new Malformed('a reference to nothing');
  return object;
}
