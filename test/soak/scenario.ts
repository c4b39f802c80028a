/** What a scenario of the soak is: the contract between `main.ts` and the files beside it. */

export interface Scenario {
  /** One line for the list of scenarios. */
  readonly summary: string;
  /** What of it can be run by itself, with `--part`. @default nothing */
  readonly parts?: readonly string[];
  /** At full size, unless less was chosen. Prints what it finds as it goes. */
  run(print: Print, choice: Choice): Promise<Outcome>;
}

/** What was asked for on the command line. */
export interface Choice {
  /** The parts to be run; of those that the scenario names. */
  readonly parts: readonly string[];
  /** In place of the number of whatever the part repeats. */
  readonly count: number | null;
  /** Of what is random. */
  readonly seed: number | null;
}

export interface Outcome {
  /** What went wrong, one sentence each; none of them: the promise was kept. */
  readonly failures: readonly string[];
}

export type Print = (line: string) => void;

/** Draws the columns of a table one below the other. */
export function table(rows: readonly (readonly (string | number)[])[]): string[] {
  const texts = rows.map((row) => row.map(String));
  const widths = (texts[0] ?? []).map((_, at) => Math.max(...texts.map((row) => row[at].length)));
  return texts.map((row) =>
    row
      .map((text, at) => (at === 0 ? text.padEnd(widths[at]) : text.padStart(widths[at])))
      .join('  '),
  );
}
