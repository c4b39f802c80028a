/** What the actor contenders are asked for, on top of `protocol.ts`. */
import type { Rate } from './protocol.js';

export type Measure = 'tell' | 'askOne' | 'askMany' | 'spawn' | 'memory';

/** A measure over and over for `ms`; of `memory` the count of idle actors. */
export interface ActorRequest {
  readonly measure: Measure;
  readonly ms: number;
  readonly count: number;
}

/** Messages that are under way together, below the capacity of a mailbox. */
export const TELLS = 4000;
export const ASKS = 256;
export const SPAWNS = 1000;

/** Repeats an asynchronous `batch` of `size` operations for `ms`. */
export async function rateOfBatches(
  ms: number,
  size: number,
  batch: () => Promise<void>,
): Promise<Rate> {
  const begin = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < ms) {
    await batch();
    count += size;
    elapsedMs = performance.now() - begin;
  }
  return { count, elapsedMs };
}

/** A sum that is reached when the last message of a batch has been handled. */
export class Tally {
  #sum = 0;
  #wanted = 0;
  #reached: () => void = () => {};

  add(amount: number): void {
    this.#sum += amount;
    if (this.#sum === this.#wanted) this.#reached();
  }

  /** Resolves when `amount` more was added: not earlier, and never if it is exceeded. */
  await(amount: number): Promise<void> {
    this.#wanted = this.#sum + amount;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }
}

export function check(answer: unknown, expected: unknown): void {
  if (answer !== expected) throw new Error(`answered ${String(answer)}, not ${String(expected)}`);
}
