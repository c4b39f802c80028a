/** Pools in tests: tasks to run, a gate that holds a thread, and pools that are closed again. */
import { expect } from 'chai';
import { type ComputeMetrics, ComputePool, type ComputePoolOptions } from '../../src/index.js';
import { eventually } from './eventually.js';

/** From `dist/test/support/`. */
export const TASKS = new URL('../fixtures/compute/tasks.js', import.meta.url);

export type Tasks = typeof import('../fixtures/compute/tasks.js');

/** Opens pools that are closed, whatever is left in them, after each test. */
export function poolsClosedAfterEach(): (options?: ComputePoolOptions) => ComputePool {
  const pools: ComputePool[] = [];
  afterEach('closes pools', async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close({ drain: false })));
  });
  return (options) => {
    const pool = new ComputePool(options);
    pools.push(pool);
    return pool;
  };
}

/** A task that keeps its thread busy until it is let go. */
export class Gate {
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly done: Promise<unknown>;

  private constructor(pool: ComputePool) {
    this.done = pool.run(TASKS, 'log', [this.#words.buffer, 0, this.#words.buffer]);
    this.done.catch(() => {});
  }

  /**
   * Resolves when it has begun. If `log` has run before, the pool takes this
   * for a quick task, and sends others ahead to the thread.
   */
  static async shut(pool: ComputePool): Promise<Gate> {
    const gate = new Gate(pool);
    await eventually(() => expect(Atomics.load(gate.#words, 1)).to.equal(1));
    return gate;
  }

  open(): void {
    Atomics.store(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
  }
}

/** What tasks note down in the order in which they begin. */
export class Notes {
  readonly buffer = new SharedArrayBuffer(4 * 4096);
  readonly #words = new Int32Array(this.buffer);

  get list(): number[] {
    return [...this.#words.subarray(1, 1 + Atomics.load(this.#words, 0))];
  }
}

/** Rule P4, at this very moment. */
export function expectBalanced(pool: ComputePool): void {
  const metrics = pool.metrics();
  const { tasksSubmitted, tasksCompleted, tasksFailed, tasksCancelled, activeWorkers } = metrics;
  const ended = tasksCompleted + tasksFailed + tasksCancelled;
  expect(ended + depthOf(metrics) + activeWorkers).to.equal(tasksSubmitted);
}

/** Tasks that have not begun, of all priorities. */
export function queued(pool: ComputePool): number {
  return depthOf(pool.metrics());
}

function depthOf(metrics: ComputeMetrics): number {
  const { queueDepthLow, queueDepthNormal, queueDepthHigh, queueDepthCritical } = metrics;
  return queueDepthLow + queueDepthNormal + queueDepthHigh + queueDepthCritical;
}
