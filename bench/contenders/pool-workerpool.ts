/**
 * Workerpool on threads, which are not what it uses by default.
 *
 *   node pool-workerpool.js THREADS
 */
import { fileURLToPath } from 'node:url';
import { pool as createPool } from 'workerpool';
import { servePool } from './pool-protocol.js';

const threads = Number(process.argv[2]);
const pool = createPool(fileURLToPath(new URL('pool-tasks-workerpool.js', import.meta.url)), {
  workerType: 'thread',
  minWorkers: threads,
  maxWorkers: threads,
});

servePool({
  next: (value) => pool.exec('next', [value]),
  spin: (steps) => pool.exec('spin', [steps]),
  stamped: (bytes) => pool.exec('stampedAndMoved', [bytes], { transfer: [bytes.buffer] }),
});
