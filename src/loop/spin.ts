/**
 * Spin: a loop that ran out of work looks out for messages of other threads a
 * little longer before it sleeps.
 *
 * Two threads that answer each other within microseconds would otherwise pay
 * for a wake-up each way, some 25 us. The lookout costs processor time, so it
 * is kept where most recent ones found something in time.
 *
 * Where the loop sleeps instead, nobody can see that it need not: both sides
 * wait for each other's wake-ups. So after a number of sleeps that a message
 * ended soon there is a trial, in which lookouts are long enough to outlast a
 * wake-up of the other side. If both sides are on trial at a time, or one is
 * and the other spins, messages come at once, and it stays so. Trials that
 * fail become rare. Waits that something else ends never lead to one, so an
 * idle loop has none.
 */
import {
  SPIN_TRIAL_FACTOR,
  SPIN_TRIAL_GAP_MAX,
  SPIN_TRIAL_GAP_MIN,
  SPIN_TRIAL_MISSES_MAX,
  SPIN_TRIAL_SPINS,
  SPIN_WEIGHT,
  SPIN_YIELD_MIN,
} from '../limits.js';

export class Spin {
  readonly #spinMs: number;
  readonly #trialMs: number;

  /** The share of recent lookouts that found something within `#spinMs`. */
  #yield = 0;

  /** Lookouts left in the trial under way, and those of it that found nothing. */
  #trialLeft = 0;
  #misses = 0;

  /** Sleeps that a message ended soon, since the last trial; how many make for the next. */
  #shortSleeps = 0;
  #gap = SPIN_TRIAL_GAP_MIN;

  /** 0: never. */
  constructor(spinMs: number) {
    this.#spinMs = spinMs;
    this.#trialMs = spinMs * SPIN_TRIAL_FACTOR;
  }

  /** For how long a lookout that begins now should go on; 0: not at all. */
  get durationMs(): number {
    if (this.#trialLeft > 0) return this.#trialMs;
    return this.#yield >= SPIN_YIELD_MIN ? this.#spinMs : 0;
  }

  /** What a lookout came to. */
  note(found: boolean, tookMs: number): void {
    const inTime = found && tookMs <= this.#spinMs;
    this.#yield += ((inTime ? 1 : 0) - this.#yield) * SPIN_WEIGHT;
    if (this.#trialLeft === 0) return;
    this.#trialLeft -= 1;
    if (!found) this.#misses += 1;
    if (this.#misses >= SPIN_TRIAL_MISSES_MAX) this.#trialLeft = 0;
    if (this.#yield >= SPIN_YIELD_MIN) {
      this.#gap = SPIN_TRIAL_GAP_MIN;
    } else if (this.#trialLeft === 0) {
      this.#gap = Math.min(this.#gap * 2, SPIN_TRIAL_GAP_MAX);
    }
  }

  /** A message from another thread ended a sleep. */
  noteSleep(tookMs: number): void {
    if (tookMs > this.#trialMs) return;
    this.#shortSleeps += 1;
    if (this.#shortSleeps < this.#gap) return;
    this.#shortSleeps = 0;
    this.#misses = 0;
    this.#trialLeft = SPIN_TRIAL_SPINS;
  }
}
