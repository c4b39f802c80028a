/**
 * Many open connections: what one costs in memory, and whether those that are
 * idle slow down those that are not.
 *
 * Every round starts each server anew, since memory that a process has freed
 * is not given back, and would be missing from the growth of a second filling.
 * A round of a server: a warm-up, a slice of the busy connections alone, the
 * idle ones opened, a slice beside them. Server, busy and idle clients are a
 * process each.
 *
 * Memory is counted over the idle connections without the first of them, for
 * these settle in what the warm-up has left free in the heap.
 */
import { readFileSync } from 'node:fs';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import {
  ECHO_SERVERS,
  type EchoServer,
  type EchoServerName,
  MILLRACE,
  startEchoServer,
  TITLES,
} from './harness/echo-server.js';
import {
  holdConnections,
  type Load,
  type Metric,
  measureSlice,
  remarkOn,
  type Slice,
  WARM_UP_MS,
} from './harness/echo-slice.js';
import { chosenNames, extentOf, positiveInteger, UsageError } from './harness/options.js';
import { descriptorsMax, type LineProcess } from './harness/processes.js';
import { countedOf, failuresIn, valuesOf } from './harness/slices.js';
import { median, medianRatio, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

const BUSY: Load = { connections: 50, payloadBytes: 64 };

/** Of the idle connections, those opened before memory is first looked at. */
const FIRST_SHARE = 0.2;

/** A process has some of its own: standard streams, pollers, wake-ups, libraries. */
const DESCRIPTORS_SPARE = 100;

const COLLECT_TIMEOUT_MS = 10_000;

export const benchmark: Benchmark = {
  summary: 'memory per open TCP connection, and echo latency beside many idle ones',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '1500' },
    idle: { type: 'string', default: '10000' },
    servers: { type: 'string', multiple: true },
  },
  run,
};

interface Row {
  readonly name: EchoServerName;
  /** One value and two slices per round. */
  readonly bytesPerConnection: number[];
  readonly alone: Slice[];
  readonly beside: Slice[];
}

async function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const idle = positiveInteger(values, 'idle', 100_000);
  const names = chosenNames(values, 'servers', ECHO_SERVERS);
  const descriptors = idle + BUSY.connections + DESCRIPTORS_SPARE;
  if (descriptors > descriptorsMax()) {
    throw new UsageError(
      `--idle ${idle} needs ${descriptors} descriptors in one process; the hard limit is ` +
        `${descriptorsMax()}: raise it (ulimit -H -n, as root), or ask for fewer`,
    );
  }
  const rows = names.map((name): Row => ({ name, bytesPerConnection: [], alone: [], beside: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const row of rows) await measureRound(row, { idle, ms, descriptors });
  }
  console.log(`${formatRows(rows, idle)}\n`);
  return { gates: gatesOf(rows), failures: failuresOf(rows), data: rows };
}

async function measureRound(
  row: Row,
  { idle, ms, descriptors }: { idle: number; ms: number; descriptors: number },
): Promise<void> {
  const nodeArgs = ['--expose-gc'];
  const server = await startEchoServer(row.name, { nodeArgs, descriptors });
  const holders: LineProcess[] = [];
  const hold = async (connections: number): Promise<void> => {
    const { payloadBytes } = BUSY;
    holders.push(await holdConnections(server, { connections, payloadBytes, descriptors }));
  };
  try {
    await measureSlice(server, BUSY, { ms: Math.min(WARM_UP_MS, ms) });
    row.alone.push(await measureSlice(server, BUSY, { ms }));
    const first = Math.ceil(idle * FIRST_SHARE);
    await hold(first);
    const before = await residentBytes(server);
    await hold(idle - first);
    row.bytesPerConnection.push(((await residentBytes(server)) - before) / (idle - first));
    row.beside.push(await measureSlice(server, BUSY, { ms }));
  } finally {
    await Promise.all([...holders, server.process].map((each) => each.stop()));
  }
}

/** Of the server's process, once it has collected its garbage. */
async function residentBytes({ name, process }: EchoServer): Promise<number> {
  if (name !== 'c') {
    process.writeLine('collect');
    const line = await process.readLine(COLLECT_TIMEOUT_MS);
    if (line !== 'collected') throw new Error(`${process.name} said "${line}"`);
  }
  // Counted page by page at this moment, unlike VmRSS, which lags behind on many processors.
  const rollup = readFileSync(`/proc/${process.pid}/smaps_rollup`, 'utf8');
  return Number(/^Rss: +(\d+) kB$/m.exec(rollup)?.[1]) * 1024;
}

// ---- figures

function ratioOf(row: Row, metric: Metric): number {
  return medianRatio(valuesOf(row.beside, metric), valuesOf(row.alone, metric));
}

function formatRows(rows: readonly Row[], idle: number): string {
  const head = [
    `${BUSY.connections} busy, ${formatNumber(idle)} idle`,
    ...['bytes/conn', 'min - max', 'x net', 'alone p50 us', 'p99 us'],
    ...['beside idle p50 us', 'x alone', 'p99 us', 'x alone', ''],
  ];
  const net = rows.find(({ name }) => name === 'net');
  const lines = rows.map((row) => {
    const memory = summarise(row.bytesPerConnection);
    const toNet = medianRatio(row.bytesPerConnection, net?.bytesPerConnection ?? []);
    const latency = (slices: readonly Slice[], metric: Metric): string =>
      formatNumber(median(countedOf(slices, metric)));
    return [
      TITLES[row.name],
      ...[formatNumber(Math.round(memory.median)), formatSpread(memory), formatRatio(toNet)],
      ...[latency(row.alone, 'p50Us'), latency(row.alone, 'p99Us')],
      ...[latency(row.beside, 'p50Us'), formatRatio(ratioOf(row, 'p50Us'))],
      ...[latency(row.beside, 'p99Us'), formatRatio(ratioOf(row, 'p99Us'))],
      remarkOn(row.alone) || remarkOn(row.beside),
    ];
  });
  return formatTable(head, lines);
}

function failuresOf(rows: readonly Row[]): string[] {
  return rows.flatMap(({ name, alone, beside }) => [
    ...failuresIn(alone, `${TITLES[name]}, alone`),
    ...failuresIn(beside, `${TITLES[name]}, beside idle connections`),
  ]);
}

// ---- gates

/** Memory of one connection, as a multiple of node:net's. */
const MEMORY_TO_NET_MAX = 1 / 3;
/** Latency beside idle connections, as a multiple of that without them. */
const LATENCY_TO_ALONE_MAX = 1.2;

function gatesOf(rows: readonly Row[]): Gate[] {
  const net = rows.find(({ name }) => name === 'net');
  return rows
    .filter(({ name }) => MILLRACE.includes(name))
    .flatMap((row) => {
      const where = TITLES[row.name];
      const gates: Gate[] = [];
      if (net !== undefined) {
        const value = medianRatio(row.bytesPerConnection, net.bytesPerConnection);
        const claim = `${where}: memory per connection / node:net`;
        gates.push({ claim, value, limit: MEMORY_TO_NET_MAX, bound: 'at most' });
      }
      for (const [metric, title] of [
        ['p50Us', 'p50'],
        ['p99Us', 'p99'],
      ] as const) {
        const claim = `${where}: ${title} beside idle ones / alone`;
        const limit = LATENCY_TO_ALONE_MAX;
        gates.push({ claim, value: ratioOf(row, metric), limit, bound: 'at most' });
      }
      return gates;
    });
}
