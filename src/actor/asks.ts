/**
 * Asks: the questions that this thread has asked and that were not answered
 * yet. Each settles once, by whatever comes first: the answer, an error, its
 * deadline, the abort signal (rule A5).
 */
import { closeFlights } from '../channel/close-flights.js';
import { MillraceError } from '../errors.js';
import type { Timeout } from '../loop/timer-wheel.js';
import type { Deadlines, Expiring } from './deadlines.js';
import type { Link } from './link.js';
import type { Question } from './mailbox.js';
import type { Request } from './request.js';

export class PendingAsk implements Request, Expiring {
  readonly method: string | null;
  readonly #deadlines: Deadlines;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  #deadline: Timeout | null;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  readonly promise: Promise<unknown>;

  constructor({ method, timeoutMs, signal }: Question, deadlines: Deadlines) {
    this.method = method;
    this.#deadlines = deadlines;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#deadline = deadlines.arm(this, timeoutMs);
    signal?.addEventListener('abort', this);
  }

  answer(value: unknown): void {
    if (this.#settle()) this.#resolve(value);
    else closeFlights(this.#deadlines.driver, value);
  }

  fail(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  expire(): void {
    this.fail(
      new MillraceError(
        'ERR_ASK_TIMEOUT',
        `no answer within ${this.#timeoutMs} ms; raise timeoutMs, or see why the actor is slow`,
      ),
    );
  }

  /** The signal's listener is the ask itself, which saves a closure. */
  handleEvent(): void {
    this.fail(this.#signal?.reason);
  }

  /** Whether it was still open. */
  #settle(): boolean {
    if (this.#deadline === null) return false;
    this.#deadlines.clear(this.#deadline);
    this.#deadline = null;
    this.#signal?.removeEventListener('abort', this);
    this.settled();
    return true;
  }

  /** Called once, before the promise settles. */
  protected settled(): void {}
}

/** An ask whose answer comes by mail. */
export class RemoteAsk extends PendingAsk {
  readonly id: number;
  readonly #link: Link;

  constructor(question: Question, link: Link) {
    super(question, link.peers.deadlines);
    this.#link = link;
    this.id = link.expect(this);
  }

  protected override settled(): void {
    this.#link.forget(this.id);
  }
}
