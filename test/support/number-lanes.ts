/**
 * A channel of numbers between real threads, just enough of one to try the
 * loop's side of the contract in `src/loop/crossing.ts` against it: a ring in
 * shared memory for each sending thread, and one word that says whether the
 * loop sleeps. Its capacity is that of the rings.
 *
 *   control:  asleep
 *   ring:     written | read | 256 numbers
 */
import type { Crossing, Inlet, InletHost, Lane, MessageTarget } from '../../src/loop/crossing.js';
import { nativeDriver } from '../../src/poll/native-driver.js';

const SLOTS = 256;

/** What a sending thread needs. */
export interface NumberLaneHandle {
  control: SharedArrayBuffer;
  ring: SharedArrayBuffer;
  wakeKey: number;
}

/** The sending end of one lane. */
export class NumberSender {
  readonly #asleep: Int32Array;
  readonly #ring: Int32Array;
  readonly #wakeKey: number;
  /** How often it had to wake the loop. */
  wakes = 0;

  constructor({ control, ring, wakeKey }: NumberLaneHandle) {
    this.#asleep = new Int32Array(control);
    this.#ring = new Int32Array(ring);
    this.#wakeKey = wakeKey;
  }

  send(number: number): boolean {
    const written = this.#ring[0];
    if (written - Atomics.load(this.#ring, 1) === SLOTS) return false;
    this.#ring[2 + (written % SLOTS)] = number;
    Atomics.store(this.#ring, 0, written + 1);
    if (Atomics.exchange(this.#asleep, 0, 0) === 1) {
      this.wakes += 1;
      nativeDriver.threads.wake(this.#wakeKey);
    }
    return true;
  }
}

class NumberLane implements Lane<number> {
  readonly ring: Int32Array;
  announced = 0;

  constructor(ring: SharedArrayBuffer) {
    this.ring = new Int32Array(ring);
  }

  take(): number {
    const read = this.ring[1];
    const number = this.ring[2 + (read % SLOTS)];
    Atomics.store(this.ring, 1, read + 1);
    return number;
  }
}

export class NumberInlet implements Inlet<number> {
  readonly handle;
  readonly refused = 0;
  readonly #wakeKey: number;
  readonly #asleep: Int32Array;
  readonly #lanes: NumberLane[] = [];

  constructor(host: InletHost<number>) {
    const control = new SharedArrayBuffer(4);
    this.handle = { millrace: 'sender', loop: '1', control } as const;
    this.#wakeKey = host.wakeKey;
    this.#asleep = new Int32Array(control);
  }

  openLane(): NumberLaneHandle {
    const ring = new SharedArrayBuffer((2 + SLOTS) * 4);
    this.#lanes.push(new NumberLane(ring));
    return { control: this.handle.control, ring, wakeKey: this.#wakeKey };
  }

  intake(arrived: (lane: Lane<number>, count: number) => void): void {
    for (const lane of this.#lanes) {
      const count = Atomics.load(lane.ring, 0) - lane.announced;
      if (count === 0) continue;
      lane.announced += count;
      arrived(lane, count);
    }
  }

  reserve(): boolean {
    return true;
  }

  release(): void {}

  publishReleases(): void {}

  fallAsleep(): boolean {
    Atomics.store(this.#asleep, 0, 1);
    const hasNews = this.#lanes.some((lane) => Atomics.load(lane.ring, 0) !== lane.announced);
    if (hasNews) Atomics.store(this.#asleep, 0, 0);
    return !hasNews;
  }

  wakeUp(): void {
    Atomics.store(this.#asleep, 0, 0);
  }

  close(): number[] {
    return [];
  }
}

/** Opens inlets of numbers, for {@link provideCrossing}. */
export class NumberCrossing implements Crossing {
  readonly inlets: NumberInlet[] = [];

  openInlet<M>(host: InletHost<M>): Inlet<M> {
    const inlet = new NumberInlet(host as InletHost<never>);
    this.inlets.push(inlet);
    return inlet as Inlet<unknown> as Inlet<M>;
  }

  connect<M>(): MessageTarget<M> {
    throw new TypeError('these handles are for NumberSender');
  }
}
