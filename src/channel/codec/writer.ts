/**
 * Writes one frame: the state of it, and the values that are no objects. What
 * an object needs is in the files beside this one; they call back here for the
 * values inside.
 *
 * A position goes in and the next one comes out, so that it stays in a
 * register. A frame that does not fit ends with an exception, because the
 * check of a result after each value would cost more than all the frames that
 * do not fit.
 */
import { rangeErrorWith } from '../../errors.js';
import { isSourceHandle, type SourceHandle } from '../../poll/source-handle.js';
import { envelopeOf } from './envelopes.js';
import { DEPTH_MAX } from './limits.js';
import type { Memory, TextBuffer } from './memory.js';
import { writeNumber } from './numbers.js';
import { References } from './references.js';
import { type Shape, ShapeTable } from './shapes.js';
import * as tag from './tags.js';
import { TextTable, writeFieldText, writeText } from './texts.js';
import { cloneError } from './uncloneable.js';
import { writeObject } from './write-object.js';

/** Thrown where a frame reaches its limit; never seen outside. */
class Overflow extends Error {}

const OVERFLOW_SIGNAL = new Overflow('the frame does not fit');

const NOTHING = new Uint8Array(0);
const NO_TEXT = Buffer.alloc(0) as TextBuffer;
const NO_VIEW = new DataView(new ArrayBuffer(0));
const NONE: readonly never[] = Object.freeze([]);

/** Where to go back to when a part of a frame is dropped. */
export interface Mark {
  readonly at: number;
  readonly depth: number;
  readonly references: number;
  readonly shapes: number;
  readonly texts: number;
  readonly foreign: number;
  readonly flights: number;
}

export class Writer {
  readonly overflow = OVERFLOW_SIGNAL;
  readonly references = new References();
  readonly shapes = new ShapeTable();
  readonly texts = new TextTable();

  bytes: Uint8Array = NOTHING;
  view: DataView = NO_VIEW;
  text: TextBuffer = NO_TEXT;
  limit = 0;
  /** Levels of objects around the one being written. */
  depth = 0;
  transfer: ReadonlySet<unknown> | undefined = undefined;
  foreign: readonly unknown[] = NONE;
  flights: readonly SourceHandle[] = NONE;
  #start = 0;

  begin(memory: Memory, limit: number, transfer: ReadonlySet<unknown> | undefined): void {
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.text = memory.text;
    this.limit = limit;
    this.transfer = transfer;
  }

  /** A whole frame. */
  frame(value: unknown, at: number): number {
    if (typeof value !== 'object' || value === null) return this.value(value, at);
    const envelope = envelopeOf(value);
    if (envelope === null) return this.#content(value, at);
    const to = envelope.writeHeader(this, value, this.byte(tag.ENVELOPE, at));
    return this.#content(envelope.contentOf(value), to);
  }

  #content(value: unknown, at: number): number {
    if (typeof value !== 'object' || value === null) return this.value(value, at);
    this.#start = at;
    this.depth = 0;
    return writeObject(this, value, this.byte(tag.PLAIN_FRAME, at));
  }

  /** The content of the frame turns out to need a table on the other side. */
  makeFull(): void {
    this.bytes[this.#start] = tag.FULL_FRAME;
  }

  value(value: unknown, at: number): number {
    switch (typeof value) {
      case 'number':
        return this.number(value, at);
      case 'string':
        return writeText(this, value, at);
      case 'boolean':
        return this.byte(value ? tag.TRUE : tag.FALSE, at);
      case 'undefined':
        return this.byte(tag.UNDEFINED, at);
      case 'bigint':
        return this.bigint(value, at);
      case 'object':
        if (value === null) return this.byte(tag.NULL, at);
        return writeObject(this, value, at);
      default:
        throw cloneError(value);
    }
  }

  /** The value that an object with a shape has under its key `index`. */
  field(object: object, value: unknown, shape: Shape, index: number, at: number): number {
    if (typeof value === 'string') return writeFieldText(this, value, shape, index, at);
    if (typeof value === 'object' && value !== null) return writeObject(this, value, at);
    if (value === undefined) return this.undefinedOf(object, shape.keys[index], at);
    return this.value(value, at);
  }

  /** A getter may have deleted the keys that follow it; they are missing then. */
  undefinedOf(object: object, key: string, at: number): number {
    if (Object.hasOwn(object, key)) return this.byte(tag.UNDEFINED, at);
    this.makeFull();
    return this.byte(1, this.byte(tag.MISSING, at));
  }

  number(value: number, at: number): number {
    const end = writeNumber(this, value, at, this.limit);
    if (end < 0) throw this.overflow;
    return end;
  }

  bigint(value: bigint, at: number): number {
    if (BigInt.asIntN(64, value) === value) {
      if (at + 9 > this.limit) throw this.overflow;
      this.bytes[at] = tag.BIGINT64;
      this.view.setBigInt64(at + 1, value, true);
      return at + 9;
    }
    const isNegative = value < 0n;
    const sign = this.byte(isNegative ? 1 : 0, this.byte(tag.BIGINT, at));
    return writeText(this, (isNegative ? -value : value).toString(16), sign);
  }

  byte(byte: number, at: number): number {
    if (at >= this.limit) throw this.overflow;
    this.bytes[at] = byte;
    return at + 1;
  }

  /** A whole number from 0 on, in as many bytes as it needs. */
  count(count: number, at: number): number {
    let rest = count;
    let to = at;
    while (rest >= 0x80) {
      to = this.byte((rest % 0x80) | 0x80, to);
      rest = Math.floor(rest / 0x80);
    }
    return this.byte(rest, to);
  }

  /** Bytes as they are. */
  copy(source: Uint8Array, at: number): number {
    const end = at + source.length;
    if (end > this.limit) throw this.overflow;
    this.bytes.set(source, at);
    return end;
  }

  /** The index of something that travels beside the frame. */
  addForeign(value: unknown): number {
    this.foreign = [...this.foreign, value];
    return this.foreign.length - 1;
  }

  /** An object that looks like the handle of a source is being written. */
  noteFlight(object: object): void {
    if (isSourceHandle(object)) this.flights = [...this.flights, object];
  }

  descend(): number {
    this.depth += 1;
    if (this.depth > DEPTH_MAX) throw tooDeep();
    return this.depth;
  }

  mark(at: number): Mark {
    return {
      at,
      depth: this.depth,
      references: this.references.count,
      shapes: this.shapes.size,
      texts: this.texts.size,
      foreign: this.foreign.length,
      flights: this.flights.length,
    };
  }

  /** Drops what was written since the mark; returns where it began. */
  dropTo(mark: Mark): number {
    this.depth = mark.depth;
    this.references.truncate(mark.references);
    this.shapes.truncate(mark.shapes);
    this.texts.truncate(mark.texts);
    this.foreign = this.foreign.slice(0, mark.foreign);
    this.flights = this.flights.slice(0, mark.flights);
    return mark.at;
  }

  /** Whether the frame defines something, or refers to something beside it. */
  get isPending(): boolean {
    const isAside = this.foreign.length > 0 || this.flights.length > 0;
    return isAside || this.shapes.isPending || this.texts.isPending;
  }

  /** Holds on to nothing of the message but what has to travel beside the frame. */
  end(): void {
    this.references.clear();
    this.transfer = undefined;
  }

  forgetAside(): void {
    this.foreign = NONE;
    this.flights = NONE;
  }
}

function tooDeep(): RangeError {
  const message = `the message is nested deeper than ${DEPTH_MAX} levels; send it in parts`;
  return rangeErrorWith('ERR_OUT_OF_RANGE', message);
}
