/**
 * Guests: libraries that live on a loop which somebody else runs.
 *
 * A loop has one handler, and the tokens and payloads of its callbacks are the
 * handler's own. A library that wants sources and timeouts there, without a
 * part in that handler, is admitted as a guest. What it registers has no token
 * and brings its own recipient, which is called in the handler's stead:
 *
 *   event    ── registration ──┬── handler.ready(loop, token, ...)
 *                              └── recipient.ready(bits)
 *   timeout  ── payload ───────┬── handler.timeout(loop, payload, ...)
 *                              └── expiring.expire(settledMs)
 *   message  ── class ─────────┬── handler.notify(loop, message)
 *                              └── guest.mailed(subject, bytes)
 *
 * All rules of the tick hold for guests as they hold for handlers; their
 * timeouts count for `timerCapacity`, and their mail for `notifyCapacity`.
 */
import type { Driver } from '../poll/driver.js';
import type { Interest } from '../poll/interest.js';
import { PollOpt } from '../poll/poll-opt.js';
import type { Recipient, Registry } from '../poll/registry.js';
import type { Source } from '../poll/source.js';
import type { SenderHandle } from './crossing.js';
import type { EventLoop } from './event-loop.js';
import type { Timeout } from './timer-wheel.js';

/** Guests register without a token; no user's registration is found by it. */
const NO_TOKEN = -1;

/** Who lives on a loop that is not its own. */
export interface Guest {
  /**
   * The loop was closed, or the instance of the actor is gone. Called once, and
   * nothing is delivered afterwards; what is still open is the guest's to close.
   */
  dismissed(): void;
  /** What was sent to its {@link GuestHost.address}, in the order of messages. */
  mailed?(subject: number, bytes: Uint8Array): void;
}

/** A message to a guest, which comes through the channel of the loop as any other. */
export class GuestMail {
  readonly guest: number;
  /** What of the guest's it concerns. */
  readonly subject: number;
  readonly bytes: Uint8Array;

  constructor(guest: number, subject: number, bytes: Uint8Array) {
    this.guest = guest;
    this.subject = subject;
    this.bytes = bytes;
  }
}

/** Where mail for a guest goes, from any thread. */
export interface GuestAddress {
  readonly loop: SenderHandle;
  readonly guest: number;
}

/** What a guest's timeout calls. */
export interface Expiring {
  /**
   * `settledMs` is the sample that the timeout has waited for: everything that
   * had arrived by then has been delivered. Whatever else was due by that time
   * may be treated as expired, and nothing that became due after it (rule L2).
   */
  expire(settledMs: number): void;
}

/** What a guest does when the phase is over. */
export type Deferred = () => void;

/** What a loop offers to one guest. */
export interface GuestHost {
  readonly driver: Driver;

  /** Whether events and timeouts are being delivered, and will go on to be. */
  readonly isRunning: boolean;

  /** Level-triggered. Throws as `loop.register()` does. */
  register(source: Source, interest: Interest, recipient: Recipient): void;
  /** As `loop.reregister()`; the recipient stays. */
  reregister(source: Source, interest: Interest): void;
  /** Throws as `loop.timeout()` does. */
  timeout(expiring: Expiring, delayMs: number): Timeout;
  clearTimeout(timeout: Timeout): boolean;
  random(): number;

  /**
   * Calls back once the phase of the tick is over that is under way: for what
   * is better done once than after each of many callbacks. False outside of ticks.
   */
  defer(deferred: Deferred): boolean;

  /** Its own, never that of another guest. Throws MillraceError ERR_CHANNEL_CLOSED. */
  address(): GuestAddress;

  /**
   * Where what a callback threw goes if the guest does not handle it: it ends
   * the run, by being thrown on, or is the crash of the actor.
   */
  escaped(error: unknown): void;

  /** The guest is gone by itself. */
  leave(): void;
}

/** What the timeout of a guest carries. */
export class GuestTimer {
  readonly expiring: Expiring;

  constructor(expiring: Expiring) {
    this.expiring = expiring;
  }
}

/** What of a loop its guests have to do with. */
export interface GuestParts {
  loop: EventLoop;
  registry: Registry;
  driver: Driver;
  readonly defer: (deferred: Deferred) => boolean;
  /** Has mail delivered from now on, which other threads can send under this handle. */
  readonly openMail: () => SenderHandle;
}

/** The guests of a loop. */
export class Guests {
  readonly #parts: GuestParts;
  readonly #guests = new Set<Guest>();
  /** Those that have an address. */
  readonly #numbered = new Map<number, Guest>();
  #lastNumber = 0;

  constructor(parts: GuestParts) {
    this.#parts = parts;
  }

  admit(guest: Guest): GuestHost {
    this.#guests.add(guest);
    const { loop, registry, driver, defer, openMail } = this.#parts;
    let number = 0;
    return {
      driver,
      get isRunning() {
        return loop.isRunning;
      },
      register: (source, interest, recipient) =>
        registry.register(source, NO_TOKEN, interest, PollOpt.LEVEL, recipient),
      reregister: (source, interest) =>
        registry.reregister(source, NO_TOKEN, interest, PollOpt.LEVEL),
      timeout: (expiring, delayMs) => loop.timeout(new GuestTimer(expiring), delayMs),
      clearTimeout: (timeout) => loop.clearTimeout(timeout),
      random: () => loop.random(),
      defer,
      escaped: (error) => {
        throw error;
      },
      address: () => {
        const handle = openMail();
        if (number === 0) {
          number = this.#lastNumber += 1;
          this.#numbered.set(number, guest);
        }
        return { loop: handle, guest: number };
      },
      leave: () => {
        this.#guests.delete(guest);
        this.#numbered.delete(number);
      },
    };
  }

  /** What is for one that has left is for nobody. */
  deliver({ guest, subject, bytes }: GuestMail): void {
    this.#numbered.get(guest)?.mailed?.(subject, bytes);
  }

  dismissAll(): void {
    this.#numbered.clear();
    for (const guest of this.#guests) {
      this.#guests.delete(guest);
      guest.dismissed();
    }
  }
}
