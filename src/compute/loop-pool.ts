/** The pool of a loop, for `loop.compute`. `src/index.ts` provides it to `src/loop/`. */
import { ComputePool } from './compute-pool.js';

declare module '../loop/computing.js' {
  interface LoopPool extends ComputePool {}
}

export function openPool(): ComputePool {
  return new ComputePool();
}
