/**
 * ServerBoard: what the parts of a server on several shards know of each
 * other, in memory that they share.
 *
 * Each shard has a word for its connections: their number, and its epoch. A
 * connection takes its slot in the epoch that it finds. When a shard is gone
 * all its slots are free at once, since a new epoch begins, and what comes too
 * late from the one before changes nothing any more.
 */
import type { SourceHandle } from '../poll/source-handle.js';
import { Count, COUNTS, type Counts, type ServerMetrics, serverMetrics } from './counts.js';
import type { Slots } from './slots.js';

/** More than a process can have descriptors. */
const COUNT_BITS = 22;
const COUNT_MASK = 2 ** COUNT_BITS - 1;

/** Words for all shards, before those for each. */
const PORT = 0;
const ESTABLISHED = 1;
const COMMON_WORDS = 2;

/** Numbers for all shards: the device and the number of a socket's file. */
const COMMON_NUMBERS = 2;

/** Connections that may be on their way to a shard, in its mailbox. */
export const MOVING_MAX = 1024;
/** Those that were sent last; with the one that is being sent, or taken, all that may be moving. */
const TRAIL_LENGTH = 2 * MOVING_MAX;

/** Of each shard: the serial of its next connection, descriptors with their generations, counts. */
const SHARD_NUMBERS = 1 + 2 * TRAIL_LENGTH + COUNTS;

/** Of each shard: its connections, whether it serves, and how many were sent to it. */
const SHARD_WORDS = 3;

/** A descriptor in flight. */
export type Moving = Pick<SourceHandle, 'fd' | 'generation'>;

export class ServerBoard {
  readonly #shards: number;
  readonly #max: number;
  readonly #numbers: Float64Array;
  readonly #common: Int32Array;
  readonly #open: Int32Array;
  readonly #up: Int32Array;
  readonly #sent: Int32Array;

  constructor(memory: SharedArrayBuffer, shards: number, max: number) {
    const numberCount = COMMON_NUMBERS + SHARD_NUMBERS * shards;
    const offset = numberCount * Float64Array.BYTES_PER_ELEMENT;
    const words = new Int32Array(memory, offset);
    this.#shards = shards;
    this.#max = max;
    this.#numbers = new Float64Array(memory, 0, numberCount);
    this.#common = words.subarray(0, COMMON_WORDS);
    this.#open = words.subarray(COMMON_WORDS, COMMON_WORDS + shards);
    this.#up = words.subarray(COMMON_WORDS + shards, COMMON_WORDS + 2 * shards);
    this.#sent = words.subarray(COMMON_WORDS + 2 * shards);
  }

  static memoryFor(shards: number): SharedArrayBuffer {
    const numbers = COMMON_NUMBERS + SHARD_NUMBERS * shards;
    const words = COMMON_WORDS + SHARD_WORDS * shards;
    return new SharedArrayBuffer(
      numbers * Float64Array.BYTES_PER_ELEMENT + words * Int32Array.BYTES_PER_ELEMENT,
    );
  }

  // --- Slots -------------------------------------------------------------

