/**
 * Actors on one thread: Millrace against nact. Three questions: messages per
 * second, asks per second, actors spawned per second; and, of Millrace alone,
 * what an idle actor weighs and what it leaves.
 *
 * Each contender lives in a process of its own through the whole run, and the
 * rounds are interleaved, after a warm-up that does not count.
 */
import type { ActorRequest, Measure } from './contenders/actor-protocol.js';
import type { Rate } from './contenders/protocol.js';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { extentOf } from './harness/options.js';
import { LineProcess, scriptPath } from './harness/processes.js';
import { medianRatio, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

/** Beyond what a measurement should take by itself. */
const ANSWER_GRACE_MS = 60_000;

const IDLE_ACTORS = 100_000;
const BYTES_PER_ACTOR_MAX = 1024;
/** What the collector did not get to, and the tables of the process. */
const BYTES_LEFT_MAX = 16;

const QUESTIONS: readonly { measure: Measure; title: string; ratioMin: number }[] = [
  { measure: 'tell', title: 'messages, 4,000 under way', ratioMin: 30 },
  { measure: 'askOne', title: 'asks, one at a time', ratioMin: 1 },
  { measure: 'askMany', title: 'asks, 256 at a time', ratioMin: 5 },
  { measure: 'spawn', title: 'actors spawned', ratioMin: 1 },
];

const SPAWNS_PER_SECOND_MIN = 100_000;

export const benchmark: Benchmark = {
  summary: 'actors on one thread against nact: tell, ask, spawn; memory of idle ones',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '500' },
  },
  run,
};

interface Row {
  readonly title: string;
  readonly measure: Measure;
  readonly ratioMin: number;
  /** Operations per second, by round. */
  readonly millrace: readonly number[];
  readonly nact: readonly number[];
}

interface Memory {
  readonly alive: number;
  readonly stopped: number;
}

async function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const contenders = { millrace: start('actors-millrace'), nact: start('actors-nact') };
  try {
    const rows: Row[] = [];
    for (const { measure, title, ratioMin } of QUESTIONS) {
      const request = { measure, ms, count: 0 };
      const millrace: number[] = [];
      const nact: number[] = [];
      await rateOf(contenders.millrace, request);
      await rateOf(contenders.nact, request);
      for (let round = 0; round < rounds; round++) {
        millrace.push(await rateOf(contenders.millrace, request));
        nact.push(await rateOf(contenders.nact, request));
      }
      rows.push({ title, measure, ratioMin, millrace, nact });
    }
    const idle: ActorRequest = { measure: 'memory', ms, count: IDLE_ACTORS };
    const memory = await ask<Memory>(contenders.millrace, idle);
    console.log(`${formatRows(rows)}\n\n${formatMemory(memory)}`);
    return { gates: gatesOf(rows, memory), failures: [], data: { rows, memory } };
  } finally {
    await Promise.all([contenders.millrace.stop(), contenders.nact.stop()]);
  }
}

function start(script: string): LineProcess {
  const path = scriptPath(`contenders/${script}`);
  return new LineProcess(script, [process.execPath, '--expose-gc', path]);
}

async function ask<Answer>(contender: LineProcess, request: ActorRequest): Promise<Answer> {
  return contender.ask(request, request.ms + ANSWER_GRACE_MS);
}

async function rateOf(contender: LineProcess, request: ActorRequest): Promise<number> {
  const { count, elapsedMs } = await ask<Rate>(contender, request);
  return count / (elapsedMs / 1000);
}

function formatRows(rows: readonly Row[]): string {
  const head = ['per second', 'millrace', 'min - max', 'nact', 'min - max', 'x'];
  return formatTable(
    head,
    rows.map(({ title, millrace, nact }) => {
      const cells = [millrace, nact]
        .map(summarise)
        .flatMap((summary) => [formatNumber(summary.median), formatSpread(summary)]);
      return [title, ...cells, formatRatio(medianRatio(millrace, nact))];
    }),
  );
}

function formatMemory({ alive, stopped }: Memory): string {
  const rows = [
    ['alive and idle', formatNumber(alive)],
    ['after it has stopped', formatNumber(stopped)],
  ];
  return formatTable([`bytes of heap per actor, of ${formatNumber(IDLE_ACTORS)}`, 'bytes'], rows);
}

function gatesOf(rows: readonly Row[], memory: Memory): Gate[] {
  const spawned = rows.find(({ measure }) => measure === 'spawn')?.millrace ?? [];
  return [
    ...rows.map(
      ({ title, millrace, nact, ratioMin }): Gate => ({
        claim: `${title}: per second / nact`,
        value: medianRatio(millrace, nact),
        limit: ratioMin,
        bound: 'at least',
      }),
    ),
    {
      claim: 'actors spawned per second',
      value: summarise(spawned).median,
      limit: SPAWNS_PER_SECOND_MIN,
      bound: 'at least',
    },
    {
      claim: 'bytes of heap per idle actor',
      value: memory.alive,
      limit: BYTES_PER_ACTOR_MAX,
      bound: 'at most',
    },
    {
      claim: 'bytes of heap per stopped actor',
      value: memory.stopped,
      limit: BYTES_LEFT_MAX,
      bound: 'at most',
    },
  ];
}
