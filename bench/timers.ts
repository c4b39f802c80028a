/**
 * Timers: Millrace against setTimeout. Three questions: how fast timers are
 * armed and cleared, whether many pending ones slow the loop, how late they are.
 *
 * Each contender lives in a process of its own through the whole run, and the
 * rounds of each question are interleaved, after a warm-up that does not count.
 */
import type {
  LatenessesMs,
  LatenessRequest,
  PairsRequest,
  Rate,
  Request,
} from './contenders/protocol.js';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { type Extent, extentOf } from './harness/options.js';
import { LineProcess, scriptPath } from './harness/processes.js';
import {
  ascending,
  medianRatio,
  percentile,
  seededRandom,
  summarise,
} from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

/** The default capacity of a loop's timers, and far beyond what setTimeout usually holds. */
const PENDING = 65_536;

const LATENESS_TIMERS = 2000;
const LATENESS_DELAY_MS = { min: 1, max: 100 };
/** Printed with the failures: the same seed draws the same delays. */
const LATENESS_SEED = 20;

/** Upper bounds of the columns of the histogram. */
const HISTOGRAM_MS = [0.1, 0.25, 0.5, 1, 2];

/** Beyond what a measurement should take by itself. */
const ANSWER_GRACE_MS = 20_000;

const PAIR_RATE_MIN = 3;
/** "No slower", with what two runs of the same differ by on a shared machine. */
const TICK_SLOWDOWN_MAX = 1.1;
const LATENESS_P99_LIMIT_MS = 1;

export const benchmark: Benchmark = {
  summary: 'timers against setTimeout: arm and clear, 65,536 pending, lateness',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '500' },
  },
  run,
};

interface Contenders {
  readonly millrace: LineProcess;
  readonly node: LineProcess;
}

async function run(values: OptionValues): Promise<Outcome> {
  const extent = extentOf(values);
  const contenders = { millrace: start('timers-millrace'), node: start('timers-node') };
  try {
    const pairs = await measurePairs(contenders, extent);
    const ticks = await measureTicks(contenders, extent);
    const lateness = await measureLateness(contenders, extent);
    return {
      gates: [...gatesOfPairs(pairs), gateOfTicks(ticks), ...gatesOfLateness(lateness)],
      failures: failuresOf(lateness),
      data: { pairs, ticks, lateness },
    };
  } finally {
    await Promise.all([contenders.millrace.stop(), contenders.node.stop()]);
  }
}

function start(script: string): LineProcess {
  const path = scriptPath(`contenders/${script}`);
  return new LineProcess(script, [process.execPath, path]);
}

async function ask<Answer>(contender: LineProcess, request: Request): Promise<Answer> {
  const ownMs = request.measure === 'lateness' ? LATENESS_DELAY_MS.max : request.ms;
  return contender.ask(request, ownMs + ANSWER_GRACE_MS);
}

/** Operations per second. */
async function askRate(contender: LineProcess, request: Request): Promise<number> {
  const { count, elapsedMs } = await ask<Rate>(contender, request);
  return count / (elapsedMs / 1000);
}

// ---- arm and clear

interface PairsRow {
  readonly title: string;
  /** Pairs per second, by round. */
  readonly millrace: readonly number[];
  readonly node: readonly number[];
}

const PAIRS: readonly { title: string; delays: PairsRequest['delays']; pending: number }[] = [
  { title: 'delays of 150-300 ms', delays: 'drawn', pending: 0 },
  { title: 'delay of 200 ms', delays: 'fixed', pending: 0 },
  { title: 'delays of 5-60 s', delays: 'long', pending: 0 },
  { title: '150-300 ms, 65,536 pending', delays: 'drawn', pending: PENDING },
];

async function measurePairs(contenders: Contenders, { rounds, ms }: Extent): Promise<PairsRow[]> {
  const rows: PairsRow[] = [];
  for (const { title, delays, pending } of PAIRS) {
    const request: PairsRequest = { measure: 'pairs', ms, delays, pending };
    const millrace: number[] = [];
    const node: number[] = [];
    await warmUp([contenders.millrace, contenders.node], request);
    for (let round = 0; round < rounds; round++) {
      millrace.push(await askRate(contenders.millrace, request));
      node.push(await askRate(contenders.node, request));
    }
    rows.push({ title, millrace, node });
  }
  console.log(`${formatPairs(rows)}\n`);
  return rows;
}

async function warmUp(contenders: readonly LineProcess[], request: Request): Promise<void> {
  for (const contender of contenders) await ask(contender, request);
}

function formatPairs(rows: readonly PairsRow[]): string {
  const head = ['arm + clear, pairs/s', 'millrace', 'min - max', 'setTimeout', 'min - max', 'x'];
  return formatTable(
    head,
    rows.map(({ title, millrace, node }) => {
      const cells = [millrace, node]
        .map(summarise)
        .flatMap((summary) => [formatNumber(summary.median), formatSpread(summary)]);
      return [title, ...cells, formatRatio(medianRatio(millrace, node))];
    }),
  );
}

function gatesOfPairs(rows: readonly PairsRow[]): Gate[] {
  return rows.map(({ title, millrace, node }) => ({
    claim: `arm + clear, ${title}: pairs / setTimeout`,
    value: medianRatio(millrace, node),
    limit: PAIR_RATE_MIN,
    bound: 'at least',
  }));
}

// ---- the loop under many timers

/** Ticks per second, by round. */
interface Ticks {
  readonly nonePending: readonly number[];
  readonly manyPending: readonly number[];
}

