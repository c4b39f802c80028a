/**
 * Goal: tasks may throw, exit, loop for ever, allocate without end, return what
 * cannot be cloned, and be aborted at any moment (rules P2 to P4): each of
 * them settles as it must, the metrics add up at every moment, the pool keeps
 * its size, and neither threads nor memory are lost.
 *
 * Method: a process gives a pool random tasks in equal chunks, and looks at
 * the metrics whenever it submits or aborts one and whenever one ends. After
 * each chunk as many tasks as there are threads have to meet each other, which
 * they can only if all threads are there; then it reports what it holds, with
 * its garbage collected. Of memory the medians of the second and of the last
 * quarter are compared, as in `churn.ts`.
 */
import type { PoolMisuseOptions, PoolMisuseSample } from '../fixtures/pool-misuse.js';
import { Fixture } from '../support/processes.js';
import { random } from '../support/random.js';
import { medianBytes } from './churn.js';
import { type Outcome, type Print, type Scenario, table } from './scenario.js';

export interface PoolSize {
  /** At least 8: two for each quarter. */
  chunks: number;
  /** In all; a multiple of the chunks. */
  tasks: number;
  growthMaxBytes: number;
}

const THREADS = 2;

/** For a chunk on a busy machine; a dead thread takes a new one some 50 ms. */
const CHUNK_MS = 120_000;

/** As in `churn.ts`. */
const NODE_ARGS = ['--expose-gc', '--max-semi-space-size=1'];

const MIB = 2 ** 20;

export const poolScenario: Scenario = {
  summary: 'ten thousand tasks as nobody should write them (some two minutes)',
  run: (print) => pool({ chunks: 40, tasks: 10_000, growthMaxBytes: 6 * MIB }, print),
};

export async function pool(size: PoolSize, print: Print): Promise<Outcome> {
  const { seed } = random();
  const { chunks, tasks, growthMaxBytes } = size;
  print(`seed ${seed}`);
  const samples: PoolMisuseSample[] = [];
  const options: PoolMisuseOptions = { seed, threads: THREADS, chunks, tasks: tasks / chunks };
  await using program = new Fixture('pool-misuse', options, { nodeArgs: NODE_ARGS });
  await program.report(CHUNK_MS);
  for (let chunk = 0; chunk < chunks; chunk++) {
    samples.push(await program.report<PoolMisuseSample>(CHUNK_MS));
  }
  const { code, signal, stderr } = await program.end(CHUNK_MS);
  const failures = samples.flatMap((sample) => sample.failures);
  if (code !== 0) failures.push(`the process ended by ${code ?? signal}: ${stderr}`);
  const ends = Object.entries(samples.at(-1)?.ends ?? {}).toSorted(([a], [b]) =>
    a.localeCompare(b),
  );
  for (const line of table(ends)) print(line);
  return { failures: [...failures, ...judge(samples, growthMaxBytes, print)] };
}

function judge(
  samples: readonly PoolMisuseSample[],
  growthMaxBytes: number,
  print: Print,
): string[] {
  const failures: string[] = [];
  const early = medianBytes(samples, 1 / 4, 1 / 2);
  const late = medianBytes(samples, 3 / 4, 1);
  const [from, to] = [early, late].map((bytes) => (bytes / MIB).toFixed(1));
  const growth = `${from} to ${to} MiB`;
  print(`memory from the second quarter to the last: ${growth}`);
  if (late - early > growthMaxBytes) failures.push(`memory grew from ${growth}`);
  const threads = samples.map((each) => each.threads);
  const counts = [...new Set(threads)].join(', ');
  print(`threads of the process: ${counts}`);
  // The first sample may still count one that is about to be gone.
  const grew = threads.some((count, index) => count > Math.min(...threads.slice(0, index)));
  if (grew) failures.push(`the number of threads grew: ${counts}`);
  return failures;
}
