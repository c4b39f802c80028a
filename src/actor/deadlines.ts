/**
 * Deadlines of the runtime itself: asks, back-offs, stops.
 *
 * They have a wheel of their own, so that they are not refused when the timers
 * of the actors are at their capacity, and so that arming and clearing one,
 * which each ask does, costs no more than two list operations. One timer of the
 * loop stands for all of them. It fires by the same rule as any other: an
 * answer that had arrived by the deadline is delivered before it (rule L2).
 */
import type { EventLoop } from '../loop/event-loop.js';
import { type Timeout, TimerWheel } from '../loop/timer-wheel.js';
import type { Driver } from '../poll/driver.js';

const WHEEL = { slotMs: 1, slots: 1024, capacity: Infinity };

/** A wheel keeps the memory of its busiest moment; one that had more than this is not kept. */
const KEPT_SIZE = 4096;

/** When nothing is pending the loop's timer waits this long: 30 years. */
const PARKED_MS = 1e12;

export interface Expiring {
  expire(): void;
}

/** What the loop's timer carries. */
export class Alarm {
  readonly deadlines: Deadlines;

  constructor(deadlines: Deadlines) {
    this.deadlines = deadlines;
  }
}

export class Deadlines {
  readonly #loop: EventLoop;
  readonly driver: Driver;
  #wheel = new TimerWheel(WHEEL);
  #isLarge = false;
  readonly #alarm = new Alarm(this);
  /** Pending always, so that its place among the loop's timers is never taken by others. */
  #timeout: Timeout;
  #alarmMs = Infinity;

  constructor(loop: EventLoop, driver: Driver) {
    this.#loop = loop;
    this.driver = driver;
    this.#timeout = loop.timeout(this.#alarm, PARKED_MS);
  }

  /** Calls `expiring.expire()` in a tick, `delayMs` from now. */
  arm(expiring: Expiring, delayMs: number): Timeout {
    const deadlineMs = this.driver.nowOrLater() + delayMs;
    const timeout = this.#wheel.arm(expiring, deadlineMs) as Timeout;
    if (this.#wheel.size > KEPT_SIZE) this.#isLarge = true;
    if (deadlineMs < this.#alarmMs) this.#setAlarm(deadlineMs);
    return timeout;
  }

  clear(timeout: Timeout): void {
    this.#wheel.clear(timeout);
    if (this.#isLarge && this.#wheel.size === 0) this.#renew();
    // The alarm stays: a wake-up now and then costs less than to move it with each ask.
  }

  /**
   * The loop's timer has fired, which was due at `dueMs`. What is due since
   * then waits for the next tick: only up to there is it certain that all that
   * had arrived has been delivered.
   */
  ring(dueMs: number): void {
    this.#timeout = this.#loop.timeout(this.#alarm, PARKED_MS);
    this.#alarmMs = Infinity;
    this.#wheel.collect(dueMs, this.#wheel.sequence);
    const wheel = this.#wheel;
    while (wheel.hasDue) (wheel.fire(dueMs).payload as Expiring).expire();
    const { nextMs } = this.#wheel;
    if (nextMs < this.#alarmMs) this.#setAlarm(nextMs);
  }

  #renew(): void {
    this.#wheel = new TimerWheel(WHEEL);
    this.#isLarge = false;
  }

  #setAlarm(deadlineMs: number): void {
    this.#alarmMs = deadlineMs;
    this.#loop.clearTimeout(this.#timeout);
    const delayMs = Math.max(0, deadlineMs - this.driver.now());
    this.#timeout = this.#loop.timeout(this.#alarm, delayMs);
  }
}
