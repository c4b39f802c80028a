/**
 * MetricsBoard: the metrics of a pool where other threads can read them, at
 * any moment and without waiting for anybody.
 *
 *   SEQUENCE   how often they were published
 *   two sheets of numbers; the latest is the one of the sequence's parity
 *
 * The pool writes the sheet that nobody is told to read, and then the
 * sequence. A reader that finds the sequence as it was has read one moment,
 * and so rule P4 holds there. A pool that dies in the middle of a write leaves
 * the sheet before. The histograms are shared by Node itself.
 */
import type { RecordableHistogram } from 'node:perf_hooks';
import { type ComputeMetrics, METRICS_COUNTS } from './metrics.js';

/** What other threads are given. */
export interface SharedMetrics {
  readonly board: SharedArrayBuffer;
  readonly waitTime: RecordableHistogram;
  readonly runTime: RecordableHistogram;
}

const SHEET = METRICS_COUNTS.length;
const SEQUENCE_BYTES = Float64Array.BYTES_PER_ELEMENT;

export class MetricsBoard {
  readonly shared: SharedMetrics;
  readonly #sequence: Int32Array<SharedArrayBuffer>;
  readonly #sheets: Float64Array<SharedArrayBuffer>;

  constructor(shared: SharedMetrics) {
    this.shared = shared;
    this.#sequence = new Int32Array(shared.board, 0, 1);
    this.#sheets = new Float64Array(shared.board, SEQUENCE_BYTES);
  }

  static create({ waitTime, runTime }: ComputeMetrics): MetricsBoard {
    const bytes = SEQUENCE_BYTES + 2 * SHEET * Float64Array.BYTES_PER_ELEMENT;
    return new MetricsBoard({ board: new SharedArrayBuffer(bytes), waitTime, runTime });
  }

  /** By the thread of the pool. Pairs with the loads in {@link read}. */
  publish(metrics: ComputeMetrics): void {
    const next = (Atomics.load(this.#sequence, 0) + 1) | 0;
    const first = (next & 1) * SHEET;
    for (let at = 0; at < SHEET; at++) this.#sheets[first + at] = metrics[METRICS_COUNTS[at]];
    Atomics.store(this.#sequence, 0, next);
  }

  read(): ComputeMetrics {
    const { waitTime, runTime } = this.shared;
    const metrics = { waitTime, runTime } as ComputeMetrics;
    for (;;) {
      const sequence = Atomics.load(this.#sequence, 0);
      const first = (sequence & 1) * SHEET;
      for (let at = 0; at < SHEET; at++) metrics[METRICS_COUNTS[at]] = this.#sheets[first + at];
      // An exchange, since a mere load would let the reads before it come after it.
      if (Atomics.or(this.#sequence, 0, 0) === sequence) return metrics;
    }
  }
}
