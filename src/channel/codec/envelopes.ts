/**
 * The envelope: what the layer of actors puts around every message that it
 * sends to another thread. It is written and read by hand, because a tenth of a
 * microsecond for each message is what the codec's other ways would take.
 *
 *   frame = ENVELOPE header content
 *
 * It stands around the whole of a frame, never inside a message; what follows
 * the header is a frame of its own.
 */
import { typeErrorWith } from '../../errors.js';

/** Takes a position and returns the next one, as all writers here. */
export interface HeaderWriter {
  number(value: number, at: number): number;
  /** Null, or a text. */
  value(value: string | null, at: number): number;
}

/** Has to be asked for everything in the order in which it was written. */
export interface EnvelopeReader {
  number(): number;
  /** Of whatever type, should the bytes be those of a thread that has died. */
  value(): unknown;
  /** The message inside; comes last. */
  content(): unknown;
}

export interface Envelope<T extends object> {
  /** Must be quick, and do nothing to an object that is none: `#name in object`. */
  is(object: object): object is T;
  /** The message inside. */
  contentOf(envelope: T): unknown;
  writeHeader(writer: HeaderWriter, envelope: T, at: number): number;
  read(reader: EnvelopeReader): T;
}

let registered: Envelope<object> | null = null;

/** In every thread, before the first message with one; there is one kind. */
export function registerEnvelope<T extends object>(envelope: Envelope<T>): void {
  if (registered !== null) {
    throw typeErrorWith('ERR_INVALID_ARG_VALUE', 'there is an envelope already');
  }
  registered = envelope as unknown as Envelope<object>;
}

/** The kind of envelope that the object is; null if it is none. */
export function envelopeOf(object: object): Envelope<object> | null {
  return registered?.is(object) === true ? registered : null;
}

export function registeredEnvelope(): Envelope<object> | null {
  return registered;
}
