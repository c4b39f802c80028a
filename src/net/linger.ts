/**
 * The end of a connection whose peer has not ended yet.
 *
 *   shut down ──> [ read and throw away ] ──> close
 *                   until the peer's end
 *
 * A socket that is closed with bytes nobody has read, or that gets some
 * afterwards, answers with a reset, and then the peer may lose the end of what
 * it was sent. So this side says that it is done, and stays until the peer has
 * seen that: for a while, and not for any number of bytes.
 */
import { LINGER_BYTES_MAX, LINGER_MS, READ_BUDGET_BYTES } from '../limits.js';

/** What is thrown away is written over by all, and looked at by nobody. */
const rubbish = new Uint8Array(READ_BUDGET_BYTES);

export class Linger {
  readonly #stream: Discardable;
  readonly #endMs: number;
  #leftBytes = LINGER_BYTES_MAX;

  constructor(stream: Discardable, nowMs: number) {
    this.#stream = stream;
    this.#endMs = nowMs + LINGER_MS;
  }

  /** As {@link isOver}, once the half of this side is ended. */
  begin(nowMs: number): boolean {
    try {
      this.#stream.shutdown('write');
    } catch {
      // The peer has gone.
      return true;
    }
    return this.isOver(nowMs);
  }

  /** Throws away what has come. Whether there is nothing to stay for any more. */
  isOver(nowMs: number): boolean {
    if (nowMs >= this.#endMs) return true;
    try {
      const size = this.#stream.read(rubbish);
      if (size === 0) return true;
      this.#leftBytes -= size ?? 0;
      return this.#leftBytes <= 0;
    } catch {
      // A reset by the peer, to whom nothing can be sent any more.
      return true;
    }
  }
}

/** What of a stream matters here. */
export interface Discardable {
  read(buffer: Uint8Array): number | null;
  shutdown(how: 'write'): void;
}
