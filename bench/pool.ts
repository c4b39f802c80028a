/**
 * Tasks on other threads: Millrace's compute pool against piscina, tinypool and
 * workerpool, and what its priorities are worth.
 *
 * Each contender lives in a process of its own through the whole run, one for
 * each number of threads, and the rounds are interleaved, after slices for
 * warming up that do not count.
 */
import type { Calls, CallsRequest } from './contenders/pool-protocol.js';
import { spin } from './contenders/pool-tasks.js';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { cpuUseBetween, readThreadTimes } from './harness/cpu.js';
import { chosenNames, extentOf, positiveInteger, positiveIntegers } from './harness/options.js';
import { measurePriorities } from './harness/pool-priorities.js';
import { LineProcess, scriptPath } from './harness/processes.js';
import { medianRatio, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

/** Beyond what a slice should take by itself. */
const ANSWER_GRACE_MS = 30_000;

/** Before the first round: code gets compiled, threads get started. */
const WARM_UP_MS = 500;

/** In the order of rounds and rows. */
const CONTENDERS = ['millrace', 'piscina', 'tinypool', 'workerpool'] as const;
type Contender = (typeof CONTENDERS)[number];

const THREADS = [1, 2];

/** By their names in the tables. `inFlight` is for each thread. */
const KINDS = {
  'empty tasks': { measure: 'empty', inFlight: 1024 },
  'empty, one at a time': { measure: 'empty', inFlight: 0 },
  'tasks of 1 ms': { measure: 'spin', inFlight: 4 },
  '1 MiB there and back': { measure: 'transfer', inFlight: 4 },
} as const satisfies Record<string, Pick<CallsRequest, 'measure' | 'inFlight'>>;
type Kind = keyof typeof KINDS;

const TRANSFER_BYTES = 2 ** 20;
const SPIN_MS = 1;

export const benchmark: Benchmark = {
  summary: 'tasks on other threads against piscina, tinypool, workerpool; priorities',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '500' },
    low: { type: 'string', default: '10000' },
    threads: { type: 'string', multiple: true },
    contenders: { type: 'string', multiple: true },
  },
  run,
};

interface Slice extends Calls {
  /** Of the whole process, all threads. */
  readonly cpuUs: number;
}

/** One kind of task on so many threads: the slices of each contender, by round. */
interface Row {
  readonly kind: Kind;
  readonly threads: number;
  readonly slices: Partial<Record<Contender, Slice[]>>;
}

async function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const low = positiveInteger(values, 'low', 1_000_000);
  const names = chosenNames(values, 'contenders', CONTENDERS);
  const counts = positiveIntegers(values, 'threads', { defaults: THREADS, max: 64 });
  const rows: Row[] = [];
  for (const threads of counts) rows.push(...(await measureCalls(names, threads, rounds, ms)));
  console.log(`${formatCalls(rows)}\n`);
  const gates = gatesOf(rows);
  const failures = failuresOf(rows);
  if (!names.includes('millrace')) return { gates, failures, data: { rows } };
  const priorities = await measurePriorities(counts, low);
  console.log(`${priorities.text}\n`);
  return {
    gates: [...gates, ...priorities.gates],
    failures: [...failures, ...priorities.failures],
    data: { rows, priorities: priorities.data },
  };
}

async function measureCalls(
  names: readonly Contender[],
  threads: number,
  rounds: number,
  ms: number,
): Promise<Row[]> {
  const processes = new Map(names.map((name) => [name, start(name, threads)]));
  const steps = stepsOf(SPIN_MS);
  const constants = { spin: { steps, result: spin(steps) }, transferBytes: TRANSFER_BYTES };
  try {
    const rows: Row[] = [];
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const { measure } = KINDS[kind];
      const inFlight = Math.max(1, KINDS[kind].inFlight * threads);
      const request: CallsRequest = { measure, ms, inFlight, ...constants };
      const warmUp = { ...request, ms: Math.min(WARM_UP_MS, ms) };
      const row: Row = { kind, threads, slices: {} };
      for (const process of processes.values()) await measureSlice(process, warmUp);
      for (let round = 0; round < rounds; round++) {
        for (const [name, process] of processes) {
          const slices = (row.slices[name] ??= []);
          slices.push(await measureSlice(process, request));
        }
      }
      rows.push(row);
    }
    return rows;
  } finally {
    await Promise.all([...processes.values()].map((process) => process.stop()));
  }
}

