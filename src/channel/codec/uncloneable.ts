/** The error for what cannot be cloned: structuredClone's own. */
import { shown } from '../../errors.js';

export function cloneError(value: unknown): Error {
  try {
    structuredClone(value);
  } catch (error) {
    const refusal = asCloneError(error);
    if (refusal !== null) return refusal;
  }
  return new DOMException(`${shown(value)} could not be cloned.`, 'DataCloneError');
}

/** What structuredClone threw, if it has refused a value; null for what a getter has thrown. */
export function asCloneError(error: unknown): DOMException | null {
  if (error instanceof DOMException && error.name === 'DataCloneError') return error;
  const { code, message } = error as NodeJS.ErrnoException;
  // So Node 20 refuses what is to be moved and was not listed.
  if (code !== 'ERR_MISSING_TRANSFERABLE_IN_TRANSFER_LIST') return null;
  return new DOMException(message, 'DataCloneError');
}
