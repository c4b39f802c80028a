/**
 * Targets: the functions that a pool has been asked to run. Threads know them
 * by numbers, so that a task costs no text; and how long one took is the best
 * guess of how long it will take.
 */
import { AHEAD_ONE_MS } from '../limits.js';

/** How much the latest run counts in the average. */
const WEIGHT = 1 / 4;

/** Too long for anything to be sent ahead, before or behind it. */
const UNKNOWN_MS = 2 * AHEAD_ONE_MS;

export class Target {
  readonly number: number;
  readonly href: string;
  readonly name: string;
  /** The average of its recent runs. What never ran is taken for long. */
  expectedMs = UNKNOWN_MS;

  constructor(number: number, href: string, name: string) {
    this.number = number;
    this.href = href;
    this.name = name;
  }

  note(tookMs: number): void {
    const isFirst = this.expectedMs === UNKNOWN_MS;
    this.expectedMs += (tookMs - this.expectedMs) * (isFirst ? 1 : WEIGHT);
  }
}

export class Targets {
  readonly #modules = new Map<string, Map<string, Target>>();
  #count = 0;

  of(href: string, name: string): Target {
    let functions = this.#modules.get(href);
    if (functions === undefined) {
      functions = new Map();
      this.#modules.set(href, functions);
    }
    let target = functions.get(name);
    if (target === undefined) {
      target = new Target(this.#count++, href, name);
      functions.set(name, target);
    }
    return target;
  }
}
