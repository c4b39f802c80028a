/**
 * Gate: what other threads know of one connection, in memory that they share.
 *
 *   word 0  STATE   OPEN ⇄ FULL, and GONE at last; written by its own thread
 *        1  MOVING  what is on its way to it, in units
 *        2  LIMIT   of that; never changes
 *
 * A sender adds to MOVING when its message is on its way, and the receiver
 * takes it off on arrival, perhaps before that: then the count is below 0 for a
 * moment. The other order would leave what a thread has added that dies in
 * between, and with it a gate that never opens again. So each thread may send
 * one message beyond the limit, as `sendTo()` may queue one beyond the mark.
 */

const STATE = 0;
const MOVING = 1;
const LIMIT = 2;
const WORDS = 3;

export const GATE_BYTES = WORDS * Int32Array.BYTES_PER_ELEMENT;

const State = { OPEN: 0, FULL: 1, GONE: 2 } as const;

/** A message costs memory of its own, and weighs as much. */
const UNIT_BYTES = 256;
const UNITS_MAX = 2 ** 30;

export class Gate {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #limit: number;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#limit = this.#words[LIMIT];
  }

  /** So many bytes may be on their way, or one message. */
  static create(limitBytes: number): Gate {
    const buffer = new SharedArrayBuffer(GATE_BYTES);
    const limit = Math.min(Math.floor(limitBytes / UNIT_BYTES), UNITS_MAX);
    new Int32Array(buffer)[LIMIT] = limit;
    return new Gate(buffer);
  }

  // --- By senders --------------------------------------------------------

  get isGone(): boolean {
    return Atomics.load(this.#words, STATE) === State.GONE;
  }

  /** Whether it takes a message. */
  get isOpen(): boolean {
    const words = this.#words;
    return Atomics.load(words, STATE) === State.OPEN && Atomics.load(words, MOVING) <= this.#limit;
  }

  sent(sizeBytes: number): void {
    Atomics.add(this.#words, MOVING, unitsOf(sizeBytes));
  }

  // --- By the thread of the connection -----------------------------------

  arrived(sizeBytes: number): void {
    Atomics.sub(this.#words, MOVING, unitsOf(sizeBytes));
  }

  /** Whether more is queued than the mark allows. */
  set isFull(isFull: boolean) {
    if (!this.isGone) Atomics.store(this.#words, STATE, isFull ? State.FULL : State.OPEN);
  }

  end(): void {
    Atomics.store(this.#words, STATE, State.GONE);
  }
}

function unitsOf(sizeBytes: number): number {
  return 1 + Math.floor(sizeBytes / UNIT_BYTES);
}
