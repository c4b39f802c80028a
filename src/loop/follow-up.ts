import { FOLLOW_UP_RETRY, FOLLOW_UP_WEIGHT, FOLLOW_UP_YIELD_MIN } from '../limits.js';

/**
 * Whether a loop that just had events should poll once more before it sleeps.
 *
 * With many busy sources the second poll nearly always finds something and
 * saves a sleep and a wake-up; with one peer that waits for each answer it
 * never does, and costs a system call and a tick per request. So the share of
 * follow-ups that found something decides, with a try now and then where it is
 * low, to notice a change. Nothing depends on it but cost: going to sleep
 * looks at readiness afresh.
 */
export class FollowUp {
  #yield = 1;
  #left = 0;

  isWorthwhile(): boolean {
    if (this.#yield >= FOLLOW_UP_YIELD_MIN) return true;
    this.#left += 1;
    if (this.#left < FOLLOW_UP_RETRY) return false;
    this.#left = 0;
    return true;
  }

  /** What the last follow-up found. */
  note(found: boolean): void {
    this.#yield += ((found ? 1 : 0) - this.#yield) * FOLLOW_UP_WEIGHT;
  }
}
