import type { Lateness } from '../loop/handler.js';
import type { Timeout } from '../loop/timer-wheel.js';

/** Whose timer it is. */
export interface TimerOwner {
  fired(timer: ActorTimer, late: Lateness): void;
}

/**
 * A timeout of an actor: what the loop's timeout carries. Those of one instance
 * are linked, so that they can be cleared with it.
 */
export class ActorTimer {
  readonly owner: TimerOwner;
  readonly payload: unknown;
  readonly isInterval: boolean;
  timeout!: Timeout;
  next: ActorTimer | null = null;
  previous: ActorTimer | null = null;

  constructor(owner: TimerOwner, payload: unknown, isInterval: boolean) {
    this.owner = owner;
    this.payload = payload;
    this.isInterval = isInterval;
  }
}
