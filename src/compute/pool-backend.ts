/** What stands behind a ComputePool: its dispatcher, or what leads there from another thread. */
import type { ComputeMetrics } from './metrics.js';
import type { Order } from './task.js';

export interface PoolBackend {
  /** Takes no tasks any more. */
  readonly isClosing: boolean;

  /**
   * Settles the order's caller some time later.
   *
   * @throws MillraceError ERR_POOL_CLOSED, ERR_QUEUE_FULL; the abort reason; a system error
   */
  submit(order: Order): void;

  metrics(): ComputeMetrics;

  /** Idempotent; one that does not drain may follow one that does. */
  close(drain: boolean): Promise<void>;
}
