/**
 * TCP echo: Millrace on both poller settings against C on epoll and `node:net`,
 * on the grid of `harness/echo-grid.ts`.
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
import {
  ANY_PORT,
  ECHO_SERVERS,
  type EchoServerName,
  MILLRACE,
  TITLES,
} from './harness/echo-server.js';

const CONNECTIONS = [1, 50, 500];
const PAYLOAD_BYTES = [64, 16 * 1024];

export const benchmark: Benchmark = {
  summary: 'TCP echo against node:net and C: round trips, server CPU per round trip, latency',
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
  const cells = await runGrid(plan, () => ANY_PORT);
  const { names } = plan;
  return { gates: gatesOf(cells, names), failures: failuresOf(cells, names), data: cells };
}

// ---- gates

/** What server CPU time per round trip may be, as a multiple of the C server's. */
const CPU_TO_C_MAX = 1.2;
/** And of node:net's; large payloads save it a copy and an allocation. */
const CPU_TO_NET_MAX: Readonly<Record<number, number>> = { 64: 0.75, 16384: 0.4 };
/** Round trips per second, as a multiple of the C server's. */
const RATE_TO_C_MIN = 0.9;
/** With fewer connections the rate is that of two threads waking each other. */
const RATE_CONNECTIONS_MIN = 50;

function gatesOf(cells: readonly Cell[], names: readonly EchoServerName[]): Gate[] {
  const contenders = MILLRACE.filter((name) => names.includes(name));
  return cells.flatMap((cell) => contenders.flatMap((name) => gatesOfRow(cell, name, names)));
}

function gatesOfRow(cell: Cell, name: EchoServerName, names: readonly EchoServerName[]): Gate[] {
  const netLimit = CPU_TO_NET_MAX[cell.payloadBytes];
  // Nothing is promised for payloads that were asked for by hand.
  if (netLimit === undefined) return [];
  const where = `${titleOf(cell)}, ${TITLES[name]}`;
  const gates: Gate[] = [];
  if (names.includes('c')) {
    const value = ratioOf(cell, 'cpuUsPerRoundTrip', { of: name, to: 'c' });
    gates.push({ claim: `${where}: CPU / C`, value, limit: CPU_TO_C_MAX, bound: 'at most' });
  }
  if (names.includes('net')) {
    const value = ratioOf(cell, 'cpuUsPerRoundTrip', { of: name, to: 'net' });
    gates.push({ claim: `${where}: CPU / node:net`, value, limit: netLimit, bound: 'at most' });
  }
  if (names.includes('c') && cell.connections >= RATE_CONNECTIONS_MIN) {
    const value = ratioOf(cell, 'roundTripsPerSecond', { of: name, to: 'c' });
    gates.push({ claim: `${where}: rate / C`, value, limit: RATE_TO_C_MIN, bound: 'at least' });
  }
  return gates;
}
