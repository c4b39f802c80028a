/**
 * Goal: neither descriptors, nor threads, nor memory leak, however many
 * connections, datagrams, passed descriptors and timeouts come and go.
 *
 * Method: a process lets them come and go through one loop in equal chunks,
 * both ends of everything in it, and reports what it holds after each, with
 * its garbage collected. What each kind proves as it goes is in
 * `test/support/turnover.ts`. Descriptors, threads and pending timers must be
 * the same after all chunks. Of resident memory the medians of the second and of the last
 * quarter are compared: in the first one the engine compiles, and heaps and
 * tables find their size; a median does not mind the steps in which an
 * allocator takes and gives.
 */
import type { ChurnAmounts, ChurnOptions, ChurnSample } from '../fixtures/churn.js';
import { Fixture, inParallel } from '../support/processes.js';
import { type Outcome, type Print, type Scenario, table } from './scenario.js';

export interface ChurnSize {
  /** At least 8: two for each quarter. */
  chunks: number;
  /** In all; each a multiple of twice the chunks. */
  amounts: ChurnAmounts;
  /** What memory may seem to grow by, from one median to the other. */
  growthMaxBytes: number;
}

const POLLERS = ['thread', 'inline'] as const;

/** For a chunk on a busy machine, and for starting up. */
const CHUNK_MS = 60_000;

/**
 * The engine doubles its space for young objects when many of them survive, in
 * steps of megabytes that look like a leak; it is given a small one to keep.
 */
const NODE_ARGS = ['--expose-gc', '--max-semi-space-size=1'];

const MIB = 2 ** 20;

/** As much as an hour of a busy server. */
const HOUR: ChurnAmounts = {
  connections: 1_000_000,
  unixConnections: 100_000,
  datagrams: 1_000_000,
  descriptors: 10_000,
  timeouts: 100_000,
};

export const hourScenario: Scenario = {
  summary: 'a million connections, a million datagrams and more leave nothing behind (2 minutes)',
  run: (print) => churn({ chunks: 50, amounts: HOUR, growthMaxBytes: MIB }, print),
};

export const churnScenario: Scenario = {
  summary: 'the same with a tenth of that (some 15 seconds)',
  run: (print) => {
    return churn({ chunks: 50, amounts: partOfHour(1 / 10), growthMaxBytes: 2 * MIB }, print);
  },
};

export function partOfHour(part: number): ChurnAmounts {
  const amounts = Object.entries(HOUR).map(([kind, amount]) => [kind, amount * part]);
  return Object.fromEntries(amounts) as ChurnAmounts;
}

export async function churn(size: ChurnSize, print: Print): Promise<Outcome> {
  const failures = await inParallel(POLLERS, POLLERS.length, async (poller) => {
    const amounts = Object.entries(size.amounts).map(([kind, all]) => [kind, all / size.chunks]);
    const samples = await collect({
      poller,
      chunks: size.chunks,
      amounts: Object.fromEntries(amounts) as ChurnAmounts,
    });
    const found = judge(samples, size.growthMaxBytes, (line) => print(`${poller}: ${line}`));
    return found.map((failure) => `${poller}: ${failure}`);
  });
  return { failures: failures.flat() };
}

async function collect(options: ChurnOptions): Promise<ChurnSample[]> {
  await using program = new Fixture('churn', options, { nodeArgs: NODE_ARGS });
  const samples: ChurnSample[] = [];
  await program.report(CHUNK_MS);
  for (let chunk = 0; chunk < options.chunks; chunk++) {
    samples.push(await program.report<ChurnSample>(CHUNK_MS));
  }
  return samples;
}

function judge(samples: readonly ChurnSample[], growthMaxBytes: number, print: Print): string[] {
  const failures: string[] = [];
  const rows = samples.map(({ rssBytes, descriptors, threads, pendingTimers }, index) => [
    `${Math.round((100 * (index + 1)) / samples.length)} %`,
    inMib(rssBytes),
    descriptors,
    threads,
    pendingTimers,
  ]);
  const head = ['done', 'MiB', 'descriptors', 'threads', 'pending timers'];
  for (const line of table([head, ...rows])) print(line);
  const early = medianBytes(samples, 1 / 4, 1 / 2);
  const late = medianBytes(samples, 3 / 4, 1);
  const grownKib = Math.round((late - early) / 1024);
  const growth = `${inMib(early)} to ${inMib(late)} MiB, by ${grownKib} KiB`;
  print(`memory from the second quarter to the last: ${growth}`);
  if (late - early > growthMaxBytes) failures.push(`memory grew from ${growth}`);
  for (const kind of ['descriptors', 'threads', 'pendingTimers'] as const) {
    const seen = [...new Set(samples.map((each) => each[kind]))];
    if (seen.length > 1) failures.push(`${kind} changed: ${seen.join(', ')}`);
  }
  return failures;
}

/** Of the samples between these parts of the run. */
export function medianBytes(
  samples: readonly { rssBytes: number }[],
  from: number,
  to: number,
): number {
  const part = samples.slice(Math.floor(samples.length * from), Math.floor(samples.length * to));
  const sorted = part.map(({ rssBytes }) => rssBytes).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function inMib(bytes: number): string {
  return (bytes / MIB).toFixed(2);
}
