/**
 * A segment: the memory of a ring, as long as it is large enough.
 *
 *   [ read position | . . . frames . . . ]
 *     64 bytes        size, to the end
 */
import { Memory } from './codec/memory.js';

/** A cache line of its own for what the reader writes. */
const HEAD_BYTES = 64;

export class Segment {
  readonly buffer: SharedArrayBuffer;
  /** Where frames are; positions count from its beginning. */
  readonly memory: Memory;
  readonly size: number;
  readonly #readAt: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.memory = new Memory(buffer, HEAD_BYTES, buffer.byteLength - HEAD_BYTES);
    this.size = this.memory.length;
    this.#readAt = new Int32Array(buffer, 0, 1);
  }

  static allocate(size: number): Segment {
    return new Segment(new SharedArrayBuffer(HEAD_BYTES + size));
  }

  /** How far the reader has come, as far as it has told. */
  get readAt(): number {
    return Atomics.load(this.#readAt, 0);
  }

  /** Everything before this position may be written to again. */
  set readAt(at: number) {
    Atomics.store(this.#readAt, 0, at);
  }
}
