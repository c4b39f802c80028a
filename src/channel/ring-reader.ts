/**
 * The reading end of a lane; see `ring-writer.ts`.
 *
 * What it finds must be a message, in full and in its turn, or it declares the
 * lane broken: it trusts nothing in the shared memory but the count.
 */
import { MillraceError } from '../errors.js';
import type { Lane } from '../loop/crossing.js';
import { Decoder } from './codec/decoder.js';
import { ASLEEP, COUNT_MASK, LaneWord, MARKER_MIN, Marker, RETIRED, seal } from './lane-header.js';
import { Segment } from './segment.js';
import type { SideReceiver } from './side-channel.js';

export interface RingReaderParts {
  /** The lane's number, among those of the loop. */
  number: number;
  header: Int32Array;
  segment: Segment;
  side: SideReceiver;
}

export class RingReader<M> implements Lane<M> {
  readonly number: number;
  readonly #header: Int32Array;
  readonly #side: SideReceiver;
  readonly #decoder = new Decoder();
  #segment: Segment;
  #at = 0;
  /** The position that the writer was told. */
  #toldAt = 0;
  /** Messages seen to be published, and of these, read; modulo {@link COUNT_MASK} + 1. */
  #seen = 0;
  #taken = 0;
  /** Messages taken from the side channel. */
  #sideSequence = 0;
  #isBroken = false;

  constructor({ number, header, segment, side }: RingReaderParts) {
    this.number = number;
    this.#header = header;
    this.#segment = segment;
    this.#side = side;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Whether nothing that was seen is left to be read. */
  get isDone(): boolean {
    return this.#isBroken || this.#taken === this.#seen;
  }

  /** Messages published since the last {@link look}. */
  get arrived(): number {
    if (this.#isBroken) return 0;
    // Pairs with the exchange in RingWriter.publish(): the frames counted are whole.
    return (Atomics.load(this.#header, LaneWord.PUBLISHED) - this.#seen) & COUNT_MASK;
  }

  /** As {@link arrived}; these may be taken now. */
  look(): number {
    const count = this.arrived;
    this.#seen = (this.#seen + count) & COUNT_MASK;
    return count;
  }

  /** The loop goes to sleep: the next message asks whether to wake it. False if there is one. */
  fallAsleep(): boolean {
    if (this.#isBroken) return true;
    // One word holds both, so either the writer sees the flag, or this its message (rule C5).
    const published = Atomics.or(this.#header, LaneWord.PUBLISHED, ASLEEP);
    return ((published - this.#seen) & COUNT_MASK) === 0;
  }

  /**
   * The next of the messages that were seen.
   *
   * @throws MillraceError ERR_CHANNEL_BROKEN
   */
  take(): M {
    const message = this.#isBroken ? this.#giveUp() : this.#read();
    const bytesRead = this.#at - this.#toldAt;
    const isDry = this.#taken === this.#seen;
    // Telling seldom keeps the writer's cache line with the writer.
    if (isDry || bytesRead < 0 || bytesRead > this.#segment.size / 4) this.#tell();
    return message;
  }

  /**
   * Nothing that is published from now on is seen; the writer learns it when
   * it publishes. Returns how many messages were published and not seen.
   */
  retire(): number {
    const published = Atomics.exchange(this.#header, LaneWord.PUBLISHED, RETIRED);
    const count = (published - this.#seen) & COUNT_MASK;
    this.#seen = published & COUNT_MASK;
    return count;
  }

  /** Places that a writer that has died took, for messages that it never published. */
  get placesLeft(): number {
    return (this.#header[LaneWord.TAKEN] - this.#seen) & COUNT_MASK;
  }

  #tell(): void {
    this.#toldAt = this.#at;
    this.#segment.readAt = this.#at;
  }

  #read(): M {
    try {
      let { memory } = this.#segment;
      let foreign: readonly unknown[] | undefined;
      if (!(memory.bytes[this.#at] < MARKER_MIN)) {
        foreign = this.#passMarkers();
        memory = this.#segment.memory;
      }
      const decoder = this.#decoder;
      const message = decoder.decode(memory, this.#at, foreign);
      const { end } = decoder;
      if (memory.bytes[end] !== seal(this.#taken)) throw new RangeError('a frame has no seal');
      this.#at = end + 1;
      this.#taken = (this.#taken + 1) & COUNT_MASK;
      return message as M;
    } catch (error) {
      return this.#giveUp(error);
    }
  }

  /** Goes to where the next frame is; returns what it has on the side channel. */
  #passMarkers(): readonly unknown[] | undefined {
    for (;;) {
      const mark = this.#segment.memory.bytes[this.#at];
      if (mark < MARKER_MIN) return undefined;
      if (mark === Marker.FOREIGN) {
        this.#at += 1;
        return this.#takeAside();
      }
      if (mark === Marker.SEGMENT) {
        this.#segment = new Segment(this.#takeAside()[0] as SharedArrayBuffer);
        this.#toldAt = 0;
      } else if (this.#at === 0) {
        throw new RangeError('a ring goes round without a frame');
      }
      this.#at = 0;
    }
  }

  #takeAside(): readonly unknown[] {
    this.#sideSequence += 1;
    return this.#side.take(this.number, this.#sideSequence);
  }

  #giveUp(cause?: unknown): never {
    this.#isBroken = true;
    throw new MillraceError(
      'ERR_CHANNEL_BROKEN',
      'the memory of a lane from another thread holds no sound message; its messages are lost',
      { cause },
    );
  }
}
