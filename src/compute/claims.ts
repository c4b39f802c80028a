/**
 * Claims: who may begin a task that was sent ahead.
 *
 * A task that was sent to a thread is still the pool's until the thread begins
 * it. Both sides say so by a compare-and-swap on one word, of which one wins:
 *
 *   pool                    thread
 *   offer ──> SENT ────────── begin ──> RUNNING ── end ──> RETURNED | THREW
 *               └── recall ──> RECALLED              (the result is on its way)
 *
 * The memory that a pool and one of its threads share:
 *
 *   word   0  HANDLED   the position after the last that the thread is done with
 *          1  ENDING    1: the thread is given up, and reports no more
 *         16  UNREAD    reports of progress that the pool has not read yet
 *         32  ...       a claim for each position, modulo CLAIMS
 *
 * Positions count what was sent to the thread, which handles it in that order.
 * A claim is used again only when the thread is done with the position that
 * had it before: that also bounds what may lie in the lane to the thread.
 */

export const Claim = { NONE: 0, SENT: 1, RUNNING: 2, RECALLED: 3, RETURNED: 4, THREW: 5 } as const;
export type Claim = (typeof Claim)[keyof typeof Claim];

/** Twice what is ever sent ahead, so that tasks recalled leave room for others. */
export const CLAIMS = 256;

/** A thread that reports faster than the pool reads waits at so many, */
const UNREAD_MAX = 1024;
/** and looks so often whether it is to end. */
const ENDING_CHECK_MS = 20;

const HANDLED = 0;
const ENDING = 1;
const UNREAD = 16;
const FIRST = 32;
const WORDS = FIRST + CLAIMS;
const MASK = CLAIMS - 1;

export class Claims {
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** As last looked at; by the pool alone. */
  #handled = 0;

  constructor(buffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.#words = new Int32Array(buffer);
  }

  get buffer(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  /** The index of a position in tables of {@link CLAIMS} entries. */
  static indexOf(position: number): number {
    return position & MASK;
  }

  // --- The pool ----------------------------------------------------------

  /**
   * Whether the claim of this position is free, and that of so many after it:
   * what is recalled behind a busy thread must not use up what is there for a
   * free one.
   */
  hasRoom(position: number, others: number): boolean {
    const used = position + others;
    if (((used - this.#handled) | 0) < CLAIMS) return true;
    this.#handled = Atomics.load(this.#words, HANDLED);
    return ((used - this.#handled) | 0) < CLAIMS;
  }

  /** Before the task is sent, whose arrival makes it visible. */
  offer(position: number): void {
    this.#words[at(position)] = Claim.SENT;
  }

  /** False if the thread has begun it. Pairs with the exchange in {@link begin}. */
  recall(position: number): boolean {
    const seen = Atomics.compareExchange(this.#words, at(position), Claim.SENT, Claim.RECALLED);
    return seen === Claim.SENT;
  }

  look(position: number): Claim {
    return Atomics.load(this.#words, at(position)) as Claim;
  }

  /** A report was read. Pairs with the wait in {@link admitReport}. */
  releaseReport(): void {
    const unread = Atomics.sub(this.#words, UNREAD, 1);
    if (unread >= UNREAD_MAX) Atomics.notify(this.#words, UNREAD);
  }

  /** The thread need not wait for anybody to read its reports. */
  giveUp(): void {
    Atomics.store(this.#words, ENDING, 1);
    Atomics.notify(this.#words, UNREAD);
  }

  // --- The thread --------------------------------------------------------

  /** False if the pool has taken it back. Pairs with the exchange in {@link recall}. */
  begin(position: number): boolean {
    const seen = Atomics.compareExchange(this.#words, at(position), Claim.SENT, Claim.RUNNING);
    return seen === Claim.SENT;
  }

  /** After the result was sent: who sees the claim ended can rely on finding that. */
  end(position: number, claim: Claim): void {
    Atomics.store(this.#words, at(position), claim);
  }

  /** Nothing will be done with the claim of this position any more. */
  handled(position: number): void {
    Atomics.store(this.#words, HANDLED, (position + 1) | 0);
  }

  /**
   * Waits until the pool has read enough of the earlier reports. False if
   * nobody will.
   */
  admitReport(): boolean {
    const words = this.#words;
    for (;;) {
      if (Atomics.load(words, ENDING) !== 0) return false;
      const unread = Atomics.load(words, UNREAD);
      if (unread < UNREAD_MAX) break;
      Atomics.wait(words, UNREAD, unread, ENDING_CHECK_MS);
    }
    Atomics.add(words, UNREAD, 1);
    return true;
  }
}

function at(position: number): number {
  return FIRST + (position & MASK);
}
