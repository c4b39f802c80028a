/**
 * The writing end of a lane: frames of any size, one after the other, in
 * shared memory, for exactly one reader.
 *
 *      reader ──v                v── next frame
 *   [ . . . . . | m3 | m4 | m5 | . . . . . ]
 *
 *               v── next frame         v── reader
 *   [ m6 | m7 | . . . . . . . . . . . .| m4 | m5 | WRAP ]
 *
 * A frame lies in one piece. One that does not fit behind the last begins at
 * the front; one that fits nowhere begins a new segment, twice as large or
 * more, of which the reader learns over the side channel. So how many messages
 * wait never depends on their size.
 *
 * The encoder writes straight into the ring, and nothing is allocated for a
 * message. The reader looks at the count of published messages alone, so
 * everything here may fail, or its thread end, at any moment before that.
 */
import { SEGMENT_BYTES, SEGMENT_BYTES_MAX, SEGMENT_CALM } from '../limits.js';
import type { SourceHandle } from '../poll/source-handle.js';
import { Encoder, OVERFLOW } from './codec/encoder.js';
import type { Memory } from './codec/memory.js';
import { COUNT_MASK, LaneWord, Marker, RETIRED, seal } from './lane-header.js';
import { Segment } from './segment.js';
import { detach, type SidePoster } from './side-channel.js';

/** Room that is kept behind the encoder's: a FOREIGN marker, the seal, and the next marker. */
const KEPT_BYTES = 3;

/** What became of a frame that was published. */
export const Published = {
  DONE: 0,
  /** The loop was about to sleep, and may have to be woken. */
  WHILE_ASLEEP: 1,
  /** The reader has left: the message was not taken. */
  NEVER_SEEN: 2,
} as const;
export type Published = (typeof Published)[keyof typeof Published];

/**
 * Puts the count of published messages into the lane's header, as
 * `Atomics.exchange()` does, and whatever has to happen with it at once; returns
 * what was there.
 */
export type CountExchange = (header: Int32Array, count: number) => number;

export interface RingWriterParts {
  header: Int32Array;
  segment: Segment;
  side: SidePoster;
}

export class RingWriter {
  readonly #header: Int32Array;
  readonly #side: SidePoster;
  readonly #encoder = new Encoder();
  #segment: Segment;
  /** Where the next frame, or marker, goes. Never where the reader is, unless all was read. */
  #at = 0;
  /** The reader's position when last looked at. */
  #readAt = 0;
  /** Where the frame that was written last ends. */
  #end = 0;
  #count = 0;
  #isWriting = false;
  /** How often a segment of more than the first size was found empty, */
  #calm = 0;
  /** and the position at that look. */
  #calmAt = 0;

  constructor({ header, segment, side }: RingWriterParts) {
    this.#header = header;
    this.#segment = segment;
    this.#side = side;
  }

  /** Messages published, modulo {@link COUNT_MASK} + 1. */
  get count(): number {
    return this.#count;
  }