function start(name: Contender, threads: number): LineProcess {
  const path = scriptPath(`contenders/pool-${name}`);
  return new LineProcess(name, [process.execPath, path, String(threads)]);
}

async function measureSlice(contender: LineProcess, request: CallsRequest): Promise<Slice> {
  const before = readThreadTimes(contender.pid);
  const calls = await contender.ask<Calls>(request, request.ms + ANSWER_GRACE_MS);
  const { ns } = cpuUseBetween(before, readThreadTimes(contender.pid));
  return { ...calls, cpuUs: ns / 1000 };
}

/** How many steps of `spin` take so long here and now: the best of some trials. */
function stepsOf(ms: number): number {
  const trial = 200_000;
  let bestMs = Infinity;
  for (let repeat = 0; repeat < 50; repeat++) {
    const beganMs = performance.now();
    spin(trial);
    bestMs = Math.min(bestMs, performance.now() - beganMs);
  }
  return Math.round((trial * ms) / bestMs);
}

// ---- figures

const METRICS = {
  rate: ({ count, elapsedMs }: Slice) => count / (elapsedMs / 1000),
  cpuUs: ({ count, cpuUs }: Slice) => cpuUs / count,
  p50Us: ({ p50Us }: Slice) => p50Us,
  p99Us: ({ p99Us }: Slice) => p99Us,
};

function valuesOf(row: Row, name: Contender, metric: keyof typeof METRICS): number[] {
  return (row.slices[name] ?? []).map(METRICS[metric]);
}

function ratioToPiscina(row: Row, name: Contender, metric: keyof typeof METRICS): number {
  return medianRatio(valuesOf(row, name, metric), valuesOf(row, 'piscina', metric));
}

function formatCalls(rows: readonly Row[]): string {
  const head = ['', 'threads', '', 'a second', 'min - max', 'x piscina'];
  head.push('CPU us each', 'x piscina', 'p50 us', 'min - max', 'x piscina', 'p99 us');
  return formatTable(
    head,
    rows.flatMap((row) =>
      CONTENDERS.filter((name) => row.slices[name] !== undefined).map((name) => {
        const [rate, cpu, p50, p99] = (['rate', 'cpuUs', 'p50Us', 'p99Us'] as const).map((metric) =>
          summarise(valuesOf(row, name, metric)),
        );
        const ratio = (metric: keyof typeof METRICS) =>
          formatRatio(ratioToPiscina(row, name, metric));
        return [
          ...[row.kind, String(row.threads), name],
          ...[formatNumber(rate.median), formatSpread(rate), ratio('rate')],
          ...[formatNumber(cpu.median), ratio('cpuUs')],
          ...[formatNumber(p50.median), formatSpread(p50), ratio('p50Us')],
          formatNumber(p99.median),
        ];
      }),
    ),
  );
}

function failuresOf(rows: readonly Row[]): string[] {
  return rows.flatMap(({ kind, threads, slices }) =>
    Object.entries(slices).flatMap(([name, all]) => {
      const wrong = all.reduce((sum, slice) => sum + slice.wrong, 0);
      const title = `${name}, ${threads} threads, ${kind}`;
      return wrong === 0 ? [] : [`${title}: ${wrong} results were not what the task gives`];
    }),
  );
}

// ---- gates

/** Against piscina: its rate, or its call's median time, as a multiple of which ours may be. */
const LIMITS: Partial<Record<Kind, { metric: 'rate' | 'p50Us'; limit: number }>> = {
  'empty tasks': { metric: 'rate', limit: 8 },
  'empty, one at a time': { metric: 'p50Us', limit: 1 / 3 },
  'tasks of 1 ms': { metric: 'rate', limit: 0.97 },
};

function gatesOf(rows: readonly Row[]): Gate[] {
  return rows.flatMap((row): Gate[] => {
    const promised = LIMITS[row.kind];
    const { millrace, piscina } = row.slices;
    if (promised === undefined || millrace === undefined || piscina === undefined) return [];
    const { metric, limit } = promised;
    const title = metric === 'rate' ? 'rate' : 'p50';
    const claim = `${row.kind}, ${row.threads} threads: ${title} / piscina`;
    const bound = metric === 'rate' ? 'at least' : 'at most';
    return [{ claim, value: ratioToPiscina(row, 'millrace', metric), limit, bound }];
  });
}
