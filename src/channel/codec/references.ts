/**
 * The objects of a frame by the order in which they were met, so that one
 * which is met again can be referred to.
 *
 * Most messages have a handful of objects, for which comparing them in turn
 * costs less than any table. Beyond that a Map takes over.
 */
const COMPARED_MAX = 12;

export class References {
  readonly #few: unknown[] = new Array(COMPARED_MAX).fill(undefined);
  #many: Map<unknown, number> | null = null;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of an object that was met before; otherwise notes it and returns -1. */
  meet(value: unknown): number {
    if (this.#many !== null) return this.#meetMany(this.#many, value);
    const count = this.#count;
    const few = this.#few;
    for (let number = 0; number < count; number++) if (few[number] === value) return number;
    if (count === COMPARED_MAX) return this.#meetMany(this.#moved(), value);
    few[count] = value;
    this.#count = count + 1;
    return -1;
  }

  /** Forgets what was met since there were so many. */
  truncate(count: number): void {
    for (const [value, number] of this.#many ?? []) {
      if (number >= count) this.#many?.delete(value);
    }
    if (this.#many === null) this.#few.fill(undefined, count, this.#count);
    this.#count = count;
  }

  /** Keeps no message alive after it was sent. */
  clear(): void {
    if (this.#many === null) {
      for (let number = this.#count - 1; number >= 0; number--) this.#few[number] = undefined;
    }
    this.#many = null;
    this.#count = 0;
  }

  #moved(): Map<unknown, number> {
    this.#many = new Map(this.#few.map((value, number) => [value, number]));
    this.#few.fill(undefined);
    return this.#many;
  }

  #meetMany(many: Map<unknown, number>, value: unknown): number {
    const number = many.get(value);
    if (number !== undefined) return number;
    many.set(value, this.#count);
    this.#count += 1;
    return -1;
  }
}
