import { illegalConstructor, invalidType } from '../errors.js';
import { Interest } from './interest.js';

/** What happened to a source, merged over one poll. Immutable and shared: never allocated. */
export class EventSet {
  /** The flags of {@link Interest} that are set. */
  readonly bits: number;

  static readonly #sets = Array.from({ length: Interest.ALL + 1 }, (_, bits) =>
    Object.freeze(new EventSet(bits)),
  );

  private constructor(bits: number) {
    if (typeof bits !== 'number') throw illegalConstructor('EventSet', 'the loop');
    this.bits = bits;
  }

  /** There is something to read, be it the end of the stream. */
  get isReadable(): boolean {
    return (this.bits & Interest.READABLE) !== 0;
  }

  /** There is room to write, or a connect has succeeded. */
  get isWritable(): boolean {
    return (this.bits & Interest.WRITABLE) !== 0;
  }

  /** The source failed; `takeError()` or the next `read()` tells why. */
  get isError(): boolean {
    return (this.bits & Interest.ERROR) !== 0;
  }

  /** The peer hung up; what it sent before can still be read. */
  get isHup(): boolean {
    return (this.bits & Interest.HUP) !== 0;
  }

  /**
   * Whether all of the other's flags are set here.
   *
   * @param other an EventSet or flags of {@link Interest}
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  contains(other: EventSet | number): boolean {
    const bits = other instanceof EventSet ? other.bits : other;
    if (typeof bits !== 'number') throw invalidType('other', 'an EventSet or a number', other);
    return (this.bits & bits) === bits;
  }

  /** `'Readable | Hup'`; `'(empty)'` for none. */
  toString(): string {
    const names = NAMES.filter(([bit]) => this.contains(bit)).map(([, name]) => name);
    return names.join(' | ') || '(empty)';
  }

  /** @internal The set of these flags. */
  static of(bits: number): EventSet {
    return EventSet.#sets[bits & Interest.ALL];
  }
}

const NAMES = [
  [Interest.READABLE, 'Readable'],
  [Interest.WRITABLE, 'Writable'],
  [Interest.ERROR, 'Error'],
  [Interest.HUP, 'Hup'],
] as const;
