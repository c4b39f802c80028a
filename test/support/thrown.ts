/** Errors as values, for tests that look at more than the class. */

export interface Thrown extends Error {
  code?: string;
  syscall?: string;
  errno?: number;
}

/** What the function throws; an error if it does not. */
export function thrownBy(action: () => unknown): Thrown {
  try {
    action();
  } catch (error) {
    return error as Thrown;
  }
  throw new Error('nothing was thrown');
}

/** What the promise rejects with; an error if it does not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Thrown> {
  try {
    await promise;
  } catch (error) {
    return error as Thrown;
  }
  throw new Error('nothing was rejected');
}
