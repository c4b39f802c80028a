/** What is said of a value that cannot be cloned itself. */
import { shown } from '../errors.js';

/**
 * For reports of the runtime: with text in place of messages, and of errors
 * that are no Error. Reasons and events are looked into, nothing else is.
 */
export function clonable(report: unknown): unknown {
  if (!isReport(report)) return new Error(shown(report));
  const copy = { ...report };
  if ('error' in copy) copy.error = new Error(shown(copy.error));
  if ('message' in copy) copy.message = shown(copy.message);
  if ('reason' in copy && typeof copy.reason === 'object') copy.reason = clonable(copy.reason);
  return copy;
}

function isReport(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Error);
}
