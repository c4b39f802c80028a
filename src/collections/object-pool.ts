/**
 * ObjectPool: objects that are costly to make, used again.
 *
 * The pool knows which objects it gave out. Releasing one twice would give it
 * to two users at once, and the damage would show far from its cause; so that
 * is an error at the second release, and so is an object of somebody else's.
 *
 * The books are kept in weak sets: an object that is acquired and never
 * released is lost to the pool, but not to the garbage collector.
 */
import { invalidType, invalidValue, MillraceError, shown } from '../errors.js';
import { requireInteger, requireOptions } from '../validate.js';

const CAPACITY_MAX = 2 ** 24;

/** Bounds what a burst leaves behind: 8 MiB of buffers of 8 KiB. */
const DEFAULT_IDLE_CAPACITY = 1024;

const OPTION_NAMES = ['idleCapacity'] as const;

/** Options of an {@link ObjectPool}. */
export interface ObjectPoolOptions {
  /**
   * How many objects are kept for later at most; what is released beyond that
   * is left to the garbage collector. From `initial` to 2^24.
   *
   * @default 1024, or `initial` if that is more
   */
  idleCapacity?: number;
}

/**
 * Objects that are costly to make, used again. Hands out as many as are asked
 * for, and keeps so many for later at most. Of one thread.
 *
 * @typeParam V objects
 */
export class ObjectPool<V extends object> {
  readonly #factory: () => V;
  readonly #reset: ((value: V) => void) | undefined;
  readonly #idleCapacity: number;
  readonly #idle: V[] = [];
  readonly #made = new WeakSet<V>();
  readonly #inUse = new WeakSet<V>();
  #inUseCount = 0;

  /**
   * @param initial how many objects are made at once, 0 to 2^24
   * @param factory makes an object, another one at each call
   * @param reset brings an object back to its first state. Called at its
   * release, so that an idle object holds on to nothing of its last user's
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION, and
   * ERR_INVALID_ARG_VALUE for what the factory returns; RangeError ERR_OUT_OF_RANGE
   */
  constructor(
    initial: number,
    factory: () => V,
    reset?: (value: V) => void,
    options?: ObjectPoolOptions,
  ) {
    requireInteger('initial', initial, { min: 0, max: CAPACITY_MAX });
    if (typeof factory !== 'function') throw invalidType('factory', 'a function', factory);
    if (reset !== undefined && typeof reset !== 'function') {
      throw invalidType('reset', 'a function', reset);
    }
    const { idleCapacity = Math.max(initial, DEFAULT_IDLE_CAPACITY) } = requireOptions(
      'options',
      options,
      OPTION_NAMES,
    );
    requireInteger('idleCapacity', idleCapacity, { min: initial, max: CAPACITY_MAX });
    this.#factory = factory;
    this.#reset = reset;
    this.#idleCapacity = idleCapacity;
    for (let count = 0; count < initial; count++) this.#idle.push(this.#make());
  }

  /** How many objects wait to be acquired. */
  get idleCount(): number {
    return this.#idle.length;
  }

  /** How many were acquired and not released. */
  get inUseCount(): number {
    return this.#inUseCount;
  }

  /**
   * The object that was released last, or a new one if none is idle.
   *
   * @throws what the factory throws; TypeError ERR_INVALID_ARG_VALUE for what it returns
   */
  acquire(): V {
    const value = this.#idle.pop() ?? this.#make();
    this.#inUse.add(value);
    this.#inUseCount += 1;
    return value;
  }

  /**
   * Gives an object back, which must not be used from then on. If `reset`
   * throws, the object is not kept, and the error is passed on.
   *
   * @throws ERR_DOUBLE_RELEASE, ERR_FOREIGN_RELEASE
   */
  release(value: V): void {
    if (!this.#inUse.delete(value)) throw this.#notInUse(value);
    this.#inUseCount -= 1;
    this.#reset?.(value);
    if (this.#idle.length < this.#idleCapacity) this.#idle.push(value);
  }

  /**
   * Calls `fn` with an object, releases the object however that ends, and
   * returns what `fn` returned. If that is a promise, the object is released
   * when the promise settles.
   *
   * @throws what `fn` throws; else as {@link acquire} and {@link release}
   */
  use<R>(fn: (value: V) => R): R {
    if (typeof fn !== 'function') throw invalidType('fn', 'a function', fn);
    const value = this.acquire();
    let isPending = false;
    try {
      const result = fn(value);
      if (!(result instanceof Promise)) return result;
      isPending = true;
      return result.finally(() => this.release(value)) as R;
    } finally {
      if (!isPending) this.release(value);
    }
  }

  #make(): V {
    const value: unknown = this.#factory();
    const isObject = typeof value === 'object' ? value !== null : typeof value === 'function';
    if (!isObject || this.#made.has(value as V)) {
      throw invalidValue('what the factory returns', 'an object, a new one each time', value);
    }
    this.#made.add(value as V);
    return value as V;
  }

  #notInUse(value: V): MillraceError {
    if (this.#made.has(value)) {
      return new MillraceError(
        'ERR_DOUBLE_RELEASE',
        `${shown(value)} was released already; release an object once, by its last user`,
      );
    }
    return new MillraceError(
      'ERR_FOREIGN_RELEASE',
      `${shown(value)} does not come from this pool; release it where it was acquired`,
    );
  }
}
