/**
 * Decoder: makes messages of the frames of one encoder, which have to come in
 * the order in which they were committed.
 *
 * The memory is shared with another thread, which may have died in the middle
 * of a frame. Whatever the bytes are, the outcome is a value or an error.
 */
import { MillraceError } from '../../errors.js';
import type { Memory } from './memory.js';
import { OBJECT_READERS } from './read-object.js';
import { Reader } from './reader.js';
import { DOUBLE, INT16, INT32, SHAPED, SHORT_TEXT, SMALL_NUMBERS } from './tags.js';
import { shortTextReader } from './text-code.js';

const NONE: readonly unknown[] = Object.freeze([]);

export class Decoder {
  readonly #reader = new Reader(OBJECT_READERS);
  #end = 0;

  /**
   * The message that begins at `at`.
   *
   * @param foreign what travelled beside the frame: the encoder's `foreign`, cloned
   * @throws MillraceError ERR_CHANNEL_BROKEN if no encoder wrote this
   */
  decode(memory: Memory, at: number, foreign: readonly unknown[] = NONE): unknown {
    // Numbers and short texts are the shortest of messages, and need no reader.
    const first = memory.bytes[at];
    if (first < SMALL_NUMBERS) {
      this.#end = at + 1;
      return first;
    }
    if (first < SHAPED) {
      const length = first - SHORT_TEXT;
      const end = at + 1 + length;
      if (end <= memory.length) {
        this.#end = end;
        return shortTextReader(length)(memory.bytes, at + 1, memory.text);
      }
    }
    // These three follow each other.
    if (first >= INT16 && first <= DOUBLE && at + 9 <= memory.length) {
      return this.#number(memory.view, first, at + 1);
    }
    const reader = this.#reader;
    try {
      const value = reader.frame(memory, at, foreign);
      this.#end = reader.at;
      return value;
    } catch (error) {
      throw broken(error);
    } finally {
      reader.end();
    }
  }

  #number(view: DataView, tag: number, at: number): number {
    if (tag === INT32) {
      this.#end = at + 4;
      return view.getInt32(at, true);
    }
    if (tag === INT16) {
      this.#end = at + 2;
      return view.getInt16(at, true);
    }
    this.#end = at + 8;
    return view.getFloat64(at, true);
  }

  /** Where the last frame ended. */
  get end(): number {
    return this.#end;
  }
}

function broken(cause: unknown): MillraceError {
  const message =
    'the memory of a channel holds what no sender wrote; a thread has died while it was sending';
  return new MillraceError('ERR_CHANNEL_BROKEN', message, { cause });
}
