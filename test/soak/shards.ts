/**
 * Goal: shards may die, stop, be flooded and talk as they like; messages stay
 * in order, whatever was asked settles, nothing grows and nothing is left, and
 * who is not concerned does not notice.
 *
 * Method: each part runs in processes of its own (`test/fixtures/shard-soak.ts`),
 * whose ends are looked at as well: none may crash on its way out. Parts that
 * end threads or systems over and over are cut into several processes, for each
 * runtime that MILLRACE_TEST_NODES names (paths, separated by commas).
 */
import type { SoakOptions, SoakPart, SoakReport } from '../fixtures/shard-soak.js';
import { Fixture } from '../support/processes.js';
import { random } from '../support/random.js';
import type { Choice, Outcome, Print, Scenario } from './scenario.js';

interface Part {
  /** Of whatever it repeats. */
  readonly count: number;
  /** As many of these as one process takes. */
  readonly perProcess: number;
  /** For one process, on a busy machine. */
  readonly limitMs: number;
  /** What a process ends with. */
  readonly exitCode: number;
}

const MINUTE_MS = 60_000;

const PARTS: Readonly<Record<SoakPart, Part>> = {
  /** Messages, all to all. */
  weave: { count: 1e7, perProcess: Infinity, limitMs: 20 * MINUTE_MS, exitCode: 0 },
  /** Messages to an actor that is too slow, for each kind of mailbox. */
  flood: { count: 2e6, perProcess: Infinity, limitMs: 10 * MINUTE_MS, exitCode: 0 },
  /** Actors that are spawned and stopped. */
  turnover: { count: 1e6, perProcess: Infinity, limitMs: 20 * MINUTE_MS, exitCode: 0 },
  /** Actors at a time. */
  crowd: { count: 1e5, perProcess: Infinity, limitMs: 5 * MINUTE_MS, exitCode: 0 },
  /** Shards that die. */
  deaths: { count: 200, perProcess: 50, limitMs: 10 * MINUTE_MS, exitCode: 0 },
  /** Shards that die while sources move between them. */
  moves: { count: 200, perProcess: 100, limitMs: 10 * MINUTE_MS, exitCode: 0 },
  /** Systems that stop under load. */
  stops: { count: 200, perProcess: 20, limitMs: 10 * MINUTE_MS, exitCode: 0 },
  /** Processes that end under load, by process.exit(). */
  exits: { count: 40, perProcess: 1, limitMs: MINUTE_MS, exitCode: 3 },
};

export const shardsScenario: Scenario = {
  summary: 'shards that die, stop, are flooded, and send each to each (some fifteen minutes)',
  parts: Object.keys(PARTS),
  run: shards,
};

async function shards(print: Print, { parts, count, seed: chosen }: Choice): Promise<Outcome> {
  const { seed } = random(chosen ?? undefined);
  print(`seed ${seed}`);
  const nodes = (process.env.MILLRACE_TEST_NODES ?? process.execPath).split(',');
  const failures: string[] = [];
  for (const node of nodes) {
    for (const part of parts as SoakPart[]) {
      const { count: usual, exitCode } = PARTS[part];
      const options = { part, count: count ?? usual, seed, exitCode };
      const name = nodes.length > 1 ? `${node}, ${part}` : part;
      const found = await runPart(node, options, (line) => print(`${name}: ${line}`));
      failures.push(...found.map((failure) => `${name}: ${failure}`));
    }
  }
  return { failures };
}

async function runPart(node: string, options: SoakOptions, print: Print): Promise<string[]> {
  const { perProcess } = PARTS[options.part];
  const beganMs = performance.now();
  const failures: string[] = [];
  let processes = 0;
  for (let done = 0; done < options.count; done += perProcess) {
    const count = Math.min(perProcess, options.count - done);
    failures.push(
      ...(await runProcess(node, { ...options, count, seed: options.seed + done }, print)),
    );
    processes += 1;
  }
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
  print(`${options.count} in ${seconds} s and ${processes} processes, ${failures.length} failures`);
  return failures;
}

/** What was wrong in it, and with its end. */
async function runProcess(node: string, options: SoakOptions, print: Print): Promise<string[]> {
  const { limitMs } = PARTS[options.part];
  const { exitCode } = options;
  await using child = new Fixture('shard-soak', options, { node, nodeArgs: ['--expose-gc'] });
  const failures: string[] = [];
  const read = async () => {
    for (;;) {
      const report = await child.report<SoakReport>(limitMs);
      if ('line' in report) print(report.line);
      else return failures.push(...report.failures);
    }
  };
  // Waited for together: one that crashes says nothing, and one that talks must still end well.
  const [said, ending] = await Promise.all([
    read().catch(String),
    child.end(limitMs).catch(String),
  ]);
  if (typeof said === 'string') failures.push(said);
  if (typeof ending === 'string') return [...failures, ending];
  const { code, signal, stderr } = ending;
  if (code !== exitCode || stderr !== '') {
    failures.push(`the process (seed ${options.seed}) ended by ${code ?? signal}: ${stderr}`);
  }
  return failures;
}
