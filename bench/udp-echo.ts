/**
 * UDP echo: Millrace with and without batches against C on recvmmsg(2) and
 * `node:dgram`.
 *
 * As `tcp-echo`: all servers live through the whole run, a warm-up slice each,
 * then rounds in which every server gets one slice, and ratios formed within
 * rounds. Server and client have one socket for each other, several times over,
 * and so many datagrams in flight on each.
 */
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { cpuUseBetween, readThreadTimes, settle } from './harness/cpu.js';
import { nativeProgram } from './harness/native.js';
import { chosenNames, extentOf, positiveInteger, UsageError } from './harness/options.js';
import { hasTaskset, LineProcess, pinned, scriptPath, startWith } from './harness/processes.js';
import { countedOf, type Fallible, failuresIn, remarkOnLost, valuesOf } from './harness/slices.js';
import { medianRatio, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

const WARM_UP_MS = 500;
const START_TIMEOUT_MS = 10_000;
/** Beyond a slice's own time; the client itself waits half a second for the last echo. */
const SLICE_GRACE_MS = 5_000;

const SERVER_CPU = 0;
const CLIENT_CPU = 1;

/** In the order of rounds and rows. */
const SERVER_NAMES = ['c', 'dgram', 'single', 'batch'] as const;
type ServerName = (typeof SERVER_NAMES)[number];

const TITLES: Record<ServerName, string> = {
  c: 'C recvmmsg',
  dgram: 'node:dgram',
  single: 'millrace single',
  batch: 'millrace batches',
};

export const benchmark: Benchmark = {
  summary: 'UDP echo against node:dgram and C: datagrams per second, server CPU per datagram',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '1500' },
    sockets: { type: 'string', default: '8' },
    'in-flight': { type: 'string', default: '32' },
    size: { type: 'string', default: '64' },
    servers: { type: 'string', multiple: true },
    pin: { type: 'boolean', default: false },
  },
  run,
};

interface Load {
  readonly sockets: number;
  readonly inFlight: number;
  readonly sizeBytes: number;
}

interface Server {
  readonly name: ServerName;
  readonly process: LineProcess;
  readonly ports: readonly string[];
}

/** The answer of `udp_load_client.c`. */
interface ClientReport {
  readonly started: number;
  readonly completed: number;
  readonly elapsedNs: number;
  readonly contentErrors: number;
}

interface Slice extends Fallible {
  readonly datagramsPerSecond: number;
  readonly cpuUsPerDatagram: number;
}

type Slices = Partial<Record<ServerName, Slice[]>>;

async function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const load: Load = {
    sockets: positiveInteger(values, 'sockets', 256),
    inFlight: positiveInteger(values, 'in-flight', 256),
    sizeBytes: positiveInteger(values, 'size', 1472),
  };
  const names = chosenNames(values, 'servers', SERVER_NAMES);
  const pin = values.pin === true;
  if (pin && !hasTaskset()) throw new UsageError('--pin needs taskset, which is not there');

  const slices: Slices = Object.fromEntries(names.map((name) => [name, []]));
  const servers: Server[] = [];
  try {
    for (const name of names) servers.push(await startServer(name, load, pin));
    for (const server of servers) await measure(server, load, Math.min(WARM_UP_MS, ms), pin);
    for (let round = 0; round < rounds; round++) {
      for (const server of servers) {
        slices[server.name]?.push(await measure(server, load, ms, pin));
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.process.stop()));
  }
  console.log(`${formatSlices(slices, names, load)}\n`);
  const failures = failuresOf(slices, names);
  return { gates: gatesOf(slices, names), failures, data: { ...load, slices } };
}

// ---- processes

async function startServer(name: ServerName, load: Load, pin: boolean): Promise<Server> {
  const command = pinned(serverCommand(name, load), pin ? SERVER_CPU : null);
  const server = new LineProcess(TITLES[name], command);
  return startWith(server, async () => {
    const line = await server.readLine(START_TIMEOUT_MS);
    const [word, ...ports] = line.split(' ');
    if (word !== 'ports' || ports.length !== load.sockets) {
      throw new Error(`${server.name} said "${line}" instead of its ports`);
    }
    return { name, process: server, ports };
  });
}

function serverCommand(name: ServerName, { sockets, inFlight }: Load): readonly string[] {
  const numbers = [String(sockets), String(inFlight)];
  if (name === 'c') return [nativeProgram('udp_echo_server'), ...numbers];
  if (name === 'dgram') return [process.execPath, scriptPath('servers/udp-dgram'), ...numbers];
  return [process.execPath, scriptPath('servers/udp-millrace'), name, ...numbers];
}

