/**
 * Alarm: the deadline that the poller has, so that a loop that sleeps wakes up
 * for its next timer. The poller is told only what it does not know.
 */
import { systemError } from '../errors.js';
import { DEADLINE_SLACK_MS } from '../limits.js';
import type { Poller } from '../poll/driver.js';
import type { Registry } from '../poll/registry.js';
import type { TimerWheel } from './timer-wheel.js';

export class Alarm {
  readonly #poller: Poller;
  readonly #wheel: TimerWheel;
  readonly #registry: Registry;

  /** Infinity: it has none. */
  #armedMs = Infinity;

  constructor(poller: Poller, wheel: TimerWheel, registry: Registry) {
    this.#poller = poller;
    this.#wheel = wheel;
    this.#registry = registry;
  }

  /** When there is something to do next, by the clock alone. */
  get nextMs(): number {
    return Math.min(this.#wheel.nextMs, this.#registry.resumeAtMs);
  }

  /**
   * It is `nowMs`. A deadline that has passed was used up by the poller, be it
   * that its clock is ahead of ours by a hair.
   */
  note(nowMs: number): void {
    if (nowMs >= this.#armedMs - DEADLINE_SLACK_MS) this.#armedMs = Infinity;
  }

  /** The loop is about to sleep. */
  arm(): void {
    const { nextMs } = this;
    if (nextMs === this.#armedMs) return;
    const result = this.#set(nextMs);
    // To sleep without it would be to lose a timeout.
    if (result < 0) throw systemError(result, 'setDeadline');
  }

  /** Timeouts were armed or cleared while the loop sleeps. */
  reset(): void {
    const { nextMs } = this;
    if (nextMs === this.#armedMs) return;
    // If the system refuses, the loop takes a turn, and finds out in arm().
    if (this.#set(nextMs) < 0) this.#poller.wake();
  }

  #set(timeMs: number): number {
    const result = this.#poller.setDeadline(timeMs);
    if (result >= 0) this.#armedMs = timeMs;
    return result;
  }
}
