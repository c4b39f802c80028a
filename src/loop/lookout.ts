/**
 * Lookout: the moments between the end of a loop's work and its sleep, in
 * which it only looks for messages of other threads. No tick and no poll
 * belong to it; `spin.ts` decides whether there is one, and how long.
 *
 *   tick ─ tick ─ look look look look ─ tick ─ sleep
 *          └ nothing left to do          └ polls once more
 */
import type { Driver } from '../poll/driver.js';
import type { Inbox } from './inbox.js';
import { Spin } from './spin.js';

type Arrivals = Pick<Inbox<unknown>, 'isShared' | 'arrived' | 'size' | 'intake'>;

export class Lookout {
  readonly #driver: Driver;
  readonly #inbox: Arrivals;
  readonly #isWanted: boolean;
  readonly #spin: Spin;

  /** Of the one under way; 0: none is. */
  #endMs = 0;
  #beganMs = 0;
  /** Whether its first look found nothing. */
  #isVain = false;

  /** What the loop had done when it last ran out of work. */
  #work = 0;

  /** When the loop went to sleep; 0: that was noted. */
  #sleptAtMs = 0;

  /** Messages of other threads that had come when a lookout or a sleep began. */
  #arrivedBefore = 0;

  constructor(driver: Driver, inbox: Arrivals, spinUs: number) {
    this.#driver = driver;
    this.#inbox = inbox;
    this.#isWanted = spinUs > 0;
    this.#spin = new Spin(spinUs / 1000);
  }

  get isUnderWay(): boolean {
    return this.#endMs > 0;
  }

  /**
   * The loop has nothing left to do. Begins a lookout if one is worthwhile.
   * `work` counts all that it ever did, so that there is one for each time.
   */
  begin(work: number): boolean {
    if (!this.#isWanted || !this.#inbox.isShared || work === this.#work) return false;
    this.#work = work;
    const { durationMs } = this.#spin;
    if (durationMs === 0) return false;
    this.#arrivedBefore = this.#inbox.arrived;
    this.#inbox.intake();
    this.#isVain = this.#inbox.arrived === this.#arrivedBefore;
    this.#beganMs = this.#driver.now();
    this.#endMs = this.#beganMs + durationMs;
    return true;
  }

  /** Another look. False when that was the last: there is a message, or it is time. */
  goesOn(deadlineMs: number): boolean {
    // The sender may be waiting for this very processor: others keep the rest
    // of the machine busy, or the scheduler has put both threads here.
    if (this.#isVain) this.#driver.threads.yield();
    this.#inbox.intake();
    const nowMs = this.#driver.now();
    const hasArrived = this.#inbox.arrived !== this.#arrivedBefore;
    const isOver = nowMs >= this.#endMs;
    if (!hasArrived && !isOver && this.#inbox.size === 0 && nowMs < deadlineMs) return true;
    // What the first look finds was there already, and would have kept the
    // loop from sleeping: no credit to the lookout. What else ends it, a timer
    // or a message of this thread, says nothing.
    const isCredit = hasArrived && this.#isVain;
    if (isCredit || (isOver && !hasArrived)) this.#spin.note(hasArrived, nowMs - this.#beganMs);
    this.#endMs = 0;
    return false;
  }

  cancel(): void {
    this.#endMs = 0;
  }

  /** The loop sleeps, or blocks, from now on. */
  sleep(): void {
    if (!this.#isWanted || !this.#inbox.isShared) return;
    this.#arrivedBefore = this.#inbox.arrived;
    this.#sleptAtMs = this.#driver.now();
  }

  /** The loop is awake again, and has let in what had come. */
  woke(): void {
    if (this.#sleptAtMs === 0) return;
    const tookMs = this.#driver.now() - this.#sleptAtMs;
    this.#sleptAtMs = 0;
    if (this.#inbox.arrived !== this.#arrivedBefore) this.#spin.noteSleep(tookMs);
  }
}
