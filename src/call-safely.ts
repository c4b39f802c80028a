/**
 * Calls a function of the user that nobody supervises, and whose caller must
 * go on. So its error becomes a warning of the process. `whose` completes the
 * sentence "... has thrown".
 */
export function callSafely(whose: string, listener: () => unknown): void {
  try {
    const result = listener();
    if (result instanceof Promise) result.catch((error: unknown) => warn(whose, error));
  } catch (error) {
    warn(whose, error);
  }
}

function warn(whose: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`${whose} has thrown: ${text}`, {
    type: 'MillraceWarning',
    code: 'MILLRACE_LISTENER',
  });
}
