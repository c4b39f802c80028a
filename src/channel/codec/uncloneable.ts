/** The error for what cannot be cloned: structuredClone's own. */
import { shown } from '../../errors.js';

export function cloneError(value: unknown): Error {
  try {
    structuredClone(value);
  } catch (error) {
    if (isCloneError(error)) return error;
  }
  return new DOMException(`${shown(value)} could not be cloned.`, 'DataCloneError');
}

export function isCloneError(error: unknown): error is DOMException {
  return error instanceof DOMException && error.name === 'DataCloneError';
}