async function measureTicks({ millrace }: Contenders, { rounds, ms }: Extent): Promise<Ticks> {
  const nonePending: number[] = [];
  const manyPending: number[] = [];
  await warmUp([millrace], { measure: 'ticks', ms, pending: 0 });
  for (let round = 0; round < rounds; round++) {
    nonePending.push(await askRate(millrace, { measure: 'ticks', ms, pending: 0 }));
    manyPending.push(await askRate(millrace, { measure: 'ticks', ms, pending: PENDING }));
  }
  const rows = [
    tickRow('no timer pending', nonePending, nonePending),
    tickRow('65,536 pending', manyPending, nonePending),
  ];
  const head = ['idle ticks, runOnce(handler, 0)', 'ticks/s', 'min - max', 'us/tick', 'x slower'];
  console.log(`${formatTable(head, rows)}\n`);
  return { nonePending, manyPending };
}

function tickRow(title: string, rates: readonly number[], baseline: readonly number[]): string[] {
  const summary = summarise(rates);
  return [
    title,
    formatNumber(summary.median),
    formatSpread(summary),
    formatNumber(1e6 / summary.median),
    formatRatio(medianRatio(baseline, rates)),
  ];
}

function gateOfTicks({ nonePending, manyPending }: Ticks): Gate {
  return {
    claim: 'time of an idle tick, 65,536 timers pending / none',
    value: medianRatio(nonePending, manyPending),
    limit: TICK_SLOWDOWN_MAX,
    bound: 'at most',
  };
}

// ---- lateness

interface LatenessRow {
  readonly title: string;
  readonly isMillrace: boolean;
  /** Of all rounds together, ascending. */
  readonly sortedMs: LatenessesMs;
  readonly p99MsByRound: readonly number[];
}

const WAYS: readonly LatenessRequest['way'][] = ['run, thread', 'run, inline', 'runSync'];

async function measureLateness(contenders: Contenders, { rounds }: Extent): Promise<LatenessRow[]> {
  const random = seededRandom(LATENESS_SEED);
  const subjects = [
    ...WAYS.map((way) => ({ title: `millrace ${way}`, contender: contenders.millrace, way })),
    { title: 'setTimeout', contender: contenders.node, way: 'run, thread' as const },
  ];
  const latenesses = subjects.map((): LatenessesMs[] => []);
  // Round -1 is the warm-up.
  for (let round = -1; round < rounds; round++) {
    const delaysMs = Array.from({ length: LATENESS_TIMERS }, () => drawnDelayMs(random));
    for (const [index, { contender, way }] of subjects.entries()) {
      const answer = await ask<LatenessesMs>(contender, { measure: 'lateness', way, delaysMs });
      if (round >= 0) latenesses[index]?.push(answer);
    }
  }
  const rows = subjects.map(({ title, contender }, index) => ({
    title,
    isMillrace: contender === contenders.millrace,
    sortedMs: (latenesses[index] ?? []).flat().sort(ascending),
    p99MsByRound: (latenesses[index] ?? []).map((round) =>
      percentile([...round].sort(ascending), 0.99),
    ),
  }));
  console.log(formatLateness(rows));
  return rows;
}

/** Whole milliseconds, since setTimeout drops fractions. */
function drawnDelayMs(random: () => number): number {
  const { min, max } = LATENESS_DELAY_MS;
  return min + Math.floor(random() * (max - min + 1));
}

function formatLateness(rows: readonly LatenessRow[]): string {
  const figures = ['timers', 'early', 'p50', 'p99', 'p99 of rounds', 'max'];
  const shares = [...HISTOGRAM_MS.map((bound) => `< ${bound}`), `>= ${HISTOGRAM_MS.at(-1)}`];
  const head = ['lateness, ms', ...figures, ...shares];
  return formatTable(
    head,
    rows.map(({ title, sortedMs, p99MsByRound }) => [
      title,
      String(sortedMs.length),
      String(earlyCount(sortedMs)),
      formatNumber(percentile(sortedMs, 0.5)),
      formatNumber(percentile(sortedMs, 0.99)),
      formatSpread(summarise(p99MsByRound)),
      formatNumber(percentile(sortedMs, 1)),
      ...histogram(sortedMs),
    ]),
  );
}

/** The share of each column, early ones left out. */
function histogram(sortedMs: LatenessesMs): string[] {
  const bounds = [...HISTOGRAM_MS, Number.POSITIVE_INFINITY];
  return bounds.map((upper, column) => {
    const lower = bounds[column - 1] ?? 0;
    const inside = sortedMs.filter((lateMs) => lateMs >= lower && lateMs < upper).length;
    return `${((100 * inside) / sortedMs.length).toFixed(1)} %`;
  });
}

function earlyCount(sortedMs: LatenessesMs): number {
  return sortedMs.filter((lateMs) => lateMs < 0).length;
}

function gatesOfLateness(rows: readonly LatenessRow[]): Gate[] {
  return rows
    .filter((row) => row.isMillrace)
    .flatMap(({ title, sortedMs }): Gate[] => [
      {
        claim: `timers fired early, ${title}`,
        value: earlyCount(sortedMs),
        limit: 0,
        bound: 'at most',
      },
      {
        claim: `lateness p99 in ms, ${title}`,
        value: percentile(sortedMs, 0.99),
        limit: LATENESS_P99_LIMIT_MS,
        bound: 'below',
      },
    ]);
}

/** A late timer is a matter of degree and a gate; an early one breaks a promise. */
function failuresOf(rows: readonly LatenessRow[]): string[] {
  return rows
    .filter((row) => row.isMillrace && earlyCount(row.sortedMs) > 0)
    .map(({ title, sortedMs }) => {
      const worstMs = -(sortedMs[0] ?? 0);
      const early = `${earlyCount(sortedMs)} timers fired early, by up to ${worstMs} ms`;
      return `${title}: ${early} (seed ${LATENESS_SEED})`;
    });
}
