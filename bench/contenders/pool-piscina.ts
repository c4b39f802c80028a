/**
 * Piscina, with the options that it has by default.
 *
 *   node pool-piscina.js THREADS
 */
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { servePool } from './pool-protocol.js';

const threads = Number(process.argv[2]);
const pool = new Piscina({
  filename: fileURLToPath(new URL('pool-tasks-piscina.js', import.meta.url)),
  minThreads: threads,
  maxThreads: threads,
});

servePool({
  next: (value) => pool.run(value, { name: 'next' }),
  spin: (steps) => pool.run(steps, { name: 'spin' }),
  stamped: (bytes) => pool.run(bytes, { name: 'stampedAndMoved', transferList: [bytes.buffer] }),
});
