/** Figures from the slices of one contender, by round, whatever was measured in them. */

export interface Fallible {
  /** Why the figures do not count; empty if they do. */
  readonly faults: readonly string[];
}

type Measured<Metric extends string> = Fallible & Readonly<Record<Metric, number>>;

/** By round; undefined where the slice does not count. */
export function valuesOf<Metric extends string>(
  slices: readonly Measured<Metric>[],
  metric: Metric,
): (number | undefined)[] {
  return slices.map((slice) => (slice.faults.length === 0 ? slice[metric] : undefined));
}

export function countedOf<Metric extends string>(
  slices: readonly Measured<Metric>[],
  metric: Metric,
): number[] {
  return valuesOf(slices, metric).filter((value) => value !== undefined);
}

/** For the reader of a row; empty if all slices count. */
export function remarkOnLost(slices: readonly Fallible[]): string {
  const lost = slices.filter((slice) => slice.faults.length > 0).length;
  return lost > 0 ? `${lost} of ${slices.length} slices do not count` : '';
}

/** One sentence for each slice that does not count. */
export function failuresIn(slices: readonly Fallible[], where: string): string[] {
  return slices.flatMap(({ faults }, round) =>
    faults.length > 0 ? [`${where}, round ${round + 1}: ${faults.join('; ')}`] : [],
  );
}
