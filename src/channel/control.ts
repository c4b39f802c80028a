/**
 * The control words of a loop: the memory that all threads which send to it
 * share. A sender's handle is this memory and a name.
 *
 *   word   0  SLEEPING    1: the next message must wake the loop
 *         16  WAITING     messages that wait, of all threads; CLOSED is a bit of it
 *         32  ROOM        grows when there is room again; senders wait on it
 *         48  WAITERS     1: somebody waits on ROOM
 *         64  LANES       lanes ever opened
 *         65  ANNOUNCED   of these, those that the loop can find on its side channel
 *         66  REFUSED     messages that other threads were refused
 *         80  CAPACITY    from here on nothing changes
 *         81  THREAD      the loop's thread, two words
 *         83  WAKE_KEY    two words
 *
 * What different threads write at different times lies 64 bytes apart, a
 * cache line, so that they do not slow each other down.
 */

export const Word = {
  SLEEPING: 0,
  WAITING: 16,
  ROOM: 32,
  WAITERS: 48,
  LANES: 64,
  ANNOUNCED: 65,
  REFUSED: 66,
  CAPACITY: 80,
  THREAD: 81,
  WAKE_KEY: 83,
} as const;

const WORDS = 96;

/** The bytes of a loop's control words. */
export const CONTROL_BYTES = WORDS * Int32Array.BYTES_PER_ELEMENT;

/**
 * Set in WAITING when the loop is closed. Whoever takes a place compares that
 * word with the capacity, so that a closed channel looks full, at no cost.
 */
const CLOSED = 2 ** 30;

export interface ControlParts {
  capacity: number;
  thread: number;
  wakeKey: number;
}

export function createControl({ capacity, thread, wakeKey }: ControlParts): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  words[Word.CAPACITY] = capacity;
  storePair(words, Word.THREAD, thread);
  storePair(words, Word.WAKE_KEY, wakeKey);
  return words;
}

export function isClosed(words: Int32Array): boolean {
  return (Atomics.load(words, Word.WAITING) & CLOSED) !== 0;
}

/** Whether places are taken, by messages that wait or are on their way. */
export function hasPlacesTaken(words: Int32Array): boolean {
  return (Atomics.load(words, Word.WAITING) & ~CLOSED) !== 0;
}

/** No place can be taken from now on; those who wait for one learn it. */
export function closeControl(words: Int32Array): void {
  Atomics.or(words, Word.WAITING, CLOSED);
  announceRoom(words);
}

/** Takes a place for a message; false if there is none, or the loop is closed. */
export function takePlace(words: Int32Array, capacity: number): boolean {
  let waiting = Atomics.load(words, Word.WAITING);
  while (waiting < capacity) {
    const seen = Atomics.compareExchange(words, Word.WAITING, waiting, waiting + 1);
    if (seen === waiting) return true;
    waiting = seen;
  }
  return false;
}

export function givePlacesBack(words: Int32Array, count: number): void {
  Atomics.sub(words, Word.WAITING, count);
  // Pairs with the store of WAITERS in an outlet that then tries once more:
  // either that sees the place, or this sees the flag.
  if (Atomics.load(words, Word.WAITERS) !== 0) announceRoom(words);
}

/** Whoever waits tries again, and sets the flag again if that is in vain. */
function announceRoom(words: Int32Array): void {
  Atomics.store(words, Word.WAITERS, 0);
  Atomics.add(words, Word.ROOM, 1);
  Atomics.notify(words, Word.ROOM);
}

/**
 * Whether the loop sleeps and it is this thread's turn to wake it. Pairs with
 * the store of SLEEPING in SharedInlet.fallAsleep(), which stands before its
 * last look at what has arrived (rule C5).
 */
export function mustWake(words: Int32Array): boolean {
  return (
    Atomics.load(words, Word.SLEEPING) !== 0 && Atomics.exchange(words, Word.SLEEPING, 0) !== 0
  );
}

/** A number up to 2^53, of which only the lower half fits a word. */
function storePair(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / 2 ** 32);
}

export function loadPair(words: Int32Array, at: number): number {
  return words[at + 1] * 2 ** 32 + (words[at] >>> 0);
}
