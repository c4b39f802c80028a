/** Medians, spreads and percentiles; all of them NaN for no values. */

/** Of the rounds of one measurement. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort(ascending);
  return { median: median(sorted), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort(ascending);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  if (sorted.length % 2 === 1) return upper;
  return ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The value that at most `1 - fraction` of all values exceed; no interpolation. */
export function percentile(sorted: readonly number[], fraction: number): number {
  const rank = Math.ceil(sorted.length * fraction) - 1;
  return sorted[Math.max(rank, 0)] ?? Number.NaN;
}

/**
 * `values[i] / baselines[i]`. Dividing within a round cancels what both shared
 * in it, a noisy neighbour above all; that is why rounds are interleaved.
 * Rounds that either side lost (undefined) are left out.
 */
export function ratiosOf(
  values: readonly (number | undefined)[],
  baselines: readonly (number | undefined)[],
): number[] {
  const ratios: number[] = [];
  for (const [round, value] of values.entries()) {
    const baseline = baselines[round];
    if (value !== undefined && baseline !== undefined) ratios.push(value / baseline);
  }
  return ratios;
}

/** The median of `ratiosOf()`. */
export function medianRatio(
  values: readonly (number | undefined)[],
  baselines: readonly (number | undefined)[],
): number {
  return median(ratiosOf(values, baselines));
}

export function ascending(a: number, b: number): number {
  return a - b;
}

/** Seeded, so that all contenders are given the same delays; the mulberry32 generator. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
