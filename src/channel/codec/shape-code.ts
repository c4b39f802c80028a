/**
 * Functions made for one shape. The engine knows the layout of the objects
 * that pass through such a function, and so reads and makes them without any
 * look-up; a loop over keys costs five to ten times as much.
 *
 * Keys come in as string literals only, so no message can bring code with it.
 * Where code from strings is disallowed the loops do the same.
 */
import { compile, mayCompile } from './compile.js';
import type { Reader } from './reader.js';
import type { Shape } from './shapes.js';
import * as tag from './tags.js';
import type { Writer } from './writer.js';

export type KeyMatcher = (value: object) => boolean;
export type FieldWriter = (writer: Writer, value: object, at: number) => number;
export type ObjectReader = (reader: Reader) => object;

type Properties = Record<string, unknown>;

export function matcherFor({ keys }: Shape, { compiled }: { compiled: boolean }): KeyMatcher {
  if (compiled && mayCompile) {
    const body = `return function matches(value) {
      let index = 0;
      for (const key in value) if (key !== keys[index++]) return false;
      return index === ${keys.length};
    }`;
    return compile(['keys'], body)(keys) as KeyMatcher;
  }
  return (value) => {
    let index = 0;
    // Inherited keys are wanted here: they make the match fail, and the slow way sorts them out.
    for (const key in value) if (key !== keys[index++]) return false;
    return index === keys.length;
  };
}

export function writerFor(shape: Shape, options: { compiled: boolean }): FieldWriter {
  const write = plainWriterFor(shape, options);
  if (!mayBeSourceHandle(shape.keys)) return write;
  return (writer, object, at) => {
    writer.noteFlight(object);
    return write(writer, object, at);
  };
}

/** Asked for each shape, so that objects of others pay nothing for those that are. */
export function mayBeSourceHandle(keys: readonly string[]): boolean {
  return keys.includes('millrace');
}

function plainWriterFor(shape: Shape, { compiled }: { compiled: boolean }): FieldWriter {
  const { keys } = shape;
  if (compiled && mayCompile) {
    const fields = keys.map((key, index) => fieldCode(key, index)).join('\n');
    const body = `const { texts, textNumbers } = shape;
      return function write(writer, object, at) {
        const { bytes, limit } = writer;
        let value;
        ${fields}
        return at;
      }`;
    return compile(['shape'], body)(shape) as FieldWriter;
  }
  return (writer, object, start) => {
    let at = start;
    for (let index = 0; index < keys.length; index++) {
      at = writer.field(object, (object as Properties)[keys[index]], shape, index, at);
    }
    return at;
  };
}

/** Small whole numbers and the text that stood there last are written without a call. */
function fieldCode(key: string, index: number): string {
  return `
    value = object[${JSON.stringify(key)}];
    if (typeof value === 'number') {
      if (value > 0 && value < ${tag.SMALL_NUMBERS} && (value | 0) === value && at < limit)
        bytes[at++] = value;
      else at = writer.number(value, at);
    } else if (value === texts[${index}] && at + 1 < limit) {
      bytes[at] = ${tag.KNOWN_TEXT};
      bytes[at + 1] = textNumbers[${index}];
      at += 2;
    } else at = writer.field(object, value, shape, ${index}, at);`;
}

/** Makes objects with these keys from the values that follow. */
export function objectReaderFor(
  keys: readonly string[],
  { compiled }: { compiled: boolean },
): ObjectReader {
  if (compiled && mayCompile) {
    // A computed __proto__ is a key as any other; a literal one would set the prototype.
    const fields = keys.map((key) => {
      const literal = JSON.stringify(key);
      const name = key === '__proto__' ? `[${literal}]` : literal;
      return `${name}: (tag = bytes[reader.at]) < ${tag.SMALL_NUMBERS}
        ? (reader.at += 1, tag) : reader.value()`;
    });
    const body = `return function read(reader) {
      const { bytes } = reader;
      let tag;
      return { ${fields.join(',\n')} };
    }`;
    return compile([], body)() as ObjectReader;
  }
  return (reader) => {
    const object = {};
    for (const key of keys) setProperty(object, key, reader.value());
    return object;
  };
}

/** Assigns, also to a key that assignment gives another meaning. */
export function setProperty(object: object, key: string, value: unknown): void {
  if (key !== '__proto__') {
    (object as Properties)[key] = value;
    return;
  }
  const attributes = { writable: true, enumerable: true, configurable: true };
  Object.defineProperty(object, key, { value, ...attributes });
}
