/**
 * Encoder: writes messages straight into memory, as structuredClone would copy
 * them. One for each ring; its decoder reads the frames in the same order,
 * because both remember what earlier frames have defined.
 */
import type { SourceHandle } from '../../poll/source-handle.js';
import { OVERFLOW } from './limits.js';
import type { Memory } from './memory.js';
import { writeNumber } from './numbers.js';
import { writeShortText } from './texts.js';
import { Writer } from './writer.js';

export { OVERFLOW };

export class Encoder {
  readonly #writer = new Writer();
  #isWriting = false;
  /** The last frame defines something, or refers to something beside it. */
  #isPending = false;

  /**
   * Writes `value` from `at`; returns where it ends, or OVERFLOW if it does not
   * fit up to `limit`. Bytes up to the limit may have changed even then. What a
   * frame defines counts after {@link commit} alone.
   *
   * @param transfer what travels beside the frame wherever it occurs
   * @throws DOMException DataCloneError, as structuredClone does; RangeError
   * ERR_OUT_OF_RANGE for a message that is nested too deeply; whatever a getter throws
   */
  encode(
    memory: Memory,
    at: number,
    value: unknown,
    limit = memory.length,
    transfer?: ReadonlySet<unknown>,
  ): number {
    const writer = this.#writer;
    if (this.#isWriting) throw reentrant();
    // What was neither committed nor taken back was not sent.
    if (this.#isPending) this.rollback();
    if (typeof value === 'number') return writeNumber(memory, value, at, limit);
    if (typeof value === 'string') {
      const end = writeShortText(memory.bytes, value, at, limit);
      if (end !== OVERFLOW) return end;
    }
    this.#isWriting = true;
    try {
      writer.begin(memory, limit, transfer);
      const end = writer.frame(value, at);
      this.#isPending = writer.isPending;
      return end;
    } catch (error) {
      this.rollback();
      if (error === writer.overflow) return OVERFLOW;
      throw error;
    } finally {
      this.#isWriting = false;
      writer.end();
    }
  }

  /**
   * What the last frame refers to and bytes cannot carry, in the order of
   * reference. It has to be cloned by a MessagePort and given to the decoder.
   */
  get foreign(): readonly unknown[] {
    return this.#writer.foreign;
  }

  /** Handles of sources in the last frame. They are part of it as any other object. */
  get flights(): readonly SourceHandle[] {
    return this.#writer.flights;
  }

  /** The other side will see the last frame: what it defines is known from now on. */
  commit(): void {
    if (!this.#isPending) return;
    this.#writer.shapes.commit();
    this.#writer.texts.commit();
  }

  /** It will not, and its definitions are forgotten. Happens by itself when encode() fails. */
  rollback(): void {
    this.#writer.shapes.rollback();
    this.#writer.texts.rollback();
    this.#writer.forgetAside();
    this.#isPending = false;
  }
}

function reentrant(): DOMException {
  const message = 'A getter of the message sent another message into the same channel.';
  return new DOMException(message, 'DataCloneError');
}
