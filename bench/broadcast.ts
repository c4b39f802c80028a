/**
 * What one connection says is sent to all of them: `broadcast()` of
 * `millrace/net` against a write to each socket of `node:net`, and C. On the grid of
 * `harness/echo-grid.ts`, with the load of `native/broadcast_client.c`.
 */
import type { Benchmark, Gate } from './harness/benchmark.js';
import {
  type Cell,
  cpuGate,
  GRID_OPTIONS,
  type Grid,
  rateGate,
  runGrid,
  titleOf,
} from './harness/echo-grid.js';

const GRID: Grid = {
  duty: 'broadcast',
  names: ['c', 'net', 'server'],
  compared: ['c', 'net'],
  connections: [500],
  payloadBytes: [64, 1024],
  gatesOf,
};

export const benchmark: Benchmark = {
  summary: 'one message to 500 connections by TcpServer against node:net and C: deliveries, CPU',
  options: GRID_OPTIONS,
  run: (values) => runGrid(values, GRID),
};

// ---- gates

/** What server CPU time per delivery may be, as a multiple of the C server's. */
const CPU_TO_C_MAX = 1.2;
/** Deliveries per second, as a multiple of node:net's. */
const RATE_TO_NET_MIN = 2;

function gatesOf(cell: Cell): readonly Gate[] {
  const title = titleOf(cell);
  const claim = `${title}: deliveries / node:net`;
  return [
    ...cpuGate(cell, `${title}: CPU / C`, { of: 'server', to: 'c', max: CPU_TO_C_MAX }),
    ...rateGate(cell, claim, { of: 'server', to: 'net', min: RATE_TO_NET_MIN }),
  ];
}
