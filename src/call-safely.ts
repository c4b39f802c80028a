import { inspect } from 'node:util';
import { isThenable } from './thenable.js';

/**
 * Calls a function of the user that nobody supervises, and whose caller must
 * go on. So its error becomes a warning of the process. `whose` completes the
 * sentence "... has thrown".
 */
export function callSafely(whose: string, listener: () => unknown): void {
  try {
    const result = listener();
    if (!isThenable(result)) return;
    Promise.resolve(result).catch((error: unknown) => warnOf(whose, error));
  } catch (error) {
    warnOf(whose, error);
  }
}

/** For what was thrown already, and can be told to nobody. */
export function warnOf(whose: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : inspect(error);
  process.emitWarning(`${whose} has thrown: ${text}`, {
    type: 'MillraceWarning',
    code: 'MILLRACE_LISTENER',
  });
}