  /** Never above the maximum, though several may be asking for the last slot. */
  get count(): number {
    return Math.min(this.#sum(), this.#max);
  }

  /** The epoch that the slot belongs to, or null if there is none. */
  take(shard: number): number | null {
    for (;;) {
      const epoch = Atomics.add(this.#open, shard, 1) >>> COUNT_BITS;
      if (this.#sum() <= this.#max) return epoch;
      this.give(shard, epoch);
      // Another may have stepped back as well, and left the last one to nobody.
      if (this.#sum() >= this.#max) return null;
    }
  }

  give(shard: number, epoch: number): void {
    for (;;) {
      const word = Atomics.load(this.#open, shard);
      if (word >>> COUNT_BITS !== epoch) return;
      if (Atomics.compareExchange(this.#open, shard, word, word - 1) === word) return;
    }
  }

  epochOf(shard: number): number {
    return Atomics.load(this.#open, shard) >>> COUNT_BITS;
  }

  /** Its connections are gone, and those that were on their way to it; nobody serves there now. */
  forfeit(shard: number): void {
    const counts = this.countsOf(shard);
    counts[Count.CLOSED] = counts[Count.OPENED];
    for (;;) {
      const word = Atomics.load(this.#open, shard);
      const next = ((word >>> COUNT_BITS) + 1) << COUNT_BITS;
      if (Atomics.compareExchange(this.#open, shard, word, next) === word) return;
    }
  }

  /** For the shard's own thread, and this life of it. */
  slotsOf(shard: number): Slots {
    const epoch = this.epochOf(shard);
    return {
      take: () => this.take(shard) !== null,
      give: () => this.give(shard, epoch),
      nextId: () => {
        // Nobody else writes it; the next life of the shard goes on from here.
        const serial = this.#numbers[numbersOf(shard)]++;
        return serial * this.#shards + shard + 1;
      },
    };
  }

  #sum(): number {
    let sum = 0;
    for (let shard = 0; shard < this.#shards; shard++) sum += this.#openOf(shard);
    return sum;
  }

  #openOf(shard: number): number {
    return Atomics.load(this.#open, shard) & COUNT_MASK;
  }

  // --- Shards ------------------------------------------------------------

  setUp(shard: number, isUp: boolean): void {
    Atomics.store(this.#up, shard, isUp ? 1 : 0);
  }

  /** Those that serve, the one with the fewest connections first. */
  byLoad(): number[] {
    const loads: { shard: number; load: number }[] = [];
    for (let shard = 0; shard < this.#shards; shard++) {
      if (Atomics.load(this.#up, shard) === 1) loads.push({ shard, load: this.#openOf(shard) });
    }
    return loads.sort((one, other) => one.load - other.load).map(({ shard }) => shard);
  }

  // --- Connections that are moving -----------------------------------------

  /** Before it is sent: when the shard dies, nobody else knows of it. */
  moves(shard: number, { fd, generation }: Moving): void {
    const index = Atomics.add(this.#sent, shard, 1) >>> 0;
    this.#numbers.set([fd, generation], trailOf(shard) + 2 * (index % TRAIL_LENGTH));
  }

  /** Those that were sent last, most of which have arrived long since. */
  trail(shard: number): Moving[] {
    const length = Math.min(Atomics.load(this.#sent, shard) >>> 0, TRAIL_LENGTH);
    return Array.from({ length }, (_, index) => {
      const at = trailOf(shard) + 2 * index;
      return { fd: this.#numbers[at], generation: this.#numbers[at + 1] };
    });
  }

  // --- Counts ------------------------------------------------------------

  /** Written by the thread of the shard, over all its lives; by home in between. */
  countsOf(shard: number): Counts {
    const first = trailOf(shard) + 2 * TRAIL_LENGTH;
    return this.#numbers.subarray(first, first + COUNTS);
  }

  metrics(): ServerMetrics {
    return serverMetrics(Array.from({ length: this.#shards }, (_, at) => this.countsOf(at)));
  }

  // --- The address -------------------------------------------------------

  /** Whether `listen()` has succeeded; what goes wrong later is a crash. */
  get isEstablished(): boolean {
    return Atomics.load(this.#common, ESTABLISHED) === 1;
  }

  set isEstablished(isEstablished: boolean) {
    Atomics.store(this.#common, ESTABLISHED, isEstablished ? 1 : 0);
  }

  /** What the system chose for port 0; 0 before that. */
  get port(): number {
    return Atomics.load(this.#common, PORT);
  }

  set port(port: number) {
    Atomics.store(this.#common, PORT, port);
  }

  /** Of the socket's file; null if none was made. */
  get file(): string | null {
    const [device, number] = this.#numbers;
    return number === 0 ? null : `${device}:${number}`;
  }

  set file(identity: string | null) {
    const [device, number] = (identity ?? '0:0').split(':').map(Number);
    this.#numbers.set([device, number]);
  }
}

function numbersOf(shard: number): number {
  return COMMON_NUMBERS + SHARD_NUMBERS * shard;
}

function trailOf(shard: number): number {
  return numbersOf(shard) + 1;
}
