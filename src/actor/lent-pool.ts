/** The pool of a system as actors on its own thread have it: to use, and not to close. */
import { ComputePool } from '../compute/compute-pool.js';
import type { PoolBackend } from '../compute/pool-backend.js';
import { poolNotOwned } from './actor-errors.js';

export function lend(pool: PoolBackend): ComputePool {
  return new ComputePool(undefined, {
    get isClosing() {
      return pool.isClosing;
    },
    submit: (order) => pool.submit(order),
    metrics: () => pool.metrics(),
    close: () => Promise.reject(poolNotOwned()),
  });
}
