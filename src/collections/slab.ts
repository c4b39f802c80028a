/**
 * Slab: values in numbered slots, for servers that keep a state per connection.
 *
 * The key of a slot is a plain integer and does as a token, so the way from an
 * event to the state behind it is one array access.
 *
 *   values:     [ a | . | c | . | e ]       grows with the first use of a slot,
 *   next free:  [ * | - | * | 1 | * ]       up to the capacity
 *                               ^ first free: 3, then 1     (* occupied)
 *
 * The slot that was freed last is given away first, as mio's slab does: its
 * memory is the likeliest to be in the cache. A key is therefore used again
 * soon. An event of a source that was deregistered cannot be taken for one of
 * the slot's next owner, because registrations have generations of their own
 * (rule S3); a timeout's payload can, and has to be cleared with its owner.
 */
import { invalidType } from '../errors.js';
import { requireInteger, requireOptions } from '../validate.js';

const CAPACITY_MAX = 2 ** 24;

/** In place of the next free slot: there is none; this one is not free. */
const NONE = -1;
const OCCUPIED = -2;

const OPTION_NAMES = ['firstKey'] as const;

/** Options of a {@link Slab}. */
export interface SlabOptions {
  /**
   * The key of the first slot; the others count up from it. Leaves the numbers
   * below to a listener and the like. From 0 on.
   *
   * @default 0
   */
  firstKey?: number;
}

/**
 * Values by small integer keys, which do as tokens. `insert`, `get` and `remove`
 * take constant time; memory comes with the first use of a slot. Keys are used
 * again, the one that was removed last first.
 *
 * @typeParam V values
 */
export class Slab<V> {
  readonly #capacity: number;
  readonly #firstKey: number;
  #values: (V | undefined)[] = [];
  #nextFree: number[] = [];
  #firstFree = NONE;
  #size = 0;

  /**
   * @param capacity how many values there is room for: 0 to 2^24. Memory is
   * taken as slots are used, not in advance
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  constructor(capacity: number, options?: SlabOptions) {
    const { firstKey = 0 } = requireOptions('options', options, OPTION_NAMES);
    this.#capacity = requireInteger('capacity', capacity, { min: 0, max: CAPACITY_MAX });
    // Keys are tokens: the last one has to be a safe integer as well.
    const range = { min: 0, max: Number.MAX_SAFE_INTEGER - CAPACITY_MAX };
    this.#firstKey = requireInteger('firstKey', firstKey, range);
  }

  /** How many values there are. */
  get size(): number {
    return this.#size;
  }

  /** How many values there can be. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Keeps a value and returns its key; null if the slab is full and did not take it. */
  insert(value: V): number | null {
    const slot = this.#firstFree === NONE ? this.#addSlot() : this.#firstFree;
    if (slot === NONE) return null;
    this.#firstFree = this.#nextFree[slot];
    this.#nextFree[slot] = OCCUPIED;
    this.#values[slot] = value;
    this.#size += 1;
    return slot + this.#firstKey;
  }

  /** The value; undefined if the key has none. @throws TypeError ERR_INVALID_ARG_TYPE */
  get(key: number): V | undefined {
    // A free slot holds undefined already, and so does what lies outside.
    return this.#values[this.#slotOf(key)];
  }

  /** Whether the key has a value. @throws TypeError ERR_INVALID_ARG_TYPE */
  contains(key: number): boolean {
    return this.#nextFree[this.#slotOf(key)] === OCCUPIED;
  }

  /**
   * Puts another value in the place of the one that the key has, and returns
   * that one; undefined, and nothing is kept, if the key has none.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  replace(key: number, value: V): V | undefined {
    if (!this.contains(key)) return undefined;
    const slot = this.#slotOf(key);
    const replaced = this.#values[slot];
    this.#values[slot] = value;
    return replaced;
  }

  /**
   * Takes the value out and frees its slot, which is the next to be used.
   * Undefined if the key has none.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  remove(key: number): V | undefined {
    if (!this.contains(key)) return undefined;
    const slot = this.#slotOf(key);
    const removed = this.#values[slot];
    this.#values[slot] = undefined;
    this.#nextFree[slot] = this.#firstFree;
    this.#firstFree = slot;
    this.#size -= 1;
    return removed;
  }

  /** Forgets all values, and gives the memory back. Keys begin at the first again. */
  clear(): void {
    this.#values = [];
    this.#nextFree = [];
    this.#firstFree = NONE;
    this.#size = 0;
  }

  /**
   * Keys and values, by ascending key. Values may be removed meanwhile; one
   * that is inserted meanwhile is met if its slot is still ahead.
   */
  *[Symbol.iterator](): IterableIterator<[key: number, value: V]> {
    for (let slot = 0; slot < this.#nextFree.length; slot++) {
      if (this.#nextFree[slot] !== OCCUPIED) continue;
      yield [slot + this.#firstKey, this.#values[slot] as V];
    }
  }

  /** As the slab's own iterator, keys alone. */
  *keys(): IterableIterator<number> {
    for (const [key] of this) yield key;
  }

  /** As the slab's own iterator, values alone. */
  *values(): IterableIterator<V> {
    for (const [, value] of this) yield value;
  }

  /** A slot that was never used, free; NONE if there are as many as there may be. */
  #addSlot(): number {
    const slot = this.#nextFree.length;
    if (slot === this.#capacity) return NONE;
    this.#nextFree.push(NONE);
    this.#values.push(undefined);
    return slot;
  }

  /** Any number: what is no key leads to no slot. Other types are a mistake of the caller's. */
  #slotOf(key: number): number {
    if (typeof key !== 'number') throw invalidType('key', 'a number', key);
    return key - this.#firstKey;
  }
}
