import { invalidValue } from '../errors.js';
import { DEFAULT_LINE_BYTES_MAX, FRAME_BYTES_MAX } from '../limits.js';
import { requireInteger, requireOptions } from '../validate.js';
import { ChunkDecoder } from './chunk-decoder.js';

const LF = 0x0a;
const CR = 0x0d;

const OPTION_NAMES = ['maxLineBytes', 'encoding'] as const;
const ENCODINGS = ['utf8', 'latin1', 'bytes'] as const;

/** What a line arrives as: a string of UTF-8 or Latin-1, or its bytes. */
export type LineEncoding = (typeof ENCODINGS)[number];

/** A line, as its encoding says. */
export type Line<E extends LineEncoding> = E extends 'bytes' ? Uint8Array : string;

/** Options of a {@link LineDecoder}. */
export interface LineDecoderOptions<E extends LineEncoding = 'utf8'> {
  /**
   * The longest line, without its end, 0 to 2^30 - 1 bytes. What a peer may
   * make this side keep.
   *
   * @default 64 KiB
   */
  maxLineBytes?: number;
  /**
   * `'utf8'` puts U+FFFD where bytes are no UTF-8. `'bytes'` gives memory that
   * is good until `onLine` returns; `slice()` copies it.
   *
   * @default 'utf8'
   */
  encoding?: E;
}

/**
 * Finds lines in a stream of bytes, and hands each to `onLine` without its
 * end, empty ones too. A line ends with LF or with CRLF; a CR elsewhere is
 * part of it. `end()` hands out what stands behind the last end, if there is
 * something, and takes a CR there for an end. Characters may be split over
 * chunks.
 *
 *     const decoder = new LineDecoder({ maxLineBytes: 1024 }, (line) => handle(line));
 *     decoder.push(chunk);
 *
 * See {@link ChunkDecoder} for its memory, for what may be called from within
 * `onLine`, and for the state after an error.
 */
export class LineDecoder<E extends LineEncoding = 'utf8'> extends ChunkDecoder<Line<E>> {
  readonly #maxLineBytes: number;
  readonly #encoding: LineEncoding;

  /**
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   * ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  constructor(options: LineDecoderOptions<E> | undefined, onLine: (line: Line<E>) => void) {
    const given = requireOptions('options', options, OPTION_NAMES);
    const maxLineBytes = given.maxLineBytes ?? DEFAULT_LINE_BYTES_MAX;
    requireInteger('maxLineBytes', maxLineBytes, { min: 0, max: FRAME_BYTES_MAX - 1 });
    const encoding: LineEncoding = given.encoding ?? 'utf8';
    if (!ENCODINGS.includes(encoding)) {
      throw invalidValue('encoding', `one of ${ENCODINGS.join(', ')}`, encoding);
    }
    // A CR may turn out to be the first half of the line's end.
    super('onLine', onLine, maxLineBytes + 1);
    this.#maxLineBytes = maxLineBytes;
    this.#encoding = encoding;
  }

  /** @internal */
  protected override take(bytes: Uint8Array, from: number): number {
    const end = bytes.indexOf(LF, from);
    const to = end < 0 ? bytes.length : end;
    this.#requireRoom(bytes, from, to);
    if (end < 0) {
      this.hold(bytes, from, to);
      return to;
    }
    if (this.heldBytes === 0) {
      this.found = this.#line(bytes, from, to);
    } else {
      this.hold(bytes, from, to);
      this.found = this.#held();
    }
    return end + 1;
  }

  /** @internal */
  protected override takeEnd(): Line<E> {
    return this.#held();
  }

  /** A line may be longer by one byte if that is a CR, which its end may begin with. */
  #requireRoom(bytes: Uint8Array, from: number, to: number): void {
    const excess = this.heldBytes + to - from - this.#maxLineBytes;
    if (excess <= 0 || (excess === 1 && to > from && bytes[to - 1] === CR)) return;
    // Then the CR that made it longer was kept, and this is the LF behind it.
    if (excess === 1 && to === from) return;
    this.fail(`a line is longer than maxLineBytes (${this.#maxLineBytes})`);
  }

  #held(): Line<E> {
    const held = this.release();
    return this.#line(held, 0, held.length);
  }

  #line(bytes: Uint8Array, from: number, to: number): Line<E> {
    const end = to > from && bytes[to - 1] === CR ? to - 1 : to;
    const start = bytes.byteOffset + from;
    const line =
      this.#encoding === 'bytes'
        ? new Uint8Array(bytes.buffer, start, end - from)
        : Buffer.from(bytes.buffer, start, end - from).toString(this.#encoding);
    return line as Line<E>;
  }
}
