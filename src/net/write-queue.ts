/**
 * WriteQueue: the bytes that the kernel has not taken yet, as a list of chunks.
 *
 *   chunks   [ sent | sent | half sent | whole | whole ] [ block, filling ]
 *                          ^ head
 *
 * Queued bytes are copies, since the sender may use its memory again. They are
 * gathered in blocks of one size, which go round: a block whose bytes were sent
 * is filled again, by this queue or another. Memory of its own for each message
 * would be left to the garbage collector, which comes for it when tens of
 * megabytes have gathered, however low the marks are.
 *
 * What is shared is in many queues at once, and in no block, because nobody
 * writes into it: so a broadcast is copied once.
 */
import type { NetStream } from './endpoint.js';

const BLOCK_BYTES = 16 * 1024;

/** Blocks that are kept for who needs one next, on each thread: 1 MiB, the default high mark. */
const SPARE_BLOCKS_MAX = 64;

/** Chunks that one system call takes: enough for the kernel's buffer to be what limits it. */
const CHUNKS_PER_WRITE = 64;

/** Sent chunks that are let lie before the list is moved up. */
const SENT_CHUNKS_MAX = 64;

const spareBlocks: Uint8Array[] = [];

export class WriteQueue {
  #chunks: Uint8Array[] = [];
  /** By chunk: the block that is free when the chunk was sent, which is the last of its block. */
  #freed: (Uint8Array | null)[] = [];
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
    this.#sizeBytes += data.length - start;
    for (let from = start; from < data.length; ) {
      const block = (this.#block ??= takeBlock());
      const part = Math.min(data.length - from, BLOCK_BYTES - this.#blockEnd);
      block.set(part === data.length ? data : data.subarray(from, from + part), this.#blockEnd);
      this.#blockEnd += part;
      from += part;
      if (this.#blockEnd === BLOCK_BYTES) this.#finishBlock(block);
    }
  }

  /** Takes the chunk itself, from `start` on: nobody may write into it any more. */
  share(chunk: Uint8Array, start: number): void {
    this.#seal();
    this.#sizeBytes += chunk.length - start;
    this.#add(start === 0 ? chunk : chunk.subarray(start), null);
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

  /** Gives up all that is queued, and the memory of it. */
  clear(): void {
    for (const block of this.#freed) giveBlock(block);
    giveBlock(this.#block);
    this.#chunks = [];
    this.#freed = [];
    this.#head = 0;
    this.#block = null;
    this.#blockStart = 0;
    this.#blockEnd = 0;
    this.#sizeBytes = 0;
  }

  /** Makes a chunk of what was gathered; the block goes on behind it. */
  #seal(): void {
    if (this.#block === null || this.#blockStart === this.#blockEnd) return;
    this.#add(this.#block.subarray(this.#blockStart, this.#blockEnd), null);
    this.#blockStart = this.#blockEnd;
  }

  /** It is full: what was gathered is its last chunk. */
  #finishBlock(block: Uint8Array): void {
    this.#add(block.subarray(this.#blockStart), block);
    this.#block = null;
    this.#blockStart = 0;
    this.#blockEnd = 0;
  }

  #add(chunk: Uint8Array, freed: Uint8Array | null): void {
    this.#chunks.push(chunk);
    this.#freed.push(freed);
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
      giveBlock(this.#freed[this.#head]);
      this.#freed[this.#head] = null;
      this.#chunks[this.#head] = SENT;
      this.#head += 1;
    }
    if (this.#head < SENT_CHUNKS_MAX || this.#head * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#head);
    this.#freed = this.#freed.slice(this.#head);
    this.#head = 0;
  }
}

const SENT = new Uint8Array(0);

function takeBlock(): Uint8Array {
  return spareBlocks.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
}

/** Nobody may write into it, or send from it, any more. */
function giveBlock(block: Uint8Array | null): void {
  if (block !== null && spareBlocks.length < SPARE_BLOCKS_MAX) spareBlocks.push(block);
}

/** Not `data.slice()`, which for a Buffer is no copy. */
export function copyOf(data: Uint8Array, start = 0): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(data.length - start);
  copy.set(start === 0 ? data : data.subarray(start));
  return copy;
}
