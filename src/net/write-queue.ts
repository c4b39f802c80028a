/**
 * WriteQueue: the bytes that the kernel has not taken yet, as a list of chunks.
 *
 *   chunks   [ sent | sent | half sent | whole | whole ] [ block, filling ]
 *                          ^ head
 *
 * Queued bytes are copies, since the sender may use its memory again. Small
 * messages are gathered in blocks, so that many of them cost neither an object
 * each nor a place each in the system call. A chunk may be in many queues at
 * once, because nobody writes into one: so a broadcast is copied once.
 */
import type { NetStream } from './endpoint.js';

/** What small messages are gathered in; larger ones are chunks of their own. */
const BLOCK_BYTES = 16 * 1024;

/** Blocks that nobody uses, for the next queue: most are empty again after one system call. */
const spareBlocks: Uint8Array[] = [];
const SPARE_BLOCKS_MAX = 64;

/** Chunks that one system call takes: enough for the kernel's buffer to be what limits it. */
const CHUNKS_PER_WRITE = 64;

/** Sent chunks that are let lie before the list is moved up. */
const SENT_CHUNKS_MAX = 64;

export class WriteQueue {
  #chunks: Uint8Array[] = [];
  #head = 0;
  #block: Uint8Array | null = null;
  /** The part of the block that is no chunk yet. */
  #blockStart = 0;
  #blockEnd = 0;
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Copies the bytes from `start` on. */
  push(data: Uint8Array, start: number): void {
    const sizeBytes = data.length - start;
    this.#sizeBytes += sizeBytes;
    if (sizeBytes >= BLOCK_BYTES) {
      this.#seal();
      this.#chunks.push(copyOf(data, start));
      return;
    }
    const room = this.#block === null ? 0 : this.#block.length - this.#blockEnd;
    const first = Math.min(room, sizeBytes);
    if (first > 0) this.#fill(data, start, start + first);
    if (first === sizeBytes) return;
    this.#seal();
    this.#block = spareBlocks.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#blockStart = 0;
    this.#blockEnd = 0;
    this.#fill(data, start + first, data.length);
  }

  /** Takes the chunk itself, from `start` on: nobody may write into it any more. */
  share(chunk: Uint8Array, start: number): void {
    this.#seal();
    this.#sizeBytes += chunk.length - start;
    this.#chunks.push(start === 0 ? chunk : chunk.subarray(start));
  }

  /** Writes until the queue is empty or the kernel full. Returns how many bytes were taken. */
  flush(stream: NetStream): number {
    const before = this.#sizeBytes;
    this.#seal();
    while (this.#sizeBytes > 0) {
      const offered = this.#chunks.slice(this.#head, this.#head + CHUNKS_PER_WRITE);
      const written = offered.length === 1 ? stream.write(offered[0]) : stream.writev(offered);
      if (written === null) break;
      this.#consume(written);
      if (written < offered.reduce((sum, { length }) => sum + length, 0)) break;
    }
    if (this.#sizeBytes === 0) this.clear();
    return before - this.#sizeBytes;
  }

  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    if (this.#block !== null && spareBlocks.length < SPARE_BLOCKS_MAX) {
      spareBlocks.push(this.#block);
    }
    this.#block = null;
    this.#blockStart = 0;
    this.#blockEnd = 0;
    this.#sizeBytes = 0;
  }

  #fill(data: Uint8Array, start: number, end: number): void {
    this.#block!.set(
      start === 0 && end === data.length ? data : data.subarray(start, end),
      this.#blockEnd,
    );
    this.#blockEnd += end - start;
  }

  /** Makes a chunk of what was gathered; the block goes on behind it. */
  #seal(): void {
    if (this.#block === null || this.#blockStart === this.#blockEnd) return;
    this.#chunks.push(this.#block.subarray(this.#blockStart, this.#blockEnd));
    this.#blockStart = this.#blockEnd;
  }

  #consume(sizeBytes: number): void {
    this.#sizeBytes -= sizeBytes;
    let left = sizeBytes;
    while (left > 0) {
      const chunk = this.#chunks[this.#head];
      if (left < chunk.length) {
        this.#chunks[this.#head] = chunk.subarray(left);
        return;
      }
      left -= chunk.length;
      // Lets go of the memory at once.
      this.#chunks[this.#head] = SENT;
      this.#head += 1;
    }
    if (this.#head < SENT_CHUNKS_MAX || this.#head * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#head);
    this.#head = 0;
  }
}

const SENT = new Uint8Array(0);

/** Not `data.slice()`, which for a Buffer is no copy. */
export function copyOf(data: Uint8Array, start = 0): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(data.length - start);
  copy.set(start === 0 ? data : data.subarray(start));
  return copy;
}
