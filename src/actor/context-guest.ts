import type { Deferred, Expiring, Guest, GuestAddress, GuestHost } from '../loop/guest.js';
import type { Timeout } from '../loop/timer-wheel.js';
import type { Driver } from '../poll/driver.js';
import type { Interest } from '../poll/interest.js';
import type { Recipient } from '../poll/registry.js';
import type { Source } from '../poll/source.js';
import type { Context } from './context.js';
import type { Shard } from './shard.js';

/**
 * A guest of an actor: lives on the loop of the shard, and ends with the
 * instance whose context it was admitted to. Events and timeouts come straight
 * from the loop; only what its callbacks throw concerns the actor.
 */
export class ContextGuest implements Guest, GuestHost {
  readonly #context: Context;
  readonly #guest: Guest;
  readonly #others: Set<ContextGuest>;
  readonly #host: GuestHost;

  constructor(
    context: Context,
    guest: Guest,
    { shard, guests }: { shard: Shard; guests: Set<ContextGuest> },
  ) {
    this.#context = context;
    this.#guest = guest;
    this.#others = guests;
    this.#host = shard.loop.admit(this);
    guests.add(this);
  }

  get driver(): Driver {
    return this.#host.driver;
  }

  get isRunning(): boolean {
    return this.#host.isRunning && !this.#context.closed;
  }

  register(source: Source, interest: Interest, recipient: Recipient): void {
    this.#host.register(source, interest, recipient);
  }

  reregister(source: Source, interest: Interest): void {
    this.#host.reregister(source, interest);
  }

  timeout(expiring: Expiring, delayMs: number): Timeout {
    return this.#host.timeout(expiring, delayMs);
  }

  clearTimeout(timeout: Timeout): boolean {
    return this.#host.clearTimeout(timeout);
  }

  random(): number {
    return this.#host.random();
  }

  defer(deferred: Deferred): boolean {
    return this.#host.defer(deferred);
  }

  address(): GuestAddress {
    return this.#host.address();
  }

  mailed(subject: number, bytes: Uint8Array): void {
    this.#guest.mailed?.(subject, bytes);
  }

  escaped(error: unknown): void {
    this.#context.guestFailed(error);
  }

  leave(): void {
    this.#others.delete(this);
    this.#host.leave();
  }

  dismissed(): void {
    this.leave();
    this.#guest.dismissed();
  }
}
