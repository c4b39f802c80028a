/**
 * Places: one for each task that a pool has taken and that has not settled. In
 * memory that threads share, so that each of them knows at once whether there
 * is room for one more, though the pool itself is on another thread.
 *
 *   word   0  COUNT      tasks that have a place, of all threads
 *         16  CLOSED     1: no more are taken
 *         17  LIMIT      of the count: those that may wait, and one for each thread
 *         18  CAPACITY   those that may wait
 *         32  TAKEN      of each other thread, a cache line each: places that it ever took
 *
 * A thread may die between taking a place and sending the task for it. TAKEN
 * tells the pool how many tasks it has to expect from there.
 */

const Word = { COUNT: 0, CLOSED: 16, LIMIT: 17, CAPACITY: 18 } as const;
const TAKEN_AT = 32;
const TAKER_WORDS = 16;

export class TaskPlaces {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  /** `takers` is the number of other threads that may take places. */
  static create(
    { queueCapacity, threads }: { queueCapacity: number; threads: number },
    takers: number,
  ): TaskPlaces {
    const words = TAKEN_AT + takers * TAKER_WORDS;
    const places = new TaskPlaces(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
    // One task for each thread does not count as waiting: it will be begun at once.
    places.#words[Word.LIMIT] = queueCapacity + threads;
    places.#words[Word.CAPACITY] = queueCapacity;
    return places;
  }

  get buffer(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  get capacity(): number {
    return this.#words[Word.CAPACITY];
  }

  get closed(): boolean {
    return Atomics.load(this.#words, Word.CLOSED) !== 0;
  }

  // --- The pool ----------------------------------------------------------

  /** False if there is no room. `more` is what is known to be free, and still in the count. */
  take(more = 0): boolean {
    const words = this.#words;
    const limit = words[Word.LIMIT] + more;
    let count = Atomics.load(words, Word.COUNT);
    while (count < limit) {
      const seen = Atomics.compareExchange(words, Word.COUNT, count, count + 1);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }

  release(count = 1): void {
    Atomics.sub(this.#words, Word.COUNT, count);
  }

  close(): void {
    Atomics.store(this.#words, Word.CLOSED, 1);
  }

  /** Places that a thread has ever taken, modulo 2^32. */
  taken(taker: number): number {
    return Atomics.load(this.#words, takenAt(taker));
  }

  // --- Other threads -----------------------------------------------------

  takeFor(taker: number): boolean {
    const at = takenAt(taker);
    const words = this.#words;
    const limit = words[Word.LIMIT];
    let count = Atomics.load(words, Word.COUNT);
    while (count < limit) {
      const seen = Atomics.compareExchange(words, Word.COUNT, count, count + 1);
      if (seen !== count) {
        count = seen;
        continue;
      }
      // No call stands between the exchange and this note, and so no moment at
      // which the thread can be terminated.
      words[at] += 1;
      return true;
    }
    return false;
  }

  /** The task was not sent after all. */
  giveBack(taker: number): void {
    this.#words[takenAt(taker)] -= 1;
    this.release();
  }
}

function takenAt(taker: number): number {
  return TAKEN_AT + taker * TAKER_WORDS;
}
