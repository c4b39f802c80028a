/**
 * Millrace's compute pool, with the options that it has by default.
 *
 *   node pool-millrace.js THREADS
 */
import { ComputePool } from 'millrace';
import { servePool } from './pool-protocol.js';

const pool = new ComputePool({ threads: Number(process.argv[2]) });
const tasks = new URL('pool-tasks-millrace.js', import.meta.url);

servePool({
  next: (value) => pool.run(tasks, 'next', [value]),
  spin: (steps) => pool.run(tasks, 'spin', [steps]),
  stamped: (bytes) => pool.run(tasks, 'stampedAndMoved', [bytes], { transfer: [bytes.buffer] }),
});
