import type { Expiring, GuestHost } from '../loop/guest.js';
import type { Timeout } from '../loop/timer-wheel.js';

/** When nothing is waited for the timer stands this far ahead: 30 years. */
const PARKED_MS = 1e12;

/**
 * The one timer of a server or client, for all that it waits for.
 *
 * It is pending from the start, parked if need be, so that its place among the
 * loop's timers is never taken by others when it is wanted.
 */
export class Alarm implements Expiring {
  readonly #host: GuestHost;
  readonly #ring: (settledMs: number) => void;
  #timeout: Timeout;
  #dueMs = Infinity;

  constructor(host: GuestHost, ring: (settledMs: number) => void) {
    this.#host = host;
    this.#ring = ring;
    this.#timeout = host.timeout(this, PARKED_MS);
  }

  /**
   * Rings at this time, or before: it is not moved back when what it was set
   * for is off, and whoever is called looks what is due.
   */
  set(dueMs: number): void {
    if (dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.#host.clearTimeout(this.#timeout);
    const delayMs = Math.max(0, dueMs - this.#host.driver.now());
    this.#timeout = this.#host.timeout(this, delayMs);
  }

  expire(settledMs: number): void {
    this.#dueMs = Infinity;
    this.#timeout = this.#host.timeout(this, PARKED_MS);
    this.#ring(settledMs);
  }

  cancel(): void {
    this.#host.clearTimeout(this.#timeout);
  }
}
