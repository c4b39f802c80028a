/**
 * Checks of arguments that come from users. Each returns the value it checked
 * or throws one of the typed errors of `errors.ts`.
 */
import { invalidType, outOfRange, typeErrorWith } from './errors.js';

/** About 25 days: what Node's timers keep in a C int. */
const TIME_LIMIT_MS_MAX = 2 ** 31 - 1;

export interface Range {
  min: number;
  max?: number;
}

/** A whole number within `range`. */
export function requireInteger(name: string, value: unknown, range: Range): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  const max = range.max ?? Number.MAX_SAFE_INTEGER;
  if (!Number.isInteger(value) || value < range.min || value > max) {
    throw outOfRange(name, `a whole number from ${range.min} to ${max}`, value);
  }
  return value;
}

/** A number within `range`, fractions allowed. */
export function requireNumber(name: string, value: unknown, range: Required<Range>): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!(value >= range.min && value <= range.max)) {
    throw outOfRange(name, `a number from ${range.min} to ${range.max}`, value);
  }
  return value;
}

/** Finite milliseconds of at least 0, fractions allowed. */
export function requireDuration(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number of milliseconds', value);
  if (!(value >= 0 && value < Infinity)) {
    throw outOfRange(name, 'a finite number of milliseconds of at least 0', value);
  }
  return value;
}

/** Finite milliseconds of more than 0. */
export function requirePeriod(name: string, value: unknown): number {
  if (requireDuration(name, value) === 0) {
    throw outOfRange(name, 'a finite number of milliseconds above 0', value);
  }
  return value as number;
}

/** Milliseconds for `setTimeout()`, which takes what is longer for no delay at all. */
export function requireTimeLimit(name: string, value: unknown): number {
  const limitMs = requireDuration(name, value);
  if (limitMs > TIME_LIMIT_MS_MAX) {
    throw outOfRange(name, `at most ${TIME_LIMIT_MS_MAX} milliseconds`, value);
  }
  return limitMs;
}

export function requireBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value);
  return value;
}

export function requireBytes(name: string, value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw invalidType(name, 'a Uint8Array', value);
  return value;
}

/** A part of a buffer: where it starts and ends, both checked. */
export function requirePart(
  buffer: unknown,
  start: unknown,
  end: unknown,
): { start: number; end: number } {
  const { length } = requireBytes('buffer', buffer);
  const checkedEnd =
    end === undefined ? length : requireInteger('end', end, { min: 0, max: length });
  const range = { min: 0, max: checkedEnd };
  return { start: requireInteger('start', start ?? 0, range), end: checkedEnd };
}

export function requireObject(name: string, value: unknown): object {
  if (typeof value !== 'object' || value === null) throw invalidType(name, 'an object', value);
  return value;
}

/**
 * An options object whose keys are all known. Undefined counts as empty; a
 * key that does not exist is refused, with the one that was probably meant.
 */
export function requireOptions<T extends object>(
  name: string,
  value: T | undefined,
  known: readonly string[],
): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) throw invalidType(name, 'an object', value);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw unknownOption(name, key, known);
  }
  return value;
}

function unknownOption(name: string, key: string, known: readonly string[]): TypeError {
  const similar = known.find((candidate) => editDistance(candidate, key) <= 3);
  const advice = similar === undefined ? `known are: ${known.join(', ')}` : `use ${similar}`;
  return typeErrorWith('ERR_UNKNOWN_OPTION', `${name} has no option "${key}"; ${advice}`);
}

/** Levenshtein's distance, ignoring case; options are short, so one row of memory will do. */
function editDistance(left: string, right: string): number {
  const a = left.toLowerCase();
  const b = right.toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
