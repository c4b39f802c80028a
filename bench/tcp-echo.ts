/**
 * TCP echo: Millrace on both poller settings against C on epoll and `node:net`,
 * on the grid of `harness/echo-grid.ts`.
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
import { ECHO_SERVERS, type EchoServerName, MILLRACE, TITLES } from './harness/echo-server.js';

const GRID: Grid = {
  names: ECHO_SERVERS,
  compared: ['c', 'net'],
  connections: [1, 50, 500],
  payloadBytes: [64, 16 * 1024],
  gatesOf: (cell) => MILLRACE.flatMap((name) => gatesOf(cell, name)),
};

export const benchmark: Benchmark = {
  summary: 'TCP echo against node:net and C: round trips, server CPU per round trip, latency',
  options: GRID_OPTIONS,
  run: (values) => runGrid(values, GRID),
};

// ---- gates

/** What server CPU time per round trip may be, as a multiple of the C server's. */
const CPU_TO_C_MAX = 1.2;
/** And of node:net's; large payloads save it a copy and an allocation. */
const CPU_TO_NET_MAX: Readonly<Record<number, number>> = { 64: 0.75, 16384: 0.4 };
/** Round trips per second, as a multiple of the C server's. */
const RATE_TO_C_MIN = 0.9;
/** With fewer connections the rate is that of two threads waking each other. */
const RATE_CONNECTIONS_MIN = 50;

function gatesOf(cell: Cell, name: EchoServerName): readonly Gate[] {
  const netLimit = CPU_TO_NET_MAX[cell.payloadBytes];
  // Nothing is promised for payloads that were asked for by hand.
  if (netLimit === undefined) return [];
  const where = `${titleOf(cell)}, ${TITLES[name]}`;
  const gates = [
    ...cpuGate(cell, `${where}: CPU / C`, { of: name, to: 'c', max: CPU_TO_C_MAX }),
    ...cpuGate(cell, `${where}: CPU / node:net`, { of: name, to: 'net', max: netLimit }),
  ];
  if (cell.connections < RATE_CONNECTIONS_MIN) return gates;
  const claim = `${where}: rate / C`;
  return [...gates, ...rateGate(cell, claim, { of: name, to: 'c', min: RATE_TO_C_MIN })];
}
