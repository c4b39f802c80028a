import type { ResourceLimits } from 'node:worker_threads';
import { invalidType, outOfRange } from '../errors.js';
import { OLD_GENERATION_MB_MIN, STACK_MB_MIN } from '../limits.js';
import { requireOptions } from '../validate.js';

/** The least that each of Node's limits may be, in MiB. */
const LEAST: Readonly<Record<keyof ResourceLimits, number>> = {
  maxOldGenerationSizeMb: OLD_GENERATION_MB_MIN,
  maxYoungGenerationSizeMb: 0,
  codeRangeSizeMb: 0,
  stackSizeMb: STACK_MB_MIN,
};

/**
 * Limits of a thread, or undefined for Node's own. Node takes no notice of what
 * it does not know, and where a thread cannot even be made it ends the process.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
 */
export function requireResourceLimits(
  name: string,
  limits: ResourceLimits | undefined,
): ResourceLimits | undefined {
  if (limits === undefined) return undefined;
  const given = requireOptions(name, limits, Object.keys(LEAST));
  for (const [limit, value] of Object.entries(given)) {
    const least = LEAST[limit as keyof ResourceLimits];
    if (value === undefined) continue;
    if (typeof value !== 'number') throw invalidType(`${name}.${limit}`, 'a number', value);
    if (!(value >= least && value < Infinity)) {
      throw outOfRange(`${name}.${limit}`, `a number of MiB from ${least}`, value);
    }
  }
  return given;
}
