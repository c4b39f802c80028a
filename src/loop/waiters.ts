/** Those who wait for room in an inbox, in the order in which they came. */

/** A `sendAsync()` that waits. */
interface Waiter<M> {
  message: M;
  admitted(): void;
  rejected(error: Error): void;
}

export class Waiters<M> {
  readonly #waiters = new Set<Waiter<M>>();

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves when the message was admitted; rejects when it will not be any more. */
  wait(message: M, signal: AbortSignal | undefined): Promise<void> {
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

  /** Admits the one who has waited longest, and returns the message. Only if there is one. */
  admit(): M {
    const waiter = this.#waiters.values().next().value as Waiter<M>;
    this.#waiters.delete(waiter);
    waiter.admitted();
    return waiter.message;
  }

  rejectAll(error: () => Error): void {
    for (const waiter of this.#waiters) waiter.rejected(error());
    this.#waiters.clear();
  }
}
