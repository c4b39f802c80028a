/**
 * Echo over Unix stream sockets: Millrace on both poller settings against C on
 * epoll and `node:net`, on the grid of `harness/echo-grid.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Benchmark, OptionValues, Outcome } from './harness/benchmark.js';
import { cpuGate, GRID_OPTIONS, type Grid, runGrid, titleOf } from './harness/echo-grid.js';
import { ECHO_SERVERS, MILLRACE, TITLES } from './harness/echo-server.js';

/** What server CPU time per round trip may be, as a multiple of the C server's. */
const CPU_TO_C_MAX = 1.2;

const GRID: Grid = {
  names: ECHO_SERVERS,
  compared: ['c', 'net'],
  connections: [50],
  payloadBytes: [64, 16 * 1024],
  gatesOf: (cell) =>
    MILLRACE.flatMap((name) => {
      const claim = `${titleOf(cell)}, ${TITLES[name]}: CPU / C`;
      return cpuGate(cell, claim, { of: name, to: 'c', max: CPU_TO_C_MAX });
    }),
};

export const benchmark: Benchmark = {
  summary: 'Unix echo against node:net and C: round trips, server CPU per round trip, latency',
  options: GRID_OPTIONS,
  run,
};

async function run(values: OptionValues): Promise<Outcome> {
  // A directory of this run alone, so that no path can be taken.
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    return await runGrid(values, GRID, (name) => join(directory, name));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