async function measure(server: Server, load: Load, ms: number, pin: boolean): Promise<Slice> {
  const args = [load.inFlight, load.sizeBytes, ms, ...server.ports].map(String);
  const command = [nativeProgram('udp_load_client'), ...args];
  const client = new LineProcess('UDP load client', pinned(command, pin ? CLIENT_CPU : null));
  const { pid } = server.process;
  try {
    const line = await client.readLine(START_TIMEOUT_MS);
    if (line !== 'ready') throw new Error(`the load client said "${line}"`);
    await settle();
    const before = readThreadTimes(pid);
    client.writeLine('go');
    const report: ClientReport = JSON.parse(await client.readLine(ms + SLICE_GRACE_MS));
    await settle();
    const use = cpuUseBetween(before, readThreadTimes(pid));
    return {
      datagramsPerSecond: report.completed / (report.elapsedNs / 1e9),
      cpuUsPerDatagram: use.ns / 1000 / report.completed,
      faults: faultsOf(report, use.endedThreads),
    };
  } finally {
    await client.stop();
  }
}

function faultsOf(report: ClientReport, endedThreads: number): string[] {
  const faults: string[] = [];
  const lost = report.started - report.completed;
  if (report.completed === 0) faults.push('no datagram came back');
  if (lost > 0) faults.push(`${lost} datagrams did not come back`);
  if (report.contentErrors > 0) faults.push(`${report.contentErrors} echoes were wrong`);
  if (endedThreads > 0) faults.push(`CPU time of ${endedThreads} ended threads is missing`);
  return faults;
}

// ---- figures

type Metric = 'datagramsPerSecond' | 'cpuUsPerDatagram';

function ratioOf(slices: Slices, metric: Metric, name: ServerName, base: ServerName): number {
  return medianRatio(valuesOf(slices[name] ?? [], metric), valuesOf(slices[base] ?? [], metric));
}

const COMPARED = ['min - max', 'x C', 'x dgram'];
const COLUMNS = ['datagrams/s', ...COMPARED, 'CPU us each', ...COMPARED, ''];

function formatSlices(slices: Slices, names: readonly ServerName[], load: Load): string {
  const title = `${load.sockets} sockets x ${load.inFlight}, ${load.sizeBytes} B`;
  const rows = names.map((name) => {
    const columns = (['datagramsPerSecond', 'cpuUsPerDatagram'] as const).flatMap((metric) => {
      const summary = summarise(countedOf(slices[name] ?? [], metric));
      const ratios = (['c', 'dgram'] as const).map((base) => ratioOf(slices, metric, name, base));
      return [formatNumber(summary.median), formatSpread(summary), ...ratios.map(formatRatio)];
    });
    return [TITLES[name], ...columns, remarkOnLost(slices[name] ?? [])];
  });
  return formatTable([title, ...COLUMNS], rows);
}

function failuresOf(slices: Slices, names: readonly ServerName[]): string[] {
  return names.flatMap((name) => failuresIn(slices[name] ?? [], TITLES[name]));
}

// ---- gates

/** Server CPU time per datagram with batches, as a multiple of the C server's. */
const BATCH_CPU_TO_C_MAX = 1.1;
/** And of node:dgram's; without batches. */
const CPU_TO_DGRAM_MAX = { batch: 0.4, single: 0.6 };
/** Datagrams per second with batches, as a multiple of the C server's. */
const BATCH_RATE_TO_C_MIN = 0.9;

function gatesOf(slices: Slices, names: readonly ServerName[]): Gate[] {
  const gates: Gate[] = [];
  if (names.includes('batch') && names.includes('c')) {
    const cpu = ratioOf(slices, 'cpuUsPerDatagram', 'batch', 'c');
    const rate = ratioOf(slices, 'datagramsPerSecond', 'batch', 'c');
    const limits = { cpu: BATCH_CPU_TO_C_MAX, rate: BATCH_RATE_TO_C_MIN };
    const title = TITLES.batch;
    gates.push({ claim: `${title}: CPU / C`, value: cpu, limit: limits.cpu, bound: 'at most' });
    gates.push({ claim: `${title}: rate / C`, value: rate, limit: limits.rate, bound: 'at least' });
  }
  for (const name of ['batch', 'single'] as const) {
    if (!names.includes(name) || !names.includes('dgram')) continue;
    const value = ratioOf(slices, 'cpuUsPerDatagram', name, 'dgram');
    const claim = `${TITLES[name]}: CPU / node:dgram`;
    gates.push({ claim, value, limit: CPU_TO_DGRAM_MAX[name], bound: 'at most' });
  }
  return gates;
}
