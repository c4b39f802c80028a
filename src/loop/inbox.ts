/**
 * Inbox: the bounded queue of messages for one loop, and those who wait for
 * room in it.
 *
 *   pushed 7 ─ popped 3 = 4 waiting
 *   ring:  [ . | m3 | m4 | m5 | m6 | . | . | . ]     grows by doubling,
 *                ^ head            ^ tail            up to the capacity
 *
 * Messages on the same thread are passed by reference. The counts only grow,
 * so that "everything that was queued at that moment" is one number to
 * compare with (rule L2).
 */
import { channel as diagnosticsChannel } from 'node:diagnostics_channel';
import { MillraceError } from '../errors.js';

/** Published for each message that is refused (rule C3). */
export interface RefusedMessage {
  reason: 'full' | 'closed';
  capacity: number;
  message: unknown;
}

const refusedChannel = diagnosticsChannel('millrace:refused');

const INITIAL_RING = 16;

/** A `sendAsync()` that waits for room. */
interface Waiter<M> {
  message: M;
  admitted(): void;
  rejected(error: Error): void;
}

export class Inbox<M> {
  readonly capacity: number;
  readonly #wake: () => void;
  #ring: (M | undefined)[] = new Array(INITIAL_RING).fill(undefined);
  #mask = INITIAL_RING - 1;
  #waiters = new Set<Waiter<M>>();

  /** Messages ever taken in, and ever handed out. */
  pushed = 0;
  popped = 0;
  refused = 0;
  closed = false;

  /** Set by the loop when it goes to sleep; the next message wakes it (rule C5). */
  sleeping = false;

  constructor(capacity: number, wake: () => void) {
    this.capacity = capacity;
    this.#wake = wake;
  }

  get size(): number {
    return this.pushed - this.popped;
  }

  /** False if full or closed; the message was not taken then. */
  offer(message: M): boolean {
    if (this.closed || this.size >= this.capacity) return this.#refuse(message);
    this.#push(message);
    return true;
  }

  /** Resolves when the message was taken; those who wait are served in turn. */
  async offerAsync(message: M, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.closed) throw channelClosed();
    if (this.size < this.capacity) {
      this.#push(message);
      return;
    }
    await this.#waitForRoom(message, signal);
  }

  /** The oldest message. Only to be called when there is one. */
  take(): M {
    const index = this.popped & this.#mask;
    const message = this.#ring[index] as M;
    this.#ring[index] = undefined;
    this.popped += 1;
    if (this.#waiters.size > 0) this.#admitWaiter();
    return message;
  }

  wake(): void {
    if (!this.closed) this.#wake();
  }

  /** Refuses from now on, rejects those who wait, and returns what was never handed out. */
  close(): M[] {
    if (this.closed) return [];
    this.closed = true;
    const left: M[] = [];
    for (let at = this.popped; at < this.pushed; at++) left.push(this.#ring[at & this.#mask] as M);
    this.popped = this.pushed;
    this.#ring = [];
    for (const waiter of this.#waiters) waiter.rejected(channelClosed());
    this.#waiters.clear();
    return left;
  }

  #push(message: M): void {
    if (this.size > this.#mask) this.#grow();
    this.#ring[this.pushed & this.#mask] = message;
    this.pushed += 1;
    if (this.sleeping) {
      this.sleeping = false;
      this.#wake();
    }
  }

  #grow(): void {
    const ring: (M | undefined)[] = new Array((this.#mask + 1) * 2).fill(undefined);
    const mask = ring.length - 1;
    for (let at = this.popped; at < this.pushed; at++) {
      ring[at & mask] = this.#ring[at & this.#mask];
    }
    this.#ring = ring;
    this.#mask = mask;
  }

  #waitForRoom(message: M, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const settled = () => signal?.removeEventListener('abort', onAbort);
      const waiter: Waiter<M> = {
        message,
        admitted: () => {
          settled();
          resolve();
        },
        rejected: (error) => {
          settled();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /**
   * Fills the place that became free at once, so that a later `send()` cannot
   * overtake a sender that already waits.
   */
  #admitWaiter(): void {
    const [waiter] = this.#waiters;
    if (waiter === undefined) return;
    this.#waiters.delete(waiter);
    this.#push(waiter.message);
    waiter.admitted();
  }

  #refuse(message: M): false {
    this.refused += 1;
    if (refusedChannel.hasSubscribers) {
      const reason = this.closed ? 'closed' : 'full';
      refusedChannel.publish({ reason, capacity: this.capacity, message } satisfies RefusedMessage);
    }
    return false;
  }
}

function channelClosed(): MillraceError {
  return new MillraceError(
    'ERR_CHANNEL_CLOSED',
    'the loop at the other end of the channel was closed; the message was not taken',
  );
}
