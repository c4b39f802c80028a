/**
 * Echo over Unix stream sockets: Millrace on both poller settings against C on
 * epoll and `node:net`, on the grid of `harness/echo-grid.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import {
  type Cell,
  failuresOf,
  GRID_OPTIONS,
  type Plan,
  planGrid,
  ratioOf,
  runGrid,
  titleOf,
} from './harness/echo-grid.js';
import { ECHO_SERVERS, MILLRACE, TITLES } from './harness/echo-server.js';

const CONNECTIONS = [50];
const PAYLOAD_BYTES = [64, 16 * 1024];

export const benchmark: Benchmark = {
  summary: 'Unix echo against node:net and C: round trips, server CPU per round trip, latency',
  options: GRID_OPTIONS,
  run,
};

async function run(values: OptionValues): Promise<Outcome> {
  const plan = planGrid(values, {
    names: ECHO_SERVERS,
    compared: ['c', 'net'],
    connections: CONNECTIONS,
    payloadBytes: PAYLOAD_BYTES,
  });
  // A directory of this run alone, so that no path can be taken.
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const cells = await runGrid(plan, (name) => join(directory, name));
    return { gates: gatesOf(cells, plan), failures: failuresOf(cells, plan.names), data: cells };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What server CPU time per round trip may be, as a multiple of the C server's. */
const CPU_TO_C_MAX = 1.2;

function gatesOf(cells: readonly Cell[], { names }: Plan): Gate[] {
  if (!names.includes('c')) return [];
  const contenders = MILLRACE.filter((name) => names.includes(name));
  return cells.flatMap((cell) =>
    contenders.map((name) => ({
      claim: `${titleOf(cell)}, ${TITLES[name]}: CPU / C`,
      value: ratioOf(cell, 'cpuUsPerRoundTrip', { of: name, to: 'c' }),
      limit: CPU_TO_C_MAX,
      bound: 'at most',
    })),
  );
}
