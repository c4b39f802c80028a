/**
 * TCP echo by `millrace/net`, the layer that most servers are written on,
 * against `node:net`, and against Millrace's plain sockets, which shows what
 * the layer costs. On the grid of `harness/echo-grid.ts`.
 */
import type { Benchmark, Gate } from './harness/benchmark.js';
import {
  type Cell,
  GRID_OPTIONS,
  type Grid,
  rateGate,
  runGrid,
  titleOf,
} from './harness/echo-grid.js';
import { LAYER_SERVERS, TITLES } from './harness/echo-server.js';

const GRID: Grid = {
  names: ['net', 'thread', ...LAYER_SERVERS],
  compared: ['net', 'thread'],
  connections: [1, 50, 500],
  payloadBytes: [64, 16 * 1024],
  gatesOf,
};

export const benchmark: Benchmark = {
  summary: 'TCP echo by TcpServer against node:net, and what it costs beyond plain sockets',
  options: GRID_OPTIONS,
  run: (values) => runGrid(values, GRID),
};

// ---- gates

/** Round trips per second with 50 connections, as a multiple of node:net's, by payload. */
const RATE_TO_NET_MIN: Readonly<Record<number, number>> = { 64: 1.3, 16384: 2.3 };
const RATE_CONNECTIONS = 50;

function gatesOf(cell: Cell): readonly Gate[] {
  const min = RATE_TO_NET_MIN[cell.payloadBytes];
  if (min === undefined || cell.connections !== RATE_CONNECTIONS) return [];
  const claim = `${titleOf(cell)}, ${TITLES.server}: rate / node:net`;
  return rateGate(cell, claim, { of: 'server', to: 'net', min });
}
