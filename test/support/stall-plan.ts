/** When a follower stalls, where, and for how long. */
import { type FollowerOptions, monotonicMs, type Place } from './heartbeats.js';
import { type Random, random } from './random.js';

/** From the end of a stall the follower is well for so long, whatever it has to catch up with. */
const RECOVERY_MS = 100;

/** A follower that hears nothing for so many timeouts in a row has lost its source. */
const TIMEOUTS_MAX = 40;

export class StallPlan {
  readonly random: Random;
  readonly #options: FollowerOptions;
  #recoveredAtMs = monotonicMs() + RECOVERY_MS;
  #silent = 0;
  #pending = false;
  done = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.random = random(options.seed);
  }

  /** A heartbeat came. Returns where to stall next, or null to go on. */
  next(): Place | null {
    this.#silent = 0;
    const { places, stalls } = this.#options;
    if (this.#pending || places.length === 0 || this.done >= stalls) return null;
    if (!this.#isRecovered) return null;
    this.#pending = true;
    return places[Math.floor(this.random.next() * places.length)] ?? null;
  }

  /** Whether a stall was decided on that has not happened. */
  get isPending(): boolean {
    return this.#pending;
  }

  /** The stall itself. */
  stall(): void {
    const { stallMinMs, stallMaxMs, spin } = this.#options;
    holdThread(stallMinMs + this.random.next() * (stallMaxMs - stallMinMs), spin);
    this.#pending = false;
    this.done += 1;
    this.#recoveredAtMs = monotonicMs() + RECOVERY_MS;
  }

  /** A timeout came. */
  timedOut(): void {
    this.#silent += 1;
    if (this.#silent < TIMEOUTS_MAX || this.#options.silentTimeouts > 0) return;
    throw new Error('the source of heartbeats is silent');
  }

  /** Whether all stalls have happened, and what followed the last one has been seen. */
  get isOver(): boolean {
    const { stalls } = this.#options;
    return stalls > 0 && this.done >= stalls && this.#isRecovered;
  }

  get #isRecovered(): boolean {
    return monotonicMs() >= this.#recoveredAtMs;
  }
}

const cell = new Int32Array(new SharedArrayBuffer(4));

function holdThread(ms: number, spin: boolean): void {
  if (!spin) {
    Atomics.wait(cell, 0, 0, ms);
    return;
  }
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}
