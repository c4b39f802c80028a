/**
 * The receiving end of all lanes to one loop.
 *
 * A lane begins when a thread sends to the loop for the first time, and ends
 * with that thread: the loop looks for lanes that nobody writes to any more
 * when a new one begins, or when it woke up in vain.
 */
import { randomUUID } from 'node:crypto';
import { RELEASES_MAX, RELEASES_PER_CAPACITY, UNBOUNDED } from '../limits.js';
import type { Inlet, InletHost, Lane, SenderHandle } from '../loop/crossing.js';
import type { ThreadSupport } from '../poll/driver.js';
import {
  closeControl,
  createControl,
  givePlacesBack,
  hasPlacesTaken,
  takePlace,
  Word,
} from './control.js';
import { RingReader } from './ring-reader.js';
import { Segment } from './segment.js';
import { LoopSideReceiver } from './side-receiver.js';

/** A lane, and the thread that writes to it. */
interface OpenLane<M> {
  readonly reader: RingReader<M>;
  readonly thread: number;
}

/** What a lane's first post carries. */
export type LaneOpening = readonly [
  header: SharedArrayBuffer,
  segment: SharedArrayBuffer,
  thread: number,
];

export class SharedInlet<M> implements Inlet<M> {
  readonly handle: SenderHandle;
  readonly #words: Int32Array;
  readonly #capacity: number;
  readonly #threads: ThreadSupport;
  readonly #side: LoopSideReceiver;
  #lanes: OpenLane<M>[] = [];
  /** Lanes announced up to now. */
  #announced = 0;
  /** Places given back that other threads do not know of. */
  #released = 0;
  readonly #releasesMax: number;
  /** Whether anything has arrived since the loop last went to sleep. */
  #hasArrivedSince = true;
  #isClosed = false;

  constructor({ capacity: wanted, wakeKey }: InletHost<M>, threads: ThreadSupport) {
    // Whoever bounds its messages elsewhere has a channel without end.
    const capacity = Math.min(wanted, UNBOUNDED);
    this.#words = createControl({ capacity, wakeKey, thread: threads.thisThread });
    this.#capacity = capacity;
    this.#threads = threads;
    const share = Math.floor(capacity * RELEASES_PER_CAPACITY);
    this.#releasesMax = Math.min(Math.max(share, 1), RELEASES_MAX);
    const loop = randomUUID();
    const control = this.#words.buffer as SharedArrayBuffer;
    this.handle = Object.freeze({ millrace: 'sender', loop, control });
    this.#side = new LoopSideReceiver(loop);
  }

  /** Messages that other threads were refused. */
  get refused(): number {
    return Atomics.load(this.#words, Word.REFUSED);
  }

  intake(arrived: (lane: Lane<M>, count: number) => void): void {
    const hasNewLanes = Atomics.load(this.#words, Word.ANNOUNCED) !== this.#announced;
    if (hasNewLanes) this.#adoptLanes();
    for (const { reader } of this.#lanes) {
      const count = reader.look();
      if (count > 0) {
        this.#hasArrivedSince = true;
        arrived(reader, count);
      } else if (reader.isBroken) {
        this.#dropBroken(reader);
      }
    }
    if (hasNewLanes) this.#dropDead();
  }

  reserve(): boolean {
    return takePlace(this.#words, this.#capacity);
  }

  release(): void {
    this.#released += 1;
    if (this.#released >= this.#releasesMax) this.publishReleases();
  }

  publishReleases(): void {
    if (this.#released === 0) return;
    givePlacesBack(this.#words, this.#released);
    this.#released = 0;
  }

  fallAsleep(): boolean {
    this.publishReleases();
    // A sender that took a place will publish, and wake the loop; one that
    // died in between will not, and keeps a place that nobody can use.
    if (!this.#hasArrivedSince && hasPlacesTaken(this.#words)) this.#dropDead();
    // Before the lanes: a writer that finds its lane asleep looks at this word.
    // Before the look for new lanes: they begin asleep.
    Atomics.store(this.#words, Word.SLEEPING, 1);
    const hasNewLanes = Atomics.load(this.#words, Word.ANNOUNCED) !== this.#announced;
    if (hasNewLanes || !this.#lanesFallAsleep()) {
      this.wakeUp();
      return false;
    }
    this.#hasArrivedSince = false;
    return true;
  }

  wakeUp(): void {
    Atomics.store(this.#words, Word.SLEEPING, 0);
  }

  close(): M[] {
    if (this.#isClosed) return [];
    this.#isClosed = true;
    closeControl(this.#words);
    this.#adoptLanes();
    const left = this.#lanes.flatMap(({ reader }) => remaining(reader));
    this.#lanes = [];
    this.#side.close();
    return left;
  }

  #lanesFallAsleep(): boolean {
    for (const { reader } of this.#lanes) if (!reader.fallAsleep()) return false;
    return true;
  }

  #adoptLanes(): void {
    // Before the look at the side channel: what is announced later, is looked at again.
    this.#announced = Atomics.load(this.#words, Word.ANNOUNCED);
    for (const number of this.#side.takeBegun()) {
      const [header, segment, thread] = this.#side.take(number, 0) as LaneOpening;
      const parts = { number, header: new Int32Array(header), segment: new Segment(segment) };
      this.#lanes.push({ thread, reader: new RingReader<M>({ ...parts, side: this.#side }) });
      this.#side.openLane(number, parts.header);
    }
  }

  /** Lanes of threads that are no more, once all they sent has been announced. */
  #dropDead(): void {
    for (const { reader, thread } of this.#lanes) {
      if (this.#threads.isAlive(thread) || reader.arrived > 0) continue;
      const count = reader.placesLeft;
      if (count > 0) givePlacesBack(this.#words, count);
      this.#drop(reader);
    }
  }

  /** The writer begins another when it finds this one retired. */
  #dropBroken(reader: RingReader<M>): void {
    const count = reader.retire();
    if (count > 0) givePlacesBack(this.#words, count);
    this.#drop(reader);
  }

  #drop(reader: RingReader<M>): void {
    this.#lanes = this.#lanes.filter((lane) => lane.reader !== reader);
    this.#side.closeLane(reader.number);
    if (reader.isDone) this.#side.forgetLane(reader.number);
  }
}

/** What was sent over a lane up to now, which is its end; if it breaks, what can be read of it. */
function remaining<M>(reader: RingReader<M>): M[] {
  const messages: M[] = [];
  try {
    for (let count = reader.retire(); count > 0; count--) messages.push(reader.take());
  } catch {
    // Nobody is left to tell.
  }
  return messages;
}
