/**
 * What a benchmark is: the contract between `main.ts` and the files beside it.
 *
 * A benchmark prints its own tables as it goes, since only it knows what they
 * should show, and returns the rest: figures for `--json`, failures (a row
 * that must not be trusted) and gates (a figure against its limit).
 */
import type { ParseArgsConfig } from 'node:util';

export type OptionsConfig = NonNullable<ParseArgsConfig['options']>;
export type OptionValues = Readonly<Record<string, unknown>>;

export interface Benchmark {
  /** One line for the list of benchmarks. */
  readonly summary: string;
  /** In the form of `node:util` parseArgs; `main.ts` adds the ones common to all. */
  readonly options: OptionsConfig;
  run(values: OptionValues): Promise<Outcome>;
}

export interface Outcome {
  readonly gates: readonly Gate[];
  /** What went wrong, one sentence each; any of them makes the exit code 1. */
  readonly failures: readonly string[];
  /** Every figure, for `--json`. */
  readonly data: unknown;
}

/** A figure and the limit it was promised to keep. */
export interface Gate {
  readonly claim: string;
  /** NaN when it could not be measured; such a gate does not hold. */
  readonly value: number;
  readonly limit: number;
  readonly bound: 'at most' | 'at least' | 'below';
}

export function holds(gate: Gate): boolean {
  if (gate.bound === 'at least') return gate.value >= gate.limit;
  return gate.bound === 'at most' ? gate.value <= gate.limit : gate.value < gate.limit;
}
