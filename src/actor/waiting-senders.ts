/**
 * Those who wait in `sendAsync()` for room in a mailbox, served in the order
 * in which they came.
 */

interface WaitingSender {
  readonly message: unknown;
  admitted(): void;
  rejected(error: unknown): void;
}

export class WaitingSenders {
  readonly #senders = new Set<WaitingSender>();

  get size(): number {
    return this.#senders.size;
  }

  wait(message: unknown, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#senders.delete(sender);
        reject(signal?.reason);
      };
      const settle = (end: () => void) => {
        signal?.removeEventListener('abort', onAbort);
        end();
      };
      const sender: WaitingSender = {
        message,
        admitted: () => settle(resolve),
        rejected: (error) => settle(() => reject(error)),
      };
      this.#senders.add(sender);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The message of the first, who is told that it was taken. Only to be called if there is one. */
  admit(): unknown {
    const [first] = this.#senders as Iterable<WaitingSender>;
    const { message } = first;
    this.#senders.delete(first);
    first.admitted();
    return message;
  }

  rejectAll(error: () => Error): void {
    for (const sender of this.#senders) sender.rejected(error());
    this.#senders.clear();
  }
}
