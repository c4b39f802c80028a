/**
 * TCP echo by `millrace/net`, the layer that most servers are written on,
 * against `node:net`, and against Millrace's plain sockets, which shows what
 * the layer costs. On the grid of `harness/echo-grid.ts`.
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
import { ANY_PORT, type EchoServerName, LAYER_SERVERS, TITLES } from './harness/echo-server.js';

const CONNECTIONS = [1, 50, 500];
const PAYLOAD_BYTES = [64, 16 * 1024];

export const benchmark: Benchmark = {
  summary: 'TCP echo by TcpServer against node:net, and what it costs beyond plain sockets',
  options: GRID_OPTIONS,
  run,
};

async function run(values: OptionValues): Promise<Outcome> {
  const plan = planGrid(values, {
    names: ['net', 'thread', ...LAYER_SERVERS],
    compared: ['net', 'thread'],
    connections: CONNECTIONS,
    payloadBytes: PAYLOAD_BYTES,
  });
  const cells = await runGrid(plan, () => ANY_PORT);
  const { names } = plan;
  return { gates: gatesOf(cells, names), failures: failuresOf(cells, names), data: cells };
}

// ---- gates

/** Round trips per second with 50 connections, as a multiple of node:net's, by payload. */
const RATE_TO_NET_MIN: Readonly<Record<number, number>> = { 64: 1.3, 16384: 2.3 };
const RATE_CONNECTIONS = 50;

function gatesOf(cells: readonly Cell[], names: readonly EchoServerName[]): Gate[] {
  if (!names.includes('server') || !names.includes('net')) return [];
  return cells.flatMap((cell): Gate[] => {
    const limit = RATE_TO_NET_MIN[cell.payloadBytes];
    if (limit === undefined || cell.connections !== RATE_CONNECTIONS) return [];
    const value = ratioOf(cell, 'roundTripsPerSecond', { of: 'server', to: 'net' });
    const claim = `${titleOf(cell)}, ${TITLES.server}: rate / node:net`;
    return [{ claim, value, limit, bound: 'at least' }];
  });
}
