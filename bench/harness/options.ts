/** Option values of parseArgs, which are strings, as what the benchmarks need. */
import type { OptionsConfig, OptionValues } from './benchmark.js';

/** Wrong usage: reported without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options that every benchmark has. */
export const COMMON_OPTIONS = {
  json: { type: 'string' },
  gate: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies OptionsConfig;

/** How long a benchmark measures. */
export interface Extent {
  readonly rounds: number;
  /** Of one slice. */
  readonly ms: number;
}

/** Of the options `rounds` and `ms`. */
export function extentOf(values: OptionValues): Extent {
  return {
    rounds: positiveInteger(values, 'rounds', 1000),
    ms: positiveInteger(values, 'ms', 600_000),
  };
}

export function positiveInteger(values: OptionValues, name: string, max: number): number {
  return parseCount(values[name], name, max);
}

/** For options that may be given several times; without any, all of `defaults`. */
export function positiveIntegers(
  values: OptionValues,
  name: string,
  limits: { defaults: readonly number[]; max: number },
): readonly number[] {
  const texts = values[name];
  if (!Array.isArray(texts)) return limits.defaults;
  return texts.map((text) => parseCount(text, name, limits.max));
}

/** The names given, in the order of `known`; without any, all of them. */
export function chosenNames<N extends string>(
  values: OptionValues,
  name: string,
  known: readonly N[],
): readonly N[] {
  const texts = values[name];
  if (!Array.isArray(texts)) return known;
  const wrong = texts.find((text) => !(known as readonly unknown[]).includes(text));
  if (wrong !== undefined) {
    throw new UsageError(`--${name} ${wrong}: there is ${known.join(', ')}`);
  }
  return known.filter((each) => texts.includes(each));
}

function parseCount(text: unknown, name: string, max: number): number {
  const value = typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= max)) {
    throw new UsageError(`--${name} ${String(text)}: must be an integer from 1 to ${max}`);
  }
  return value;
}
