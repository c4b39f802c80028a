/**
 * What the priorities of Millrace's compute pool are worth: how soon a Critical
 * task starts while Low ones wait in line, and how long a Low one waits while
 * Critical ones never end.
 *
 *   node pool-priorities.js THREADS
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ComputePool, TaskPriority } from 'millrace';
import { seededRandom } from '../harness/statistics.js';
import { type Stay, sharedNowUs, stay } from './pool-tasks.js';
import { serve } from './protocol.js';

/** Critical tasks at random moments, until a line of Low ones is done. */
export interface CriticalRequest {
  readonly measure: 'critical';
  readonly agingMs: number;
  readonly low: number;
  readonly taskUs: number;
  /** Between two Critical tasks, on average. */
  readonly everyMs: number;
}

/** Low tasks one after the other for `ms`, while so many Critical ones are always under way. */
export interface AgingRequest {
  readonly measure: 'aging';
  readonly agingMs: number;
  readonly ms: number;
  readonly taskUs: number;
  readonly everyMs: number;
  readonly criticalInFlight: number;
}

/** A task, with the moment at which it was given to the pool. */
export interface Ran extends Stay {
  readonly submittedUs: number;
}

export interface PrioritiesReport {
  readonly low: readonly Ran[];
  readonly critical: readonly Ran[];
}

/** Tasks that do not count. */
const WARM_UPS = 20;

const threads = Number(process.argv[2]);
const tasks = new URL('pool-tasks.js', import.meta.url);
const random = seededRandom(1);

/** Of the request that is being answered. */
let pool: ComputePool;

async function ran(priority: TaskPriority, taskUs: number): Promise<Ran> {
  const submittedUs = sharedNowUs();
  const times = await pool.run<Stay>(tasks, stay.name, [taskUs], { priority });
  return { submittedUs, ...times };
}

async function critical({ low, taskUs, everyMs }: CriticalRequest): Promise<PrioritiesReport> {
  const line = Array.from({ length: low }, () => ran(TaskPriority.Low, taskUs));
  const urgent: Promise<Ran>[] = [];
  while (pool.metrics().queueDepthLow > 0) {
    await delay(2 * everyMs * random());
    urgent.push(ran(TaskPriority.Critical, taskUs));
  }
  return { low: await Promise.all(line), critical: await Promise.all(urgent) };
}

async function aging(request: AgingRequest): Promise<PrioritiesReport> {
  const { ms, taskUs, everyMs, criticalInFlight } = request;
  const endUs = sharedNowUs() + ms * 1000;
  const urgent: Ran[] = [];
  const over = new AbortController();
  const lane = async (): Promise<void> => {
    while (!over.signal.aborted) urgent.push(await ran(TaskPriority.Critical, taskUs));
  };
  const lanes = Array.from({ length: criticalInFlight }, lane);
  const line: Promise<Ran>[] = [];
  while (sharedNowUs() < endUs) {
    line.push(ran(TaskPriority.Low, taskUs));
    await delay(everyMs);
  }
  // The Critical ones do not end before the last Low one has had its turn.
  const low = await Promise.all(line);
  over.abort();
  await Promise.all(lanes);
  return { low, critical: urgent };
}

serve(async (request: CriticalRequest | AgingRequest) => {
  const { agingMs, taskUs } = request;
  pool = new ComputePool({ threads, agingMs, queueCapacity: 2 ** 20 });
  try {
    // The threads start, and code gets compiled.
    await Promise.all(Array.from({ length: WARM_UPS }, () => ran(TaskPriority.Normal, taskUs)));
    return await (request.measure === 'critical' ? critical(request) : aging(request));
  } finally {
    await pool.close();
  }
});
