/**
 * Single values, for those who post them instead of writing them into a ring:
 * the same rules as for messages, errors that cross whole (A8) among them.
 */
import { Decoder } from './decoder.js';
import { Encoder, OVERFLOW } from './encoder.js';
import { Memory } from './memory.js';

/** What is posted in place of a value. */
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What bytes cannot carry. */
  readonly foreign: readonly unknown[];
}

/** Most values are small; larger ones get memory of their own. */
const SCRATCH_BYTES = 4096;

const scratch = new Memory(new ArrayBuffer(SCRATCH_BYTES));
const encoder = new Encoder();
const decoder = new Decoder();

/**
 * @param moved what will be in the transfer list of the post
 * @throws what {@link Encoder.encode} throws
 */
export function pack(value: unknown, moved: readonly unknown[] = []): Packed {
  const list = new Set(moved);
  let memory = scratch;
  let end = encoder.encode(memory, 0, value, memory.length, list);
  while (end === OVERFLOW) {
    memory = new Memory(new ArrayBuffer(memory.length * 2));
    end = encoder.encode(memory, 0, value, memory.length, list);
  }
  const packed = {
    bytes: memory.bytes.slice(0, end),
    foreign: encoder.foreign,
  };
  // So each value stands for itself, and none is held.
  encoder.rollback();
  return packed;
}

/** The inverse of {@link pack}. */
export function unpack({ bytes, foreign }: Packed): unknown {
  return decoder.decode(new Memory(bytes.buffer, bytes.byteOffset, bytes.length), 0, foreign);
}
