/**
 * Fairness: echo connections beside one that sends as fast as it can, on one
 * Millrace loop, under LEVEL and under EDGE.
 *
 * Both servers live through the whole run. In every round each of them gets a
 * slice without the firehose and one with it, one after the other, and the
 * ratio of the two is formed within the round.
 */
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { readAddress, type Server, START_TIMEOUT_MS } from './harness/echo-server.js';
import {
  expectReady,
  type Load,
  type Metric,
  measureSlice,
  remarkOn,
  type Slice,
  WARM_UP_MS,
} from './harness/echo-slice.js';
import { nativeProgram } from './harness/native.js';
import { chosenNames, extentOf, positiveInteger } from './harness/options.js';
import { LineProcess, scriptPath, startWith } from './harness/processes.js';
import { countedOf, failuresIn, valuesOf } from './harness/slices.js';
import { median, ratiosOf, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

const PAYLOAD_BYTES = 64;

/** For the server to read what is on its way; the sender itself waits so long for the answer. */
const END_TIMEOUT_MS = 8_000;

/** In the order of rounds and rows. */
const SERVER_NAMES = ['level', 'edge'] as const;
type ServerName = (typeof SERVER_NAMES)[number];

const TITLES: Readonly<Record<ServerName, string>> = {
  level: 'millrace LEVEL',
  edge: 'millrace EDGE',
};

export const benchmark: Benchmark = {
  summary: 'echo latency beside a connection that sends as fast as it can, LEVEL and EDGE',
  options: {
    rounds: { type: 'string', default: '7' },
    ms: { type: 'string', default: '1500' },
    connections: { type: 'string', default: '99' },
    servers: { type: 'string', multiple: true },
  },
  run,
};

interface FirehoseServer {
  readonly name: ServerName;
  readonly process: LineProcess;
  readonly echo: Server;
  readonly discard: Server;
}

/** The answer of `firehose.c`. */
interface FirehoseReport {
  readonly sentBytes: number;
  readonly discardedBytes: number;
  readonly elapsedNs: number;
}

interface FirehoseSlice extends Slice {
  readonly mibPerSecond: number;
}

interface Row {
  readonly name: ServerName;
  readonly idle: Slice[];
  readonly firehose: FirehoseSlice[];
}

async function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const connections = positiveInteger(values, 'connections', 10_000);
  const names = chosenNames(values, 'servers', SERVER_NAMES);
  const load: Load = { connections, payloadBytes: PAYLOAD_BYTES };
  const rows = names.map((name): Row => ({ name, idle: [], firehose: [] }));

  const servers: FirehoseServer[] = [];
  try {
    for (const name of names) servers.push(await startServer(name));
    for (const server of servers) {
      await measureBeside(server, load, Math.min(WARM_UP_MS, ms));
    }
    for (let round = 0; round < rounds; round++) {
      for (const [index, server] of servers.entries()) {
        rows[index].idle.push(await measureSlice(server.echo, load, { ms }));
        rows[index].firehose.push(await measureBeside(server, load, ms));
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.process.stop()));
  }
  console.log(`${formatRows(rows, connections)}\n`);
  return { gates: gatesOf(rows), failures: failuresOf(rows), data: rows };
}

async function startServer(name: ServerName): Promise<FirehoseServer> {
  const command = [process.execPath, scriptPath('servers/firehose-millrace'), name];
  const server = new LineProcess(TITLES[name], command);
  return startWith(server, async () => {
    const echo = { process: server, address: await readAddress(server) };
    const discard = { process: server, address: await readAddress(server) };
    return { name, process: server, echo, discard };
  });
}

/** A slice during all of which the firehose is on. */
async function measureBeside(
  server: FirehoseServer,
  load: Load,
  ms: number,
): Promise<FirehoseSlice> {
  const firehose = new LineProcess('firehose', [nativeProgram('firehose'), server.discard.address]);
  try {
    // It sends from before it says so until it is told to stop.
    await expectReady(firehose, START_TIMEOUT_MS);
    const slice = await measureSlice(server.echo, load, { ms, beside: [firehose] });
    firehose.writeLine('stop');
    const report: FirehoseReport = JSON.parse(await firehose.readLine(END_TIMEOUT_MS));
    const mibPerSecond = report.sentBytes / 2 ** 20 / (report.elapsedNs / 1e9);
    return { ...slice, mibPerSecond, faults: [...slice.faults, ...faultsOf(report)] };
  } finally {
    await firehose.stop();
  }
}

function faultsOf({ sentBytes, discardedBytes }: FirehoseReport): string[] {
  if (sentBytes === discardedBytes) return [];
  return [`of ${sentBytes} bytes of the firehose, the server read ${discardedBytes}`];
}

// ---- figures

/** What the firehose makes of a metric, by round. */
function slowdownsOf(row: Row, metric: Metric): number[] {
  return ratiosOf(valuesOf(row.firehose, metric), valuesOf(row.idle, metric));
}

function formatRows(rows: readonly Row[], connections: number): string {
  const head = [
    `${connections} conn, ${PAYLOAD_BYTES} B`,
    ...['idle rt/s', 'p50 us', 'p99 us', 'beside firehose rt/s', 'p50 us', 'p99 us'],
    ...['x idle p99', 'min - max', 'firehose MiB/s', ''],
  ];
  const lines = rows.map((row) => {
    const figures = [row.idle, row.firehose].flatMap((slices) =>
      (['roundTripsPerSecond', 'p50Us', 'p99Us'] as const).map((metric) =>
        formatNumber(median(countedOf(slices, metric))),
      ),
    );
    const p99 = summarise(slowdownsOf(row, 'p99Us'));
    const speed = formatNumber(median(countedOf(row.firehose, 'mibPerSecond')));
    const remark = remarkOn(row.idle) || remarkOn(row.firehose);
    return [
      TITLES[row.name],
      ...figures,
      formatRatio(p99.median),
      formatSpread(p99),
      speed,
      remark,
    ];
  });
  return formatTable(head, lines);
}

function failuresOf(rows: readonly Row[]): string[] {
  return rows.flatMap(({ name, idle, firehose }) => [
    ...failuresIn(idle, `${TITLES[name]}, without the firehose`),
    ...failuresIn(firehose, `${TITLES[name]}, beside the firehose`),
  ]);
}

/** The 99th percentile of the echo latency beside the firehose, as a multiple of the idle one. */
const P99_TO_IDLE_MAX = 5;

function gatesOf(rows: readonly Row[]): Gate[] {
  return rows.map((row) => ({
    claim: `${TITLES[row.name]}: p99 beside the firehose / idle`,
    value: median(slowdownsOf(row, 'p99Us')),
    limit: P99_TO_IDLE_MAX,
    bound: 'at most',
  }));
}
