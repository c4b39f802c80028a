import { RingBuf } from '../collections/ring-buf.js';
import { invalidType, MillraceError } from '../errors.js';
import { DECODER_KEPT_BYTES_MAX } from '../limits.js';
import { requireBytes } from '../validate.js';

const NOTHING = new Uint8Array(0);

/**
 * What all decoders of a stream have in common: chunks go in by {@link push},
 * as they come; what they are made of, frames or lines, is handed to the
 * callback one by one, in order, before `push()` returns.
 *
 * **Memory.** What lies whole inside a chunk is not copied. Of what does not,
 * the part that has come is kept, at most one frame of the largest size
 * allowed; no memory is taken for what was merely announced.
 *
 * **Callbacks are never nested.** `push()` and `end()` from within the callback
 * throw ERR_DECODER_BUSY. {@link reset} is allowed: nothing more of the chunk is
 * handed out.
 *
 * **What the callback throws**, `push()` throws. That frame counts as handed
 * out; the rest of the chunk is kept, and the next `push()`, which may be one
 * of an empty chunk, goes on with it.
 *
 * **What is too large** throws ERR_FRAME_TOO_LARGE, once everything before it
 * was handed out. Where the next frame would begin cannot be trusted then: the
 * decoder lets go of all it held, and throws that same error at every call,
 * until `reset()`. Usually the connection is to be closed.
 *
 * A decoder belongs to the thread that made it, as a connection does.
 */
export abstract class ChunkDecoder<F> {
  readonly #onFrame: (frame: F) => void;
  /** The beginning of a frame that did not come whole. Nothing else, so it never wraps around. */
  #ring: RingBuf;
  readonly #ringBytesMax: number;
  /** What was left of a chunk when the callback threw. */
  #rest: Uint8Array = NOTHING;
  #isBusy = false;
  /** Set by {@link reset}: of the chunk under way, nothing more is wanted. */
  #isAbandoned = false;
  #failure: MillraceError | null = null;
  /** @internal The frame that {@link take} has completed. */
  protected found: F | null = null;

  /** @internal `ringBytesMax` is what has to be kept of the largest frame. */
  constructor(callbackName: string, onFrame: unknown, ringBytesMax: number) {
    if (typeof onFrame !== 'function') throw invalidType(callbackName, 'a function', onFrame);
    this.#onFrame = onFrame as (frame: F) => void;
    this.#ringBytesMax = ringBytesMax;
    this.#ring = this.#newRing();
  }

  /** Bytes that were pushed and are kept, since what they belong to has not been handed out. */
  get bufferedBytes(): number {
    return this.heldBytes + this.#rest.length;
  }

  /**
   * The next bytes of the stream, however it was cut. They are read during the
   * call only.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; MillraceError ERR_FRAME_TOO_LARGE,
   * ERR_DECODER_BUSY from within the callback; and whatever the callback throws
   */
  push(chunk: Uint8Array): void {
    requireBytes('chunk', chunk);
    this.#requireReady();
    const rest = this.#rest;
    this.#rest = NOTHING;
    if (rest.length === 0) this.#decode(chunk);
    else this.#decode(chunk.length === 0 ? rest : Buffer.concat([rest, chunk]));
  }

  /**
   * The stream has ended: what was kept is dealt with, and the decoder is ready
   * for another stream.
   *
   * @throws MillraceError ERR_FRAME_INCOMPLETE for the beginning of a frame,
   * which is dropped; and all that {@link push} throws
   */
  end(): void {
    this.push(NOTHING);
    if (this.heldBytes > 0) this.#atEnd();
  }

  /** Drops what is kept, and forgets a failure: the decoder is as new. */
  reset(): void {
    this.#failure = null;
    this.#rest = NOTHING;
    this.#isAbandoned = this.#isBusy;
    this.#ring.clear();
    this.forget();
  }

  /** @internal Bytes of a frame that has begun. */
  protected get heldBytes(): number {
    return this.#ring.length;
  }

  /**
   * Takes bytes from `from` on, until a frame is whole or there are no more.
   * Returns where it stopped, and leaves the frame in {@link found}.
   *
   * @internal
   */
  protected abstract take(bytes: Uint8Array, from: number): number;

  /** @internal The beginning of a frame, when the stream has ended: its last frame, or an error. */
  protected abstract takeEnd(): F;

  /** @internal For what is known of a frame that has begun, apart from its kept bytes. */
  protected forget(): void {}

  /** @internal Keeps a part of a chunk for later, behind what is kept already. */
  protected hold(bytes: Uint8Array, from: number, to: number): void {
    this.#ring.write(bytes, from, to);
  }

  /** @internal All that was kept, which is not kept any longer; good until the next `hold()`. */
  protected release(): Uint8Array {
    const [held] = this.#ring.readable();
    // A connection that once had something large to say is not to hold the memory for ever.
    if (this.#ring.capacity > DECODER_KEPT_BYTES_MAX) this.#ring = this.#newRing();
    else this.#ring.clear();
    return held;
  }

  /** @internal Throws it, now and until {@link reset}. */
  protected fail(message: string): never {
    this.release();
    this.forget();
    this.#failure = new MillraceError('ERR_FRAME_TOO_LARGE', message);
    throw this.#failure;
  }

  #decode(bytes: Uint8Array): void {
    let at = 0;
    this.#isBusy = true;
    try {
      while (at < bytes.length && !this.#isAbandoned) {
        at = this.take(bytes, at);
        this.#handOut();
      }
    } finally {
      const isWanted = !this.#isAbandoned && this.#failure === null;
      // Uint8Array's own: slice() of a Buffer would be a view of memory that is not ours.
      if (isWanted && at < bytes.length) this.#rest = Uint8Array.prototype.slice.call(bytes, at);
      this.#isBusy = false;
      this.#isAbandoned = false;
    }
  }

  #atEnd(): void {
    this.#isBusy = true;
    try {
      this.found = this.takeEnd();
      this.#handOut();
    } finally {
      this.#isBusy = false;
      this.#isAbandoned = false;
    }
  }

  #handOut(): void {
    const [frame, onFrame] = [this.found, this.#onFrame];
    if (frame === null) return;
    this.found = null;
    onFrame(frame);
  }

  #requireReady(): void {
    if (this.#isBusy) {
      throw new MillraceError(
        'ERR_DECODER_BUSY',
        'the decoder is in its callback; return from it before more is pushed',
      );
    }
    if (this.#failure !== null) throw this.#failure;
  }

  #newRing(): RingBuf {
    return new RingBuf(0, { capacityMaxBytes: this.#ringBytesMax });
  }
}
