/**
 * Reads one frame: the state of it, and the values that are no objects.
 *
 * The bytes may be anything. A read outside the memory yields undefined, which
 * is no tag, or a RangeError of the view; every length is compared with what
 * is there before anything is made of it. Nothing is allocated in advance that
 * a count has asked for.
 */
import { registeredEnvelope } from './envelopes.js';
import { TEXTS_MAX } from './limits.js';
import type { Memory, TextBuffer } from './memory.js';
import type { ObjectReader } from './shape-code.js';
import * as tag from './tags.js';
import { shortTextReader } from './text-code.js';

/** A varint of more would not be a safe integer. */
const COUNT_BYTES_MAX = 7;

export type ValueReader = (reader: Reader) => unknown;

/** What frames before have defined. */
export interface RememberedShape {
  readonly keys: readonly string[];
  read: ObjectReader;
}

/** Thrown for bytes that no encoder writes. */
export class Malformed extends Error {}

const NONE: readonly unknown[] = [];

export class Reader {
  readonly #readers: readonly (ValueReader | undefined)[];
  readonly shapes: RememberedShape[] = [];
  readonly #texts: string[] = [];

  bytes: Uint8Array;
  view: DataView;
  #text: TextBuffer;
  #length: number;
  at = 0;
  foreign: readonly unknown[] = NONE;
  /** In a full frame: the objects in the order in which they began. */
  table: unknown[] | null = null;

  /** `readers`: for the tags of objects, by tag. */
  constructor(readers: readonly (ValueReader | undefined)[]) {
    this.#readers = readers;
    this.bytes = new Uint8Array(0);
    this.view = new DataView(this.bytes.buffer);
    this.#text = Buffer.alloc(0) as TextBuffer;
    this.#length = 0;
  }

  frame(memory: Memory, at: number, foreign: readonly unknown[]): unknown {
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.#text = memory.text;
    this.#length = memory.length;
    this.foreign = foreign;
    this.at = at;
    const value = this.bytes[at] === tag.ENVELOPE ? this.#envelope() : this.content();
    if (this.at > this.#length) throw new Malformed('the frame is cut off');
    return value;
  }

  #envelope(): object {
    const envelope = registeredEnvelope();
    if (envelope === null) throw new Malformed('an envelope of no kind');
    this.at += 1;
    return envelope.read(this);
  }

  /** A frame but for its envelope. */
  content(): unknown {
    const mark = this.bytes[this.at];
    if (mark === tag.PLAIN_FRAME || mark === tag.FULL_FRAME) this.at += 1;
    this.table = mark === tag.FULL_FRAME ? [] : null;
    return this.value();
  }

  number(): number {
    const value = this.value();
    if (typeof value !== 'number') throw new Malformed('something else in place of a number');
    return value;
  }

  /** Holds on to nothing of the message. */
  end(): void {
    this.table = null;
    this.foreign = NONE;
  }

  value(): unknown {
    const byte = this.bytes[this.at];
    this.at += 1;
    if (byte < tag.SHORT_TEXT) return byte;
    if (byte < tag.SHAPED) return this.#latin1(byte - tag.SHORT_TEXT);
    if (byte < tag.TAGS) return this.shaped(byte - tag.SHAPED);
    switch (byte) {
      case tag.UNDEFINED:
        return undefined;
      case tag.NULL:
        return null;
      case tag.TRUE:
        return true;
      case tag.FALSE:
        return false;
      case tag.INT16:
        this.at += 2;
        return this.view.getInt16(this.at - 2, true);
      case tag.INT32:
        this.at += 4;
        return this.view.getInt32(this.at - 4, true);
      case tag.DOUBLE:
        return this.double();
      case tag.KNOWN_TEXT:
        return this.#knownText();
      default:
        return this.#rare(byte);
    }
  }

  shaped(number: number): object {
    const shape = this.shapes[number];
    if (shape === undefined) throw new Malformed(`no shape ${number}`);
    return shape.read(this);
  }

  double(): number {
    this.at += 8;
    return this.view.getFloat64(this.at - 8, true);
  }

  byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw new Malformed('the frame is cut off');
    this.at += 1;
    return byte;
  }

  count(): number {
    let count = 0;
    let scale = 1;
    for (let taken = 0; taken < COUNT_BYTES_MAX; taken++) {
      const byte = this.byte();
      count += (byte & 0x7f) * scale;
      if (byte < 0x80) return count;
      scale *= 0x80;
    }
    throw new Malformed('a count is too large');
  }

  /** A value that has to be a string. */
  string(): string {
    const value = this.value();
    if (typeof value !== 'string') throw new Malformed('something else in place of a text');
    return value;
  }

  /** Where `size` bytes begin, which are there. */
  skip(size: number): number {
    const at = this.at;
    if (size > this.#length - at) throw new Malformed('the frame is cut off');
    this.at = at + size;
    return at;
  }

  #latin1(length: number): string {
    const at = this.skip(length);
    if (length > tag.SHORT_TEXT_MAX) return this.#text.latin1Slice(at, at + length);
    return shortTextReader(length)(this.bytes, at, this.#text);
  }

  #knownText(): string {
    const text = this.#texts[this.bytes[this.at]];
    if (text === undefined) throw new Malformed('no such text');
    this.at += 1;
    return text;
  }

  #rare(byte: number): unknown {
    switch (byte) {
      case tag.LATIN1:
        return this.#latin1(this.count());
      case tag.UCS2: {
        const size = this.count() * 2;
        const at = this.skip(size);
        return this.#text.ucs2Slice(at, at + size);
      }
      case tag.DEFINE_TEXT: {
        const number = this.byte();
        if (number > this.#texts.length || number >= TEXTS_MAX)
          throw new Malformed('a gap in texts');
        const text = this.string();
        this.#texts[number] = text;
        return text;
      }
      case tag.BIGINT64:
        this.at += 8;
        return this.view.getBigInt64(this.at - 8, true);
      case tag.BIGINT: {
        const isNegative = this.byte() === 1;
        const magnitude = BigInt(`0x${this.string()}`);
        return isNegative ? -magnitude : magnitude;
      }
      default:
        break;
    }
    const read = this.#readers[byte];
    if (read === undefined) throw new Malformed(`no tag ${byte}`);
    return read(this);
  }
}
