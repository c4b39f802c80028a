/**
 * Faults: what becomes of what the callbacks of a server or a client throw, and
 * of what their promises reject with (rule N5).
 *
 *   threw ──────────────────┬──> the connection ends ──> onError, or else a warning
 *   rejected ── in a tick ──┘
 */
import { warnOf } from '../call-safely.js';
import { isThenable } from '../thenable.js';
import type { Connection } from './connection.js';
import { Count } from './counts.js';
import type { Group } from './group.js';

/** What there is of the user's `onError`. */
export type ErrorListener = (id: number | null, error: Error) => unknown;

export class Faults {
  readonly #group: Group;
  readonly #owner: string;
  readonly #listener: () => ErrorListener | null;

  /** `owner` is how warnings call it. */
  constructor(group: Group, owner: string, listener: () => ErrorListener | null) {
    this.#group = group;
    this.#owner = owner;
    this.#listener = listener;
  }

  /**
   * A callback has returned an object. If it is a promise, what that rejects with
   * was thrown; it is not waited for. Called inside of the callback's `try`, for
   * an object of the user may throw when it is looked at.
   */
  returned(connection: Connection | null, result: object | null): void {
    if (!isThenable(result)) return;
    Promise.resolve(result).catch((error: unknown) => this.#rejected(connection, error));
  }

  /** Its connection ends, if it is not gone already; the others do not notice. */
  threw(connection: Connection | null, error: unknown): void {
    this.#count();
    connection?.end('error');
    this.#thrown(connection, error);
  }

  /** What has befallen a connection, or the server. */
  tell(id: number | null, error: unknown): void {
    const listener = this.#listener();
    if (listener === null) return;
    const failed = (thrown: unknown) => {
      this.#count();
      warnOf(`onError of ${this.#owner}`, thrown);
    };
    try {
      const result = listener(id, error as Error);
      if (isThenable(result)) Promise.resolve(result).catch(failed);
    } catch (thrown) {
      failed(thrown);
    }
  }

  /** Between two callbacks, so that it is told in a tick, and before the `onDisconnect`. */
  #rejected(connection: Connection | null, error: unknown): void {
    this.#count();
    this.#group.notify({
      perform: () => this.#thrown(connection, error),
      dropped: () => {
        if (this.#group.isDismissed) this.#warn(error);
        // There are no ticks any more; but never inside of another callback.
        else queueMicrotask(() => this.#thrown(connection, error));
      },
    });
    connection?.end('error');
  }

  /** A mistake of the handler's is never silent, though nobody may want to be told. */
  #thrown(connection: Connection | null, error: unknown): void {
    if (this.#listener() === null) this.#warn(error);
    else this.tell(connection?.id ?? null, error);
  }

  #warn(error: unknown): void {
    warnOf(`a callback of ${this.#owner}`, error);
  }

  #count(): void {
    this.#group.counts[Count.CALLBACK_ERRORS] += 1;
  }
}
