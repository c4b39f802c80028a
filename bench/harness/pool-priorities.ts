/** The part of the `pool` benchmark that has no opponents; see `contenders/pool-priorities.ts`. */
import type {
  AgingRequest,
  CriticalRequest,
  PrioritiesReport,
  Ran,
} from '../contenders/pool-priorities.js';
import type { Gate } from './benchmark.js';
import { LineProcess, scriptPath } from './processes.js';
import { ascending, percentile } from './statistics.js';
import { formatNumber, formatTable } from './table.js';

/** The length of every task: short enough to show what choosing the next one takes. */
const TASK_US = 1000;

/** Between Critical tasks on average, and between Low ones that must not starve. */
const CRITICAL_EVERY_MS = 5;
const LOW_EVERY_MS = 10;

/** One level higher after so long; after three times that Low is as good as Critical. */
const AGING_MS = 100;
const LEVELS = 3;

/** So long that no Low task gets there: then a Critical one would have to wait for it. */
const NO_AGING_MS = 3_600_000;

/** Under way while Low ones age, for each thread: more than one, so that some always wait. */
const CRITICAL_IN_FLIGHT = 4;

/** A task that nobody may be later than: the one that ran when the Critical one came. */
const START_US_MAX = TASK_US + 200;

/** One may begin while the task that is first in the line is on its way to a thread. */
const PASSED_MAX = 1;

/** One that lies ahead with a thread may be overtaken for some milliseconds (rule P1). */
const OVERTAKEN_MAX = 5;

/** Beyond its promotion a Low task waits for those before it, which were promoted as well. */
const WAIT_TO_PROMOTION_MAX = 1.1;

const ANSWER_GRACE_MS = 60_000;

export interface Priorities {
  readonly text: string;
  readonly gates: readonly Gate[];
  readonly failures: readonly string[];
  readonly data: unknown;
}

interface Row {
  readonly threads: number;
  readonly critical: PrioritiesReport;
  readonly aging: PrioritiesReport;
}

/** On each number of threads; the line of Low tasks is `low` long. */
export async function measurePriorities(
  counts: readonly number[],
  low: number,
): Promise<Priorities> {
  const rows: Row[] = [];
  for (const threads of counts) rows.push(await measureRow(threads, low));
  return {
    text: formatRows(rows),
    gates: rows.flatMap(gatesOf),
    failures: rows.flatMap((row) => failuresOf(row, low)),
    data: rows.map((row) => ({
      threads: row.threads,
      starts: startsOf(row),
      waits: waitsOf(row),
    })),
  };
}

async function measureRow(threads: number, low: number): Promise<Row> {
  const path = scriptPath('contenders/pool-priorities');
  const command = [process.execPath, path, String(threads)];
  const contender = new LineProcess('priorities', command);
  const ask = async (request: CriticalRequest | AgingRequest): Promise<PrioritiesReport> => {
    return contender.ask(request, (low * TASK_US) / 1000 + ANSWER_GRACE_MS);
  };
  const taskUs = TASK_US;
  try {
    const critical = await ask({
      measure: 'critical',
      agingMs: NO_AGING_MS,
      low,
      taskUs,
      everyMs: CRITICAL_EVERY_MS,
    });
    const aging = await ask({
      measure: 'aging',
      agingMs: AGING_MS,
      // As long as the line takes, up to ten times the promotion.
      ms: Math.min(low, 10 * LEVELS * AGING_MS),
      taskUs,
      everyMs: LOW_EVERY_MS,
      criticalInFlight: CRITICAL_IN_FLIGHT * threads,
    });
    return { threads, critical, aging };
  } finally {
    await contender.stop();
  }
}

// ---- figures

/** From submission to start, in ascending order. */
function waitedUs(all: readonly Ran[]): number[] {
  return all.map(({ submittedUs, startedUs }) => startedUs - submittedUs).toSorted(ascending);
}

