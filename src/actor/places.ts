/**
 * Places: the mailboxes of a shard as other threads see them, in memory that
 * all threads of the system share.
 *
 *   header  ACTORS       that live in the shard
 *           GENERATION   the latest that it has drawn
 *           LISTENED     of home only: events that somebody listens for, a bit each
 *           SLOTS        slots that were ever used
 *           HELD_SLOT    where messages were delivered whose places are still counted,
 *           HELD         and how many
 *   sender  SLOT         of each other shard: where it has taken a place for a
 *                        message that it has not sent yet, and 1 more; or 0
 *           SENT         what it had sent by then
 *   slot    GENERATION   of the actor there; 0: it takes nothing
 *           COUNT        messages that wait, or are on their way
 *           LIMIT        of the count, and what becomes of one too many
 *           WAITING      1: somebody waits until this changes
 *   slot    OCCUPANT     generation of the latest actor there, also if it takes nothing
 *
 * An actor whose reference never leaves its thread is not in here, and pays
 * nothing for others. Once it is, its count is here for the senders of all
 * threads. The memory is reserved at once and taken page by page as it is used.
 */
import { waitAsync } from '../channel/wait-async.js';
import {
  DROPPED_IN_FLIGHT_MAX,
  PLACES_MAX,
  RELEASES_MAX,
  RELEASES_PER_CAPACITY,
  SHARDS_MAX,
} from '../limits.js';
import type { MailboxPolicy } from './options.js';

const Header = {
  ACTORS: 0,
  GENERATION: 1,
  LISTENED: 2,
  SLOTS: 3,
  HELD_SLOT: 4,
  HELD: 5,
} as const;

/** A cache line for each sender, which writes it with every message. */
const Sender = { SLOT: 0, SENT: 1 } as const;
const SENDERS_AT = 16;
const SENDER_WORDS = 16;
const HEADER_WORDS = SENDERS_AT + (SHARDS_MAX + 2) * SENDER_WORDS;

const Word = { GENERATION: 0, COUNT: 1, LIMIT: 2, WAITING: 3 } as const;
const SLOT_WORDS = 4;

/** In a LIMIT, besides the number: 0 where one too many is refused. */
const DROPS_NEWEST = 1 << 29;
const DROPS_OLDEST = 1 << 30;
const LIMIT_MASK = DROPS_NEWEST - 1;

const OCCUPANTS_AT = HEADER_WORDS + PLACES_MAX * SLOT_WORDS;

const PLACES_BYTES = (OCCUPANTS_AT + PLACES_MAX) * 4;

/** What became of the wish for a place. */
export const Taken = { DONE: 0, FULL: 1, GONE: 2 } as const;
export type Taken = (typeof Taken)[keyof typeof Taken];

export class Places {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** Of the shard itself: as in the header, and how many are held at most. */
  #heldSlot = -1;
  #held = 0;
  #heldMax = 1;

