import { MillraceError } from '../errors.js';
import { ChunkDecoder } from './chunk-decoder.js';
import { type LengthPrefixOptions, requirePrefix, tooLarge } from './length-prefix.js';

/**
 * Finds the frames of {@link encodeFrame} in a stream of bytes, and hands each
 * payload to `onFrame`, empty ones too. The payload is good until `onFrame`
 * returns: it is memory of the chunk, or of the decoder; `slice()` copies it.
 *
 *     const decoder = new LengthPrefixedDecoder({ maxFrameBytes: 65536 }, (frame) => {
 *       handle(frame);
 *     });
 *     decoder.push(chunk);
 *
 * See {@link ChunkDecoder} for its memory, for what may be called from within
 * `onFrame`, and for the state after an error.
 */
export class LengthPrefixedDecoder extends ChunkDecoder<Uint8Array> {
  readonly #headerBytes: number;
  readonly #maxFrameBytes: number;
  readonly #littleEndian: boolean;
  /** How much of the present frame's header has been read, and what it says. */
  #headerRead = 0;
  #size = 0;

  /**
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  constructor(options: LengthPrefixOptions | undefined, onFrame: (frame: Uint8Array) => void) {
    const { headerBytes, maxFrameBytes, littleEndian } = requirePrefix(options);
    super('onFrame', onFrame, maxFrameBytes);
    this.#headerBytes = headerBytes;
    this.#maxFrameBytes = maxFrameBytes;
    this.#littleEndian = littleEndian;
  }

  /** @internal The header is no longer bytes, and yet was pushed. */
  protected override get heldBytes(): number {
    return super.heldBytes + this.#headerRead;
  }

  /** @internal */
  protected override take(bytes: Uint8Array, from: number): number {
    const bodyAt = this.#takeHeader(bytes, from);
    if (this.#headerRead < this.#headerBytes) return bodyAt;
    const missing = this.#size - super.heldBytes;
    const end = bodyAt + missing;
    if (end > bytes.length) {
      this.hold(bytes, bodyAt, bytes.length);
      return bytes.length;
    }
    this.found = this.#frame(bytes, bodyAt, end);
    this.forget();
    return end;
  }

  /** @internal */
  protected override takeEnd(): never {
    const [held, size] = [super.heldBytes, this.#size];
    const known = this.#headerRead === this.#headerBytes;
    this.release();
    this.forget();
    const where = known ? `after ${held} of the ${size} bytes of a frame` : 'in a length';
    throw new MillraceError('ERR_FRAME_INCOMPLETE', `the stream ended ${where}`);
  }

  /** @internal */
  protected override forget(): void {
    this.#headerRead = 0;
    this.#size = 0;
  }

  /** Reads what is there of the header, and returns where it stopped. */
  #takeHeader(bytes: Uint8Array, from: number): number {
    if (this.#headerRead === this.#headerBytes) return from;
    let at = from;
    while (this.#headerRead < this.#headerBytes && at < bytes.length) {
      const byte = bytes[at++];
      // No shifts: those are signed, and a length of 32 bits is not.
      if (this.#littleEndian) this.#size += byte * 256 ** this.#headerRead;
      else this.#size = this.#size * 256 + byte;
      this.#headerRead += 1;
    }
    if (this.#headerRead === this.#headerBytes && this.#size > this.#maxFrameBytes) {
      this.fail(tooLarge(this.#size, this.#maxFrameBytes));
    }
    return at;
  }

  /** In the chunk itself, unless the frame began in an earlier one. */
  #frame(bytes: Uint8Array, from: number, to: number): Uint8Array {
    if (super.heldBytes === 0) {
      // Not subarray(), which of a Buffer is a Buffer, whose slice() copies nothing.
      return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
    }
    this.hold(bytes, from, to);
    return this.release();
  }
}
