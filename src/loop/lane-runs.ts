/**
 * LaneRuns: where messages of other threads stand in the inbox.
 *
 * They stay in their lanes until they are handed out; the inbox's order says
 * only how many come next from which lane. Positions count from the inbox's
 * first message:
 *
 *   position  5    6    7    8    9    10   11
 *             [ lane A, 2 ][ own    ][ lane B, 3  ]
 *
 * A lane that throws is broken: its thread died in the middle of a message
 * (rule C6). What stands here of it is passed over, and counted as lost.
 */
import type { Lane } from './crossing.js';

/** Messages of one lane that follow each other; a list, since `shift()` of a long array is slow. */
interface Run<M> {
  lane: Lane<M>;
  /** The position of the next, and that after the last. */
  at: number;
  end: number;
  next: Run<M> | null;
}

export class LaneRuns<M> {
  readonly #broken = new WeakSet<Lane<M>>();
  /** Whether any lane ever was: asked after each message, which the set would make dear. */
  #hasBroken = false;
  #first: Run<M> | null = null;
  #last: Run<M> | null = null;

  /** Messages ever announced; and handed out or given up. */
  announced = 0;
  passed = 0;
  lost = 0;

  /** The position of the next message that stands in a lane. */
  nextAt = Infinity;

  /** `at` is the position after all that the inbox has. */
  add(lane: Lane<M>, count: number, at: number): void {
    if (count === 0) return;
    this.announced += count;
    const last = this.#last;
    if (last !== null && last.lane === lane && last.end === at) {
      last.end += count;
      return;
    }
    const run = { lane, at, end: at + count, next: null };
    this.#last = run;
    if (last === null) this.#setFirst(run);
    else last.next = run;
  }

  /** The message at {@link nextAt}. Throws, once for each lane, when it cannot be read. */
  take(): M {
    const run = this.#first as Run<M>;
    this.passed += 1;
    run.at += 1;
    if (run.at === run.end) this.#setFirst(run.next);
    else this.nextAt = run.at;
    try {
      return run.lane.take();
    } catch (error) {
      this.#broken.add(run.lane);
      this.#hasBroken = true;
      this.lost += 1;
      throw error;
    }
  }

  /** Whether what stands at {@link nextAt} cannot be read. */
  get isNextBroken(): boolean {
    return this.#hasBroken && this.#first !== null && this.#broken.has(this.#first.lane);
  }

  /** Passes over the run at {@link nextAt}; returns of how many messages. */
  giveUp(): number {
    const { at, end, next } = this.#first as Run<M>;
    this.passed += end - at;
    this.lost += end - at;
    this.#setFirst(next);
    return end - at;
  }

  #setFirst(run: Run<M> | null): void {
    this.#first = run;
    if (run === null) this.#last = null;
    this.nextAt = run === null ? Infinity : run.at;
  }
}
