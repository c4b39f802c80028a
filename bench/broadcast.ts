/**
 * What one connection says is sent to all of them: `broadcast()` of
 * `millrace/net` against a write to each socket of `node:net`, and C. On the grid of
 * `harness/echo-grid.ts`, with the load of `native/broadcast_client.c`.
 */
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import {
  type Cell,
  failuresOf,
  GRID_OPTIONS,
  planGrid,
  ratioOf,
  runGrid,
  titleOf,
} from './harness/echo-grid.js';
import { ANY_PORT, type EchoServerName } from './harness/echo-server.js';

const CONNECTIONS = [500];
const PAYLOAD_BYTES = [64, 1024];

export const benchmark: Benchmark = {
  summary: 'one message to 500 connections by TcpServer against node:net and C: deliveries, CPU',
  options: GRID_OPTIONS,
  run,
};

async function run(values: OptionValues): Promise<Outcome> {
  const plan = planGrid(values, {
    duty: 'broadcast',
    names: ['c', 'net', 'server'],
    compared: ['c', 'net'],
    connections: CONNECTIONS,
    payloadBytes: PAYLOAD_BYTES,
  });
  const cells = await runGrid(plan, () => ANY_PORT);
  const { names } = plan;
  return { gates: gatesOf(cells, names), failures: failuresOf(cells, names), data: cells };
}

// ---- gates

/** What server CPU time per delivery may be, as a multiple of the C server's. */
const CPU_TO_C_MAX = 1.2;
/** Deliveries per second, as a multiple of node:net's. */
const RATE_TO_NET_MIN = 2;

function gatesOf(cells: readonly Cell[], names: readonly EchoServerName[]): Gate[] {
  if (!names.includes('server')) return [];
  return cells.flatMap((cell) => {
    const gates: Gate[] = [];
    if (names.includes('c')) {
      const value = ratioOf(cell, 'cpuUsPerRoundTrip', { of: 'server', to: 'c' });
      const claim = `${titleOf(cell)}: CPU / C`;
      gates.push({ claim, value, limit: CPU_TO_C_MAX, bound: 'at most' });
    }
    if (names.includes('net')) {
      const value = ratioOf(cell, 'roundTripsPerSecond', { of: 'server', to: 'net' });
      const claim = `${titleOf(cell)}: deliveries / node:net`;
      gates.push({ claim, value, limit: RATE_TO_NET_MIN, bound: 'at least' });
    }
    return gates;
  });
}
