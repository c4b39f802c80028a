/** What a pool counts (rule P4), and how long tasks wait and run. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { TASK_TIME_NS_MAX } from '../limits.js';
import { Ending } from './task.js';

/**
 * At any moment: submitted = completed + failed + cancelled + the four depths
 * + active. A task counts as ended when its thread is done with it, which may
 * be a little before its promise settles.
 */
export interface ComputeMetrics {
  /** Tasks that the pool has taken. */
  tasksSubmitted: number;
  /** Tasks whose function has returned. */
  tasksCompleted: number;
  /** Tasks that threw, were not done in time, could not be cloned, or lost their thread. */
  tasksFailed: number;
  /** Tasks that were aborted, or that a close gave up. */
  tasksCancelled: number;
  /** Threads that are running a task. */
  activeWorkers: number;
  /** Tasks of priority Low that have not begun, whatever level they have reached by waiting. */
  queueDepthLow: number;
  /** The same of Normal. */
  queueDepthNormal: number;
  /** The same of High. */
  queueDepthHigh: number;
  /** The same of Critical. */
  queueDepthCritical: number;
  /** How long all tasks together have run that returned or threw. */
  totalExecutionTimeNs: number;
  /**
   * From the submission to the beginning of tasks that returned or threw. In
   * nanoseconds, 1 to an hour, two significant digits. The living histogram:
   * `histogram.add()` merges those of several pools.
   */
  waitTime: RecordableHistogram;
  /** From the beginning to the end, likewise. */
  runTime: RecordableHistogram;
}

/** All that are numbers. */
export const METRICS_COUNTS = [
  'tasksSubmitted',
  'tasksCompleted',
  'tasksFailed',
  'tasksCancelled',
  'activeWorkers',
  'queueDepthLow',
  'queueDepthNormal',
  'queueDepthHigh',
  'queueDepthCritical',
  'totalExecutionTimeNs',
] as const;

export class Counters {
  submitted = 0;
  readonly #endings = [0, 0, 0];
  #executionMs = 0;
  readonly waitTime = createTimes();
  readonly runTime = createTimes();

  ended(ending: Ending): void {
    this.#endings[ending] += 1;
  }

  ran(waitMs: number, tookMs: number): void {
    this.#executionMs += tookMs;
    this.waitTime.record(nanoseconds(waitMs));
    this.runTime.record(nanoseconds(tookMs));
  }

  /** `depths` by priority. */
  read(activeWorkers: number, depths: readonly number[]): ComputeMetrics {
    const [tasksCompleted = 0, tasksFailed = 0, tasksCancelled = 0] = this.#endings;
    const [low = 0, normal = 0, high = 0, critical = 0] = depths;
    return {
      tasksSubmitted: this.submitted,
      tasksCompleted,
      tasksFailed,
      tasksCancelled,
      activeWorkers,
      queueDepthLow: low,
      queueDepthNormal: normal,
      queueDepthHigh: high,
      queueDepthCritical: critical,
      totalExecutionTimeNs: Math.round(this.#executionMs * 1e6),
      waitTime: this.waitTime,
      runTime: this.runTime,
    };
  }
}

function createTimes(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: TASK_TIME_NS_MAX, figures: 2 });
}

function nanoseconds(timeMs: number): number {
  return Math.max(1, Math.min(TASK_TIME_NS_MAX, Math.round(timeMs * 1e6)));
}
