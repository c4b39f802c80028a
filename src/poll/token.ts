import { requireInteger } from '../validate.js';

/**
 * The name that a user gives to a registration; it comes back with each of
 * its events. Any safe integer; two sources may share one.
 */
export type Token = number;

export function requireToken(value: unknown): Token {
  return requireInteger('token', value, { min: Number.MIN_SAFE_INTEGER });
}
