/** What the slow reader is sent, and how its memory is looked at. */
import { tell } from './processes.js';

/** The first byte of one who wants to be sent so many chunks, which it says in the next four. */
export const FLOOD = 0xff;
/** The same; and the server says when it is full for the first time. */
export const FLOOD_TO_THE_BRIM = 0xfe;

export const CHUNK_BYTES = 64 * 1024;

export function floodRequest(kind: number, chunks: number): Uint8Array {
  const request = new DataView(new ArrayBuffer(5));
  request.setUint8(0, kind);
  request.setUint32(1, chunks);
  return new Uint8Array(request.buffer);
}

/** Fills the chunk with bytes that no other number gives. */
export function numberedChunk(chunk: Uint8Array, number: number): Uint8Array {
  const words = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.length / 4);
  // An odd factor: neighbours differ in every word.
  for (let at = 0; at < words.length; at++) words[at] = Math.imul(number + 1, 0x9e3779b1) + at;
  return chunk;
}

/** Follows a flood byte by byte. */
export class FloodReader {
  #position = 0;
  #expected = new Uint8Array(CHUNK_BYTES);
  /** Where the first wrong byte is; null as long as all are right. */
  wrongAt: number | null = null;

  get receivedBytes(): number {
    return this.#position;
  }

  take(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const offset = this.#position % CHUNK_BYTES;
      if (offset === 0) numberedChunk(this.#expected, this.#position / CHUNK_BYTES);
      const part = Math.min(data.length - at, CHUNK_BYTES - offset);
      const expected = this.#expected.subarray(offset, offset + part);
      if (Buffer.compare(expected, data.subarray(at, at + part)) !== 0) {
        this.wrongAt ??= this.#position;
      }
      at += part;
      this.#position += part;
    }
  }
}

/** Collects all garbage at SIGUSR2 and says so, for a parent that looks at resident memory. */
export class CollectedOnRequest implements Disposable {
  readonly #collect = (): void => {
    // The heap gives back what it holds free, or this would hide growth.
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    tell('collected');
  };

  constructor() {
    process.on('SIGUSR2', this.#collect);
  }

  [Symbol.dispose](): void {
    process.off('SIGUSR2', this.#collect);
  }
}
