/** Those who wait for room in a channel, in the order in which they came. */

/** A `sendAsync()` that waits. */
interface Waiter<M> {
  message: M;
  admitted(): void;
  rejected(error: unknown): void;
}

export class Waiters<M> {
  readonly #waiters = new Set<Waiter<M>>();

  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Resolves when the message was admitted; rejects when it will not be any
   * more. `left` is called when the signal ended the wait.
   */
  wait(message: M, signal: AbortSignal | undefined, left?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
        left?.();
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

  /** The message of the one who has waited longest. Only if there is one. */
  get next(): M {
    return this.#first().message;
  }

  /** Admits the one who has waited longest, and returns the message. Only if there is one. */
  admit(): M {
    const waiter = this.#first();
    this.#waiters.delete(waiter);
    waiter.admitted();
    return waiter.message;
  }

  /** Rejects that one, whose message cannot be sent. */
  reject(error: unknown): void {
    const waiter = this.#first();
    this.#waiters.delete(waiter);
    waiter.rejected(error);
  }

  rejectAll(error: () => Error): void {
    for (const waiter of this.#waiters) waiter.rejected(error());
    this.#waiters.clear();
  }

  #first(): Waiter<M> {
    return this.#waiters.values().next().value as Waiter<M>;
  }
}