function startsOf({ critical }: Row): Record<'p50Us' | 'p99Us' | 'maxUs' | 'p99Passed', number> {
  const delays = waitedUs(critical.critical);
  const [p50Us, p99Us, maxUs] = [0.5, 0.99, 1].map((part) => percentile(delays, part));
  return { p50Us, p99Us, maxUs, p99Passed: passedBy(critical.low, critical.critical, 0) };
}

/**
 * How many of `others` began between the moment at which a task was first in
 * the line, `afterUs` after its submission, and its start: the 99th percentile. It
 * does not depend on how long the machine lets a thread wait for a processor.
 */
function passedBy(others: readonly Ran[], tasks: readonly Ran[], afterUs: number): number {
  const starts = others.map(({ startedUs }) => startedUs).toSorted(ascending);
  const counts = tasks.map(({ submittedUs, startedUs }) => {
    return countBelow(starts, startedUs) - countBelow(starts, submittedUs + afterUs);
  });
  return percentile(counts.toSorted(ascending), 0.99);
}

/** How many of the values, in ascending order, are below the limit. */
function countBelow(values: readonly number[], limit: number): number {
  let low = 0;
  for (let high = values.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (values[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function waitsOf({ aging }: Row): Record<'minMs' | 'maxMs' | 'p99Passed', number> {
  const waits = waitedUs(aging.low).map((us) => us / 1000);
  // Whatever Critical one begins by then was submitted long after the Low one.
  const p99Passed = passedBy(aging.critical, aging.low, LEVELS * AGING_MS * 1000);
  return { minMs: waits[0], maxMs: waits.at(-1)!, p99Passed };
}

function formatRows(rows: readonly Row[]): string {
  const starts = formatTable(
    [
      'Critical before Low',
      'threads',
      'Low',
      'Critical',
      'start p50 us',
      'p99 us',
      'max us',
      'passed by, p99',
    ],
    rows.map((row) => {
      const { low, critical } = row.critical;
      const { p50Us, p99Us, maxUs, p99Passed } = startsOf(row);
      const figures = [row.threads, low.length, critical.length, p50Us, p99Us, maxUs, p99Passed];
      return [`tasks of ${TASK_US} us`, ...figures.map((figure) => formatNumber(figure))];
    }),
  );
  const waits = formatTable(
    [
      'Low beside endless Critical',
      'threads',
      'Low',
      'Critical',
      'wait min ms',
      'max ms',
      'passed by, p99',
    ],
    rows.map((row) => {
      const { low, critical } = row.aging;
      const { minMs, maxMs, p99Passed } = waitsOf(row);
      const figures = [row.threads, low.length, critical.length, minMs, maxMs, p99Passed];
      return [`ageing ${AGING_MS} ms`, ...figures.map((figure) => formatNumber(figure))];
    }),
  );
  return `${starts}\n\n${waits}`;
}

function failuresOf({ threads, critical }: Row, low: number): string[] {
  const done = critical.low.length;
  return done === low ? [] : [`priorities, ${threads} threads: ${done} of ${low} Low tasks done`];
}

function gatesOf(row: Row): Gate[] {
  const where = `${row.threads} threads`;
  return [
    {
      claim: `Critical before Low, ${where}: p99 us to its start`,
      value: startsOf(row).p99Us,
      limit: START_US_MAX,
      bound: 'at most',
    },
    {
      claim: `Critical before Low, ${where}: p99 of Low tasks that began meanwhile`,
      value: startsOf(row).p99Passed,
      limit: PASSED_MAX,
      bound: 'at most',
    },
    {
      claim: `Low beside Critical, ${where}: longest wait / ${LEVELS} levels of ageing`,
      value: waitsOf(row).maxMs / (LEVELS * AGING_MS),
      limit: WAIT_TO_PROMOTION_MAX,
      bound: 'at most',
    },
    {
      claim: `Low beside Critical, ${where}: p99 of Critical tasks that began before an aged one`,
      value: waitsOf(row).p99Passed,
      limit: OVERTAKEN_MAX * row.threads,
      bound: 'at most',
    },
  ];
}
