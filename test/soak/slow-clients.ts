/**
 * Goal: connections that hardly say anything cost little memory, are kept as
 * long as they say something in time, and are ended in time when they do not.
 *
 * Method: clients in processes of their own open connections to a server and
 * send a byte on each of them once in a period, for some periods; then they are
 * silent. The idle timeout is a little longer than the period, so none may be
 * ended before, and each at its time afterwards: not early, and within a timer
 * tick, beyond what the whole loop was late.
 * Memory is what the server's process grows by over the last four fifths of the
 * connections: the first settle in what is free in the heap. What the kernel
 * keeps for a socket is in no process's memory. `node:net` is measured beside.
 */
import type { PollerMode } from 'millrace';
import type { AddressInfo } from 'node:net';
import type { QuietClientsOptions } from '../fixtures/quiet-clients.js';
import type { QuietReport, QuietServerOptions } from '../fixtures/quiet-server.js';
import { residentBytes } from '../support/proc.js';
import { Fixture } from '../support/processes.js';
import { type Outcome, type Print, type Scenario, table } from './scenario.js';

export interface SlowClientsSize {
  connections: number;
  periodMs: number;
  /** On each connection, one per period. */
  bytes: number;
  idleTimeoutMs: number;
  pollers: readonly PollerMode[];
  /** Infinity where there are too few connections to tell. */
  bytesPerConnectionMax: number;
}

/** Deadlines are rounded up to the next timer tick, and the loop has a turn once a tick. */
const LATE_MAX_MS = 2;
/** All but a few: what those two come to. */
const LATE_P99_MAX_MS = 1;
/** What it takes to look at two clocks; no timer is early. */
const EARLY_MAX_MS = 0.1;

const FIRST_SHARE = 0.2;

/** To start, or to open thousands of connections. */
const DEADLINE_MS = 60_000;

const NODE_ARGS = ['--expose-gc'];

export const slowClientsScenario: Scenario = {
  summary: '5,000 connections with a byte every ten seconds: memory, timeouts (two minutes)',
  run: (print) => {
    const pollers = ['thread', 'inline'] as const;
    const size = { connections: 5_000, periodMs: 10_000, bytes: 2, idleTimeoutMs: 12_000, pollers };
    return slowClients({ ...size, bytesPerConnectionMax: 4 * 1024 }, print);
  },
};

export async function slowClients(size: SlowClientsSize, print: Print): Promise<Outcome> {
  const failures: string[] = [];
  for (const poller of size.pollers) {
    const found = await observe(poller, size, (line) => print(`${poller}: ${line}`));
    failures.push(...found.map((failure) => `${poller}: ${failure}`));
  }
  if (size.bytesPerConnectionMax < Infinity) {
    const { server, clients, perConnection } = await fill('node', size);
    await Promise.all([server, ...clients].map((each) => each[Symbol.asyncDispose]()));
    print(`node:net: ${perConnection} bytes per connection`);
  }
  return { failures };
}

interface Filled {
  server: Fixture;
  clients: Fixture[];
  perConnection: number;
}

/** A server with all its connections open. */
async function fill(
  layer: QuietServerOptions['layer'],
  { connections, periodMs, bytes, idleTimeoutMs }: SlowClientsSize,
): Promise<Filled> {
  const options: QuietServerOptions = { layer, idleTimeoutMs };
  const server = new Fixture('quiet-server', options, { nodeArgs: NODE_ARGS });
  const clients: Fixture[] = [];
  const { port } = await server.report<AddressInfo>(DEADLINE_MS);
  const open = async (count: number): Promise<number> => {
    const wanted: QuietClientsOptions = { port, connections: count, periodMs, bytes };
    const client = new Fixture('quiet-clients', wanted);
    clients.push(client);
    await client.report(DEADLINE_MS);
    server.kill('SIGUSR2');
    await server.report(DEADLINE_MS);
    return residentBytes(server.pid);
  };
  const first = Math.ceil(connections * FIRST_SHARE);
  const before = await open(first);
  const after = await open(connections - first);
  const perConnection = Math.round((after - before) / (connections - first));
  return { server, clients, perConnection };
}

async function observe(poller: PollerMode, size: SlowClientsSize, print: Print): Promise<string[]> {
  const { server, clients, perConnection } = await fill(poller, size);
  try {
    print(`${perConnection} bytes per connection`);
    const failures: string[] = [];
    if (perConnection > size.bytesPerConnectionMax) {
      failures.push(`a connection takes ${perConnection} bytes`);
    }
    const deadlineMs = size.bytes * size.periodMs + size.idleTimeoutMs + DEADLINE_MS;
    const report = await server.report<QuietReport>(deadlineMs);
    return [...failures, ...judge(report, size, print)];
  } finally {
    await Promise.all([server, ...clients].map((each) => each[Symbol.asyncDispose]()));
  }
}

function judge(
  report: QuietReport,
  { connections, bytes }: SlowClientsSize,
  print: Print,
): string[] {
  const { disconnects, receivedBytes, latenessesMs, beyondLoopMs } = report;
  const failures: string[] = [];
  if (receivedBytes !== connections * bytes) {
    failures.push(`${receivedBytes} of ${connections * bytes} bytes were received`);
  }
  const reasons = JSON.stringify(disconnects);
  if (reasons !== JSON.stringify({ idle: connections })) failures.push(`ended: ${reasons}`);
  const head = ['ms after its due time', 'min', 'p50', 'p99', 'max'];
  const rows = [
    ['ended', ...quantiles(latenessesMs)],
    ['beyond the lateness of the loop', ...quantiles(beyondLoopMs)],
  ];
  for (const line of table([head, ...rows])) print(line);
  if (latenessesMs[0] < -EARLY_MAX_MS) failures.push(`ended ${-latenessesMs[0]} ms early`);
  const [p99Ms, maxMs] = [0.99, 1].map((part) => quantile(beyondLoopMs, part));
  if (p99Ms > LATE_P99_MAX_MS || maxMs > LATE_MAX_MS) {
    failures.push(`ended ${maxMs.toFixed(2)} ms late, one in a hundred ${p99Ms.toFixed(2)} ms`);
  }
  return failures;
}

function quantiles(sorted: readonly number[]): string[] {
  return [0, 0.5, 0.99, 1].map((part) => quantile(sorted, part).toFixed(2));
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.floor((sorted.length - 1) * part)];
}
