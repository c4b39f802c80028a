/**
 * The actors of a shard, each in a numbered slot. A slot is used again under
 * another generation, so that what was sent to an actor of the past never
 * reaches its successor: slot and generation, 32 bits each, are what messages
 * from other threads are addressed with.
 */
import type { Cell } from './cell.js';

export interface Place {
  readonly slot: number;
  readonly generation: number;
}

export class CellTable {
  #cells: (Cell | null)[] = [];
  #freeSlots: number[] = [];
  #generation: number;

  /** Generations up to this one were given away before. */
  constructor(generation = 0) {
    this.#generation = generation;
  }

  get size(): number {
    return this.#cells.length - this.#freeSlots.length;
  }

  /** Puts in what `create` makes for its place; nothing if it throws. */
  insert(create: (place: Place) => Cell): Cell {
    const slot = this.#freeSlots.at(-1) ?? this.#cells.length;
    this.#generation = (this.#generation + 1) >>> 0;
    const cell = create({ slot, generation: this.#generation });
    if (slot === this.#cells.length) this.#cells.push(cell);
    else this.#cells[this.#freeSlots.pop() as number] = cell;
    return cell;
  }

  /** Puts it where it was in a table before this one, of which nothing was removed yet. */
  restore(place: Place, create: (place: Place) => Cell): Cell {
    const cell = create(place);
    while (this.#cells.length <= place.slot) {
      this.#freeSlots.push(this.#cells.length);
      this.#cells.push(null);
    }
    this.#freeSlots = this.#freeSlots.filter((slot) => slot !== place.slot);
    this.#cells[place.slot] = cell;
    return cell;
  }

  /** The latest that was given away. */
  get generation(): number {
    return this.#generation;
  }

  find(slot: number, generation: number): Cell | null {
    const cell = this.#cells[slot];
    return cell?.generation === generation ? cell : null;
  }

  /** Whoever is in the slot. */
  at(slot: number): Cell | null {
    return this.#cells[slot] ?? null;
  }

  remove({ slot }: Place): void {
    this.#cells[slot] = null;
    this.#freeSlots.push(slot);
    if (this.size > 0) return;
    // Generations are drawn for all slots together, so that the memory of a
    // million slots can be given back with the last of them.
    this.#cells = [];
    this.#freeSlots = [];
  }

  all(): Cell[] {
    return this.#cells.filter((cell) => cell !== null);
  }
}
