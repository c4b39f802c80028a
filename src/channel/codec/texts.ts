/**
 * Strings in a frame, and the short ones that come again and again.
 *
 * The kind of a message, a state, a name: the same few texts stand in the same
 * fields. Copying one costs more than the rest of such a message, so a text
 * that is met a second time is given a number, which both sides remember.
 */
import { OVERFLOW, TEXT_LENGTH_MAX, TEXTS_MAX } from './limits.js';
import type { Shape } from './shapes.js';
import * as tag from './tags.js';
import type { Writer } from './writer.js';

/** A call of Buffer's costs as much as a loop over so many characters. */
const LOOP_MAX = 24;

/** Texts met once that are waiting to be met again. Bounds memory, not correctness. */
const CANDIDATES_MAX = 256;

/** A field whose texts are always new is looked up only once in so many times. */
const RETRY_MASK = 63;

// oxlint-disable-next-line no-control-regex -- 0.04 ns a character of a latin1 string
const WIDE = /[^\u0000-\u00ff]/;

/** The encoder's side. */
export class TextTable {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #candidates = new Set<string>();

  /** Those that the other side knows; the ones after that stand in the frame being written. */
  committed = 0;

  get size(): number {
    return this.#texts.length;
  }

  /** Whether something was learnt since the last commit. */
  get isPending(): boolean {
    return this.#texts.length > this.committed;
  }

  numberOf(text: string): number {
    return this.#numbers.get(text) ?? -1;
  }

  /** The number for a text that comes a second time; -1 if it does not, or all are taken. */
  learn(text: string): number {
    if (this.#texts.length === TEXTS_MAX) return -1;
    if (!this.#candidates.delete(text)) {
      if (this.#candidates.size === CANDIDATES_MAX) this.#candidates.clear();
      this.#candidates.add(text);
      return -1;
    }
    this.#numbers.set(text, this.#texts.length);
    return this.#texts.push(text) - 1;
  }

  commit(): void {
    this.committed = this.#texts.length;
  }

  /** Forgets what was learnt since the last commit. */
  rollback(): void {
    this.truncate(this.committed);
  }

  truncate(size: number): void {
    while (this.#texts.length > size) this.#numbers.delete(this.#texts.pop() as string);
  }
}

export function writeText(writer: Writer, text: string, at: number): number {
  const end = writeShortText(writer.bytes, text, at, writer.limit);
  return end === OVERFLOW ? writeLongText(writer, text, at) : end;
}

/** Returns where the text ends, or OVERFLOW also if it is long or wide. */
export function writeShortText(bytes: Uint8Array, text: string, at: number, limit: number): number {
  const { length } = text;
  if (length > LOOP_MAX || at + 1 + length > limit) return OVERFLOW;
  let to = at + 1;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff) return OVERFLOW;
    bytes[to] = code;
    to += 1;
  }
  bytes[at] = tag.SHORT_TEXT + length;
  return to;
}

function writeLongText(writer: Writer, text: string, at: number): number {
  const { length } = text;
  const isWide = WIDE.test(text);
  const size = isWide ? length * 2 : length;
  // Said before the count is written, so that a refused giant costs nothing.
  if (at + 1 + size > writer.limit) throw writer.overflow;
  let to = writer.byte(isWide ? tag.UCS2 : tag.LATIN1, at);
  to = writer.count(length, to);
  if (to + size > writer.limit) throw writer.overflow;
  if (isWide) writer.text.ucs2Write(text, to, size);
  else writer.text.latin1Write(text, to, size);
  return to + size;
}

/** A text in field `index` of an object with this shape. */
export function writeFieldText(
  writer: Writer,
  text: string,
  shape: Shape,
  index: number,
  at: number,
): number {
  const { misses } = shape;
  const missed = misses[index] ?? 0;
  const isTooLong = text.length > TEXT_LENGTH_MAX || text.length < 2;
  if (isTooLong || (missed > RETRY_MASK && (missed & RETRY_MASK) !== 0)) {
    misses[index] = (missed + 1) | 0;
    return writeText(writer, text, at);
  }
  const { texts } = writer;
  const known = texts.numberOf(text);
  if (known >= 0) {
    misses[index] = 0;
    // One that is not committed may be taken back, and the field would not hear of it.
    if (known < texts.committed) shape.remember(index, text, known);
    return writer.byte(known, writer.byte(tag.KNOWN_TEXT, at));
  }
  misses[index] = missed + 1;
  const learnt = texts.learn(text);
  if (learnt < 0) return writeText(writer, text, at);
  return writeText(writer, text, writer.byte(learnt, writer.byte(tag.DEFINE_TEXT, at)));
}
