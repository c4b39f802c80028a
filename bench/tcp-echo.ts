/**
 * TCP echo: Millrace on both poller settings against C on epoll and `node:net`.
 *
 * All servers live through the whole run. Each cell (connections x payload)
 * begins with a warm-up slice per server, then takes its rounds interleaved:
 * every server gets one slice per round, so that a disturbance of the machine
 * hits all of them, and ratios are formed within rounds.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { cpuUseBetween, readMachineBusyNs, readThreadTimes } from './harness/cpu.js';
import { nativeProgram } from './harness/native.js';
import { chosenNames, positiveInteger, positiveIntegers, UsageError } from './harness/options.js';
import { hasTaskset, LineProcess, pinned } from './harness/processes.js';
import { median, medianRatio, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

const CONNECTIONS = [1, 50, 500];
const PAYLOAD_BYTES = [64, 16 * 1024];
const WARM_UP_MS = 500;

/** To start a server, or to open the connections and make a round trip on each. */
const START_TIMEOUT_MS = 10_000;
/** Beyond a slice's own time; the client itself waits 2 s for the last echo. */
const SLICE_GRACE_MS = 5_000;
/** For a server to go back to sleep, so that its CPU time is up to date. */
const SETTLE_MS = 5;

/** A slice is remarked on when others than server and client used more of the machine. */
const FOREIGN_SHARE_MAX = 0.1;

const SERVER_CPU = 0;
const CLIENT_CPU = 1;

/** In the order of rounds and rows. */
const SERVER_NAMES = ['c', 'net', 'thread', 'inline'] as const;
type ServerName = (typeof SERVER_NAMES)[number];

const TITLES: Record<ServerName, string> = {
  c: 'C epoll',
  net: 'node:net',
  thread: 'millrace thread',
  inline: 'millrace inline',
};

const MILLRACE: readonly ServerName[] = ['thread', 'inline'];

export const benchmark: Benchmark = {
  summary: 'TCP echo against node:net and C: round trips, server CPU per round trip, latency',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '1500' },
    connections: { type: 'string', multiple: true },
    size: { type: 'string', multiple: true },
    servers: { type: 'string', multiple: true },
    pin: { type: 'boolean', default: false },
  },
  run,
};

interface Server {
  readonly name: ServerName;
  readonly process: LineProcess;
  readonly port: number;
}

/** One point of the grid. */
interface Load {
  readonly connections: number;
  readonly payloadBytes: number;
}

/** The answer of `load_client.c`. */
interface ClientReport {
  readonly started: number;
  readonly completed: number;
  readonly elapsedNs: number;
  readonly contentErrors: number;
  readonly brokenConnections: number;
  readonly idleConnections: number;
  readonly latencyNs: { readonly p50: number; readonly p99: number; readonly max: number };
}

interface Slice {
  readonly roundTripsPerSecond: number;
  readonly cpuUsPerRoundTrip: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly endedThreads: number;
  /** Of all processor time there was, what neither server nor client used, but somebody did. */
  readonly foreignShare: number;
  /** Why the figures do not count; empty if they do. */
  readonly faults: readonly string[];
}

interface Cell extends Load {
  /** One slice per round. */
  readonly slices: Partial<Record<ServerName, Slice[]>>;
}

async function run(values: OptionValues): Promise<Outcome> {
  const rounds = positiveInteger(values, 'rounds', 1000);
  const ms = positiveInteger(values, 'ms', 600_000);
  const names = chosenNames(values, 'servers', SERVER_NAMES);
  const loads = chosenLoads(values);
  const pin = values.pin === true;
  if (pin && !hasTaskset()) throw new UsageError('--pin needs taskset, which is not there');

  const program = nativeProgram('load_client');
  const measure = (server: Server, load: Load, sliceMs: number): Promise<Slice> =>
    measureSlice(server, load, { program, ms: sliceMs, cpu: pin ? CLIENT_CPU : null });
  const servers: Server[] = [];
  const cells: Cell[] = [];
  try {
    for (const name of names) servers.push(await startServer(name, pin ? SERVER_CPU : null));
    for (const load of loads) {
      const cell: Cell = { ...load, slices: Object.fromEntries(names.map((name) => [name, []])) };
      for (const server of servers) await measure(server, load, Math.min(WARM_UP_MS, ms));
      for (let round = 0; round < rounds; round++) {
        for (const server of servers) {
          cell.slices[server.name]?.push(await measure(server, load, ms));
        }
      }
      cells.push(cell);
      console.log(`${formatCell(cell, names)}\n`);
    }
  } finally {
    await Promise.all(servers.map((server) => server.process.stop()));
  }
  return { gates: gatesOf(cells, names), failures: failuresOf(cells, names), data: cells };
}

