/**
 * Short strings out of bytes. A call of Buffer's costs as much as a whole
 * message, and strings that grow by a character make a string for each. So
 * there is a function for each length, in which the engine makes the string at
 * once of so many character codes.
 */
import { compile, mayCompile } from './compile.js';
import type { TextBuffer } from './memory.js';
import { SHORT_TEXT_MAX } from './tags.js';

/** The string of the bytes from `at` on, which are there. */
export type ShortTextReader = (bytes: Uint8Array, at: number, text: TextBuffer) => string;

/** By length, from 0 to SHORT_TEXT_MAX; made when one is met for the first time. */
const readers: (ShortTextReader | undefined)[] = new Array(SHORT_TEXT_MAX + 1).fill(undefined);

export function shortTextReader(length: number): ShortTextReader {
  return readers[length] ?? (readers[length] = readerFor(length));
}

function readerFor(length: number): ShortTextReader {
  if (!mayCompile) return (_, at, text) => text.latin1Slice(at, at + length);
  const codes = Array.from({ length }, (_, index) => `bytes[at + ${index}]`);
  const body = `return function read(bytes, at) { return String.fromCharCode(${codes.join()}); }`;
  return compile([], body)() as ShortTextReader;
}