  /**
   * Writes a frame that is not to be seen yet. What fails leaves no trace:
   * the next frame takes its place.
   *
   * @throws DataCloneError; what a getter of the message throws; RangeError for lack of memory
   */
  write(message: unknown, moved: ReadonlySet<unknown> | undefined): void {
    if (this.#isWriting) throw reentrant();
    this.#isWriting = true;
    try {
      if (this.#segment.size > SEGMENT_BYTES) this.#shrinkWhenCalm();
      this.#place(message, moved);
      if (this.#encoder.foreign.length > 0 || moved !== undefined) this.#postForeign(moved);
    } finally {
      this.#isWriting = false;
    }
  }

  /** Handles of sources in the frame that was written last. */
  get flights(): readonly SourceHandle[] {
    return this.#encoder.flights;
  }

  /** Shows the frame to the reader, and returns what has to be done then. */
  publish(exchange?: CountExchange): Published {
    const published = this.#count;
    this.#count = (published + 1) & COUNT_MASK;
    this.#at = this.#end;
    // Makes the frame visible; pairs with the load in RingReader.arrived. It is
    // an exchange since the reader may have put ASLEEP or RETIRED there.
    const seen =
      exchange === undefined
        ? Atomics.exchange(this.#header, LaneWord.PUBLISHED, this.#count)
        : exchange(this.#header, this.#count);
    this.#encoder.commit();
    if (seen === published) return Published.DONE;
    return seen === RETIRED ? Published.NEVER_SEEN : Published.WHILE_ASLEEP;
  }

  #place(message: unknown, moved: ReadonlySet<unknown> | undefined): void {
    const { memory } = this.#segment;
    let room = this.#room();
    if (this.#encode(memory, this.#at, room, message, moved)) return;
    this.#readAt = this.#segment.readAt;
    // Behind the last frame again, should the reader have come further,
    if (this.#room() > room) {
      room = this.#room();
      if (this.#encode(memory, this.#at, room, message, moved)) return;
    }
    // or at the front, unless the reader has that before it,
    const roomAtFront = this.#readAt <= this.#at ? this.#readAt - KEPT_BYTES : 0;
    if (roomAtFront > room && this.#encode(memory, 0, roomAtFront, message, moved)) {
      memory.bytes[this.#at] = Marker.WRAP;
      return;
    }
    // or in a new segment.
    this.#grow(message, moved);
  }

  /** Bytes that the next frame may have where it is to be. */
  #room(): number {
    const end = this.#at < this.#readAt ? this.#readAt : this.#segment.size;
    return end - KEPT_BYTES - this.#at;
  }

  /** False if the frame would be larger than `room`. */
  #encode(
    memory: Memory,
    at: number,
    room: number,
    message: unknown,
    moved: ReadonlySet<unknown> | undefined,
  ): boolean {
    if (room <= 0) return false;
    const encoder = this.#encoder;
    let end = encoder.encode(memory, at, message, at + room, moved);
    if (end === OVERFLOW) return false;
    if (encoder.foreign.length > 0) {
      memory.bytes.copyWithin(at + 1, at, end);
      memory.bytes[at] = Marker.FOREIGN;
      end += 1;
    }
    memory.bytes[end] = seal(this.#count);
    this.#end = end + 1;
    return true;
  }

  #postForeign(moved: ReadonlySet<unknown> | undefined): void {
    const { foreign } = this.#encoder;
    try {
      if (foreign.length > 0) this.#side.post(foreign, moved);
      else if (moved !== undefined) detach(moved);
    } catch (error) {
      this.#encoder.rollback();
      throw error;
    }
  }

  #grow(message: unknown, moved: ReadonlySet<unknown> | undefined): void {
    let { size } = this.#segment;
    for (;;) {
      size = nextSize(size);
      const larger = Segment.allocate(size);
      if (this.#encode(larger.memory, 0, size - KEPT_BYTES, message, moved)) {
        this.#moveTo(larger);
        this.#calm = 0;
        return;
      }
    }
  }

  /** Tells the reader, where the next frame would have been, that it is elsewhere. */
  #moveTo(segment: Segment): void {
    this.#side.post([segment.buffer], undefined);
    this.#segment.memory.bytes[this.#at] = Marker.SEGMENT;
    this.#segment = segment;
    this.#at = 0;
    this.#readAt = 0;
  }

  /**
   * After a burst, back to a small segment: when the large one was found empty
   * often enough, and no message meanwhile needed its size.
   */
  #shrinkWhenCalm(): void {
    const frameBytes = this.#at - this.#calmAt;
    this.#calmAt = this.#at;
    if (frameBytes > SEGMENT_BYTES / 2) this.#calm = 0;
    if (this.#segment.readAt !== this.#at) return;
    this.#calm += 1;
    if (this.#calm >= SEGMENT_CALM) this.#moveTo(Segment.allocate(SEGMENT_BYTES));
  }
}

function reentrant(): DOMException {
  const message = 'a getter of the message sent another message to the same loop';
  return new DOMException(message, 'DataCloneError');
}

function nextSize(size: number): number {
  if (size < SEGMENT_BYTES_MAX) return size * 2;
  const limit = `${SEGMENT_BYTES_MAX / 2 ** 20} MiB`;
  throw new DOMException(`a message to another thread cannot exceed ${limit}`, 'DataCloneError');
}