  constructor(buffer = new SharedArrayBuffer(PLACES_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  // --- Of the whole shard ------------------------------------------------

  get actors(): number {
    return Atomics.load(this.#words, Header.ACTORS);
  }

  set actors(count: number) {
    Atomics.store(this.#words, Header.ACTORS, count);
  }

  get generation(): number {
    return Atomics.load(this.#words, Header.GENERATION) >>> 0;
  }

  set generation(generation: number) {
    Atomics.store(this.#words, Header.GENERATION, generation | 0);
  }

  get listened(): number {
    return Atomics.load(this.#words, Header.LISTENED);
  }

  set listened(events: number) {
    Atomics.store(this.#words, Header.LISTENED, events);
  }

  /**
   * The shard is dead: nothing is taken any more. Calls with the slot and the
   * generation of each mailbox in which messages are lost, and their number.
   */
  closeAll(lost: (slot: number, generation: number, count: number) => void): void {
    const words = this.#words;
    // What was delivered is not lost.
    Atomics.sub(words, wordOf(words[Header.HELD_SLOT]) + Word.COUNT, words[Header.HELD]);
    const slots = Atomics.load(words, Header.SLOTS);
    for (let slot = 0; slot < slots; slot++) {
      const at = wordOf(slot);
      Atomics.store(words, at + Word.GENERATION, 0);
      const count = Atomics.load(words, at + Word.COUNT);
      if (count > 0) lost(slot, words[OCCUPANTS_AT + slot] >>> 0, count);
    }
  }

  // --- By the shard itself -----------------------------------------------

  /** Others may send to this slot from now on. False if there are no words for it. */
  open(slot: number, generation: number, policy: MailboxPolicy, waiting: number): boolean {
    if (slot >= PLACES_MAX) return false;
    if (slot === this.#heldSlot) this.#letGo();
    const words = this.#words;
    const at = wordOf(slot);
    // The count of the slot's last actor goes back to 0 by itself, perhaps a
    // little later, since every place that was taken is given back.
    Atomics.add(words, at + Word.COUNT, waiting);
    words[at + Word.LIMIT] = limitOf(policy);
    this.#occupy(slot, generation);
    // Last: whoever sees it sees the others.
    Atomics.store(words, at + Word.GENERATION, generation | 0);
    return true;
  }

  /** The thread ends while so many messages wait for an actor to which no other may send. */
  lose(slot: number, generation: number, count: number): void {
    if (slot >= PLACES_MAX) return;
    Atomics.add(this.#words, wordOf(slot) + Word.COUNT, count);
    this.#occupy(slot, generation);
  }

  #occupy(slot: number, generation: number): void {
    const words = this.#words;
    Atomics.store(words, OCCUPANTS_AT + slot, generation | 0);
    if (slot >= Atomics.load(words, Header.SLOTS)) Atomics.store(words, Header.SLOTS, slot + 1);
  }

  /** Nobody takes a place from now on; those who wait for one learn it. */
  close(slot: number): void {
    const at = wordOf(slot);
    Atomics.store(this.#words, at + Word.GENERATION, 0);
    this.#announce(at);
  }

  /** Whether the limit allows one more; takes its place then. */
  takeOwn(slot: number): boolean {
    if (slot === this.#heldSlot) this.publishReleases();
    return this.#take(wordOf(slot), slot, NOBODY, 0);
  }

  /** A place whatever the limit says. */
  add(slot: number): void {
    Atomics.add(this.#words, wordOf(slot) + Word.COUNT, 1);
  }

  /** Messages that wait, or are on their way. */
  count(slot: number): number {
    const held = slot === this.#heldSlot ? this.#held : 0;
    return Atomics.load(this.#words, wordOf(slot) + Word.COUNT) - held;
  }

  /**
   * As {@link release}, of a message that is being delivered. Others learn of
   * several at once, and of the last ones by {@link publishReleases}: to tell
   * them each time would send the count from processor to processor and back.
   */
  releaseDelivered(slot: number): void {
    if (slot >= PLACES_MAX) return;
    if (slot !== this.#heldSlot) this.#hold(slot);
    this.#held += 1;
    // For home, should this thread die.
    this.#words[Header.HELD] = this.#held;
    if (this.#held >= this.#heldMax) this.publishReleases();
  }

  /** The next actor in the slot has a capacity of its own. */
  #letGo(): void {
    this.publishReleases();
    this.#heldSlot = -1;
  }

  #hold(slot: number): void {
    this.publishReleases();
    const limit = this.#words[wordOf(slot) + Word.LIMIT] & LIMIT_MASK;
    const share = Math.floor(limit * RELEASES_PER_CAPACITY);
    this.#heldMax = Math.min(Math.max(share, 1), RELEASES_MAX);
    this.#heldSlot = slot;
    this.#words[Header.HELD_SLOT] = slot;
  }

  /** At the end of each tick. */
  publishReleases(): void {
    const held = this.#held;
    if (held === 0) return;
    const words = this.#words;
    const at = wordOf(this.#heldSlot);
    this.#held = 0;
    // No call stands between these, and so no moment at which the thread can be terminated.
    words[Header.HELD] = 0;
    Atomics.sub(words, at + Word.COUNT, held);
    this.#announceIfAwaited(at);
  }

  // --- By others ---------------------------------------------------------

  /**
   * A place for a message from this shard, which has sent so many before. Once
   * it is sent, or the place was given back, {@link sent} has to be called.
   */
  take(slot: number, generation: number, shard: number, count: number): Taken {
    if (slot >= PLACES_MAX) return Taken.DONE;
    const words = this.#words;
    const at = wordOf(slot);
    // A guess first: it costs nothing, and the last look below decides.
    if (
      words[at + Word.GENERATION] !== (generation | 0) &&
      Atomics.load(words, at + Word.GENERATION) !== (generation | 0)
    ) {
      return Taken.GONE;
    }
    if (!this.#take(at, slot, shard, count)) return Taken.FULL;
    // Once more: between the two the actor may have stopped, and its shard may
    // have looked at the count before this place was in it.
    if (Atomics.load(words, at + Word.GENERATION) === (generation | 0)) return Taken.DONE;
    this.sent(shard);
    this.release(slot);
    return Taken.GONE;
  }

  sent(shard: number): void {
    this.#words[senderWordOf(shard) + Sender.SLOT] = 0;
  }

  /**
   * Of a shard that is dead: the slot in which it has taken a place, and how
   * much it had sent by then; null if it had taken none.
   */
  unsent(shard: number): { slot: number; sent: number } | null {
    const at = senderWordOf(shard);
    const slot = Atomics.exchange(this.#words, at + Sender.SLOT, 0) - 1;
    return slot < 0 ? null : { slot, sent: Atomics.load(this.#words, at + Sender.SENT) };
  }

  isOpen(slot: number, generation: number): boolean {
    if (slot >= PLACES_MAX) return true;
    return Atomics.load(this.#words, wordOf(slot) + Word.GENERATION) === (generation | 0);
  }

  /** Whether the mailbox drops messages instead of refusing them. */
  drops(slot: number): boolean {
    return slot < PLACES_MAX && this.#words[wordOf(slot) + Word.LIMIT] > LIMIT_MASK;
  }

  capacity(slot: number): number {
    const limit = this.#words[wordOf(slot) + Word.LIMIT];
    const count = limit & LIMIT_MASK;
    return (limit & DROPS_OLDEST) === 0 ? count : count - DROPPED_IN_FLIGHT_MAX;
  }

  /** Whether one more would cost none. */
  hasRoom(slot: number): boolean {
    return this.count(slot) < this.capacity(slot);
  }

  /** Of a message that was delivered, or not sent after all. */
  release(slot: number): void {
    if (slot >= PLACES_MAX) return;
    const at = wordOf(slot);
    Atomics.sub(this.#words, at + Word.COUNT, 1);
    this.#announceIfAwaited(at);
  }

  /** To be called before another try, which is followed by {@link room}. */
  expectRoom(slot: number): void {
    Atomics.store(this.#words, wordOf(slot) + Word.WAITING, 1);
  }

  /** Resolves when another try may succeed. */
  async room(slot: number): Promise<void> {
    await waitAsync(this.#words, wordOf(slot) + Word.WAITING, 1);
  }

  /** Whoever waits for this slot tries again. */
  stir(slot: number): void {
    this.#announce(wordOf(slot));
  }

  #announceIfAwaited(at: number): void {
    // Pairs with expectRoom(): either the place is seen there, or the wish here.
    if (Atomics.load(this.#words, at + Word.WAITING) !== 0) this.#announce(at);
  }

  #announce(at: number): void {
    Atomics.store(this.#words, at + Word.WAITING, 0);
    Atomics.notify(this.#words, at + Word.WAITING);
  }

  #take(at: number, slot: number, shard: number, sent: number): boolean {
    const noteAt = senderWordOf(shard);
    const words = this.#words;
    const limit = words[at + Word.LIMIT] & LIMIT_MASK;
    // A guess for the exchange, which tells what it really is.
    let count = words[at + Word.COUNT];
    if (count >= limit) count = Atomics.load(words, at + Word.COUNT);
    while (count < limit) {
      const seen = Atomics.compareExchange(words, at + Word.COUNT, count, count + 1);
      if (seen !== count) {
        count = seen;
        continue;
      }
      // No call stands between the exchange and this note, and so no moment at
      // which the thread can be terminated: no place is lost with a sender.
      words[noteAt + Sender.SLOT] = slot + 1;
      words[noteAt + Sender.SENT] = sent;
      return true;
    }
    return false;
  }
}

/** In place of a shard: of one's own thread nobody is left to give a place back. */
const NOBODY = SHARDS_MAX + 1;

function senderWordOf(shard: number): number {
  return SENDERS_AT + shard * SENDER_WORDS;
}

function wordOf(slot: number): number {
  return HEADER_WORDS + slot * SLOT_WORDS;
}

/**
 * The oldest message is known to the shard alone, which drops it when its turn
 * comes; what may be on its way until then is bounded here.
 */
function limitOf({ capacity, overflow }: MailboxPolicy): number {
  if (overflow === 'dropOldest') return (capacity + DROPPED_IN_FLIGHT_MAX) | DROPS_OLDEST;
  return overflow === 'dropNewest' ? capacity | DROPS_NEWEST : capacity;
}
