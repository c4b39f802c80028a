/**
 * Request: the wish for an answer that travels with a message, seen from the
 * actor that answers. On one thread it is the pending ask itself; from another
 * thread it is whatever carries the answer back.
 */
export interface Request {
  /** The method that `proxy()` calls, with the message as its arguments; null for an ask. */
  readonly method: string | null;
  /** At most one of the two has an effect, and at most once. */
  answer(value: unknown): void;
  fail(error: unknown): void;
}