function chosenLoads(values: OptionValues): Load[] {
  const limits = { defaults: CONNECTIONS, max: 10_000 };
  const connectionCounts = positiveIntegers(values, 'connections', limits);
  const sizes = positiveIntegers(values, 'size', { defaults: PAYLOAD_BYTES, max: 2 ** 24 });
  return sizes.flatMap((payloadBytes) =>
    connectionCounts.map((connections) => ({ connections, payloadBytes })),
  );
}

// ---- processes

async function startServer(name: ServerName, cpu: number | null): Promise<Server> {
  const server = new LineProcess(TITLES[name], pinned(serverCommand(name), cpu));
  try {
    const line = await server.readLine(START_TIMEOUT_MS);
    const port = Number(/^port (\d+)$/.exec(line)?.[1]);
    if (!(port > 0)) throw new Error(`${server.name} said "${line}" instead of its port`);
    return { name, process: server, port };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function serverCommand(name: ServerName): readonly string[] {
  if (name === 'c') return [nativeProgram('echo_server')];
  const script = (file: string): string =>
    fileURLToPath(new URL(`servers/${file}.js`, import.meta.url));
  if (name === 'net') return [process.execPath, script('echo-net')];
  return [process.execPath, script('echo-millrace'), name];
}

/** `cpu`: the processor that the client is bound to, or null. */
async function measureSlice(
  server: Server,
  load: Load,
  { program, ms, cpu }: { program: string; ms: number; cpu: number | null },
): Promise<Slice> {
  const args = [server.port, load.connections, load.payloadBytes, ms].map(String);
  const client = new LineProcess('load client', pinned([program, ...args], cpu));
  const { pid } = server.process;
  try {
    const line = await client.readLine(START_TIMEOUT_MS);
    if (line !== 'ready') throw new Error(`the load client said "${line}"`);
    // From here to the report all connections are open and none opens or closes.
    await delay(SETTLE_MS);
    const clientBefore = readThreadTimes(client.pid);
    const busyBeforeNs = readMachineBusyNs();
    const before = readThreadTimes(pid);
    client.writeLine('go');
    const report: ClientReport = JSON.parse(await client.readLine(ms + SLICE_GRACE_MS));
    await delay(SETTLE_MS);
    const use = cpuUseBetween(before, readThreadTimes(pid));
    const ownNs = use.ns + cpuUseBetween(clientBefore, readThreadTimes(client.pid)).ns;
    const foreignNs = Math.max(0, readMachineBusyNs() - busyBeforeNs - ownNs);
    return {
      roundTripsPerSecond: report.completed / (report.elapsedNs / 1e9),
      cpuUsPerRoundTrip: use.ns / 1000 / report.completed,
      p50Us: report.latencyNs.p50 / 1000,
      p99Us: report.latencyNs.p99 / 1000,
      endedThreads: use.endedThreads,
      foreignShare: foreignNs / (report.elapsedNs * availableParallelism()),
      faults: faultsOf(report),
    };
  } finally {
    await client.stop();
  }
}

function faultsOf(report: ClientReport): string[] {
  const faults: string[] = [];
  const unfinished = report.started - report.completed;
  if (report.completed === 0) faults.push('no round trip was completed');
  if (unfinished > 0) faults.push(`${unfinished} round trips were not completed`);
  if (report.contentErrors > 0) faults.push(`${report.contentErrors} echoes had wrong content`);
  if (report.brokenConnections > 0) faults.push(`${report.brokenConnections} connections broke`);
  if (report.idleConnections > 0) {
    faults.push(`${report.idleConnections} connections made no progress`);
  }
  return faults;
}

// ---- figures

type Metric = 'roundTripsPerSecond' | 'cpuUsPerRoundTrip' | 'p50Us' | 'p99Us';

/** By round; undefined where the slice does not count. */
function valuesOf(cell: Cell, name: ServerName, metric: Metric): (number | undefined)[] {
  const slices = cell.slices[name] ?? [];
  return slices.map((slice) => (slice.faults.length === 0 ? slice[metric] : undefined));
}

function countedOf(cell: Cell, name: ServerName, metric: Metric): number[] {
  return valuesOf(cell, name, metric).filter((value) => value !== undefined);
}

function ratioOf(cell: Cell, metric: Metric, name: ServerName, baseline: ServerName): number {
  return medianRatio(valuesOf(cell, name, metric), valuesOf(cell, baseline, metric));
}

function titleOf(load: Load): string {
  const { connections, payloadBytes } = load;
  const size = payloadBytes % 1024 === 0 ? `${payloadBytes / 1024} KiB` : `${payloadBytes} B`;
  return `${connections} conn, ${size}`;
}

const COMPARED = ['min - max', 'x C', 'x net'];
const COLUMNS = ['rt/s', ...COMPARED, 'CPU us/rt', ...COMPARED, 'p50 us', 'p99 us', ''];

function formatCell(cell: Cell, names: readonly ServerName[]): string {
  const head = [titleOf(cell), ...COLUMNS];
  const rows = names.map((name) => {
    const columns = (['roundTripsPerSecond', 'cpuUsPerRoundTrip'] as const).flatMap((metric) => {
      const summary = summarise(countedOf(cell, name, metric));
      const ratios = (['c', 'net'] as const).map((base) => ratioOf(cell, metric, name, base));
      return [formatNumber(summary.median), formatSpread(summary), ...ratios.map(formatRatio)];
    });
    const latencies = (['p50Us', 'p99Us'] as const).map((metric) =>
      formatNumber(median(countedOf(cell, name, metric))),
    );
    return [TITLES[name], ...columns, ...latencies, remarkOn(cell.slices[name] ?? [])];
  });
  return formatTable(head, rows);
}

function remarkOn(slices: readonly Slice[]): string {
  const lost = slices.filter((slice) => slice.faults.length > 0).length;
  if (lost > 0) return `${lost} of ${slices.length} slices do not count`;
  const ended = slices.reduce((sum, slice) => sum + slice.endedThreads, 0);
  if (ended > 0) return `CPU of ${ended} ended threads missing`;
  const foreign = median(slices.map((slice) => slice.foreignShare));
  return foreign > FOREIGN_SHARE_MAX ? `others took ${(100 * foreign).toFixed(0)} % of CPU` : '';
}

function failuresOf(cells: readonly Cell[], names: readonly ServerName[]): string[] {
  const failures: string[] = [];
  for (const cell of cells) {
    for (const name of names) {
      for (const [round, { faults }] of (cell.slices[name] ?? []).entries()) {
        if (faults.length === 0) continue;
        const where = `${titleOf(cell)}, ${TITLES[name]}, round ${round + 1}`;
        failures.push(`${where}: ${faults.join('; ')}`);
      }
    }
  }
  return failures;
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

function gatesOf(cells: readonly Cell[], names: readonly ServerName[]): Gate[] {
  const contenders = MILLRACE.filter((name) => names.includes(name));
  return cells.flatMap((cell) => contenders.flatMap((name) => gatesOfRow(cell, name, names)));
}

function gatesOfRow(cell: Cell, name: ServerName, names: readonly ServerName[]): Gate[] {
  const netLimit = CPU_TO_NET_MAX[cell.payloadBytes];
  // Nothing is promised for payloads that were asked for by hand.
  if (netLimit === undefined) return [];
  const where = `${titleOf(cell)}, ${TITLES[name]}`;
  const gates: Gate[] = [];
  if (names.includes('c')) {
    const value = ratioOf(cell, 'cpuUsPerRoundTrip', name, 'c');
    gates.push({ claim: `${where}: CPU / C`, value, limit: CPU_TO_C_MAX, bound: 'at most' });
  }
  if (names.includes('net')) {
    const value = ratioOf(cell, 'cpuUsPerRoundTrip', name, 'net');
    gates.push({ claim: `${where}: CPU / node:net`, value, limit: netLimit, bound: 'at most' });
  }
  if (names.includes('c') && cell.connections >= RATE_CONNECTIONS_MIN) {
    const value = ratioOf(cell, 'roundTripsPerSecond', name, 'c');
    gates.push({ claim: `${where}: rate / C`, value, limit: RATE_TO_C_MIN, bound: 'at least' });
  }
  return gates;
}
