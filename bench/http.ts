/**
 * HTTP: the server of `examples/19-http-server`, on `millrace/net`, against
 * `node:http` with the same answer, under the load of wrk.
 *
 * Both live through the whole run, and the rounds are interleaved. Before it
 * each is asked once, and the answers are compared; during it the bytes that
 * wrk has read must be as many as so many answers have.
 */
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { cpuUseBetween, readThreadTimes, settle } from './harness/cpu.js';
import { START_TIMEOUT_MS } from './harness/echo-server.js';
import { chosenNames, extentOf } from './harness/options.js';
import { LineProcess, scriptPath, startWith } from './harness/processes.js';
import { countedOf, type Fallible, failuresIn, valuesOf } from './harness/slices.js';
import { medianRatio, type Summary, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

const CONNECTIONS = 50;

/** By their titles: requests that a client sends before it waits for the first answer. */
const DEPTHS = { 'keep-alive': 1, pipelined: 16 } as const;
const LOADS = ['keep-alive', 'pipelined'] as const satisfies readonly (keyof typeof DEPTHS)[];
type Load = (typeof LOADS)[number];

/** In the order of rounds and rows. */
const SERVERS = ['node', 'millrace'] as const;
type ServerName = (typeof SERVERS)[number];
const TITLES: Record<ServerName, string> = { node: 'node:http', millrace: 'millrace example' };

const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';

/** Their `Date` and order of fields aside, which are nobody's promise. */
const COMPARED_FIELDS = ['content-type', 'content-length'];

const WARM_UP_MS = 1000;

/** From `dist/bench/` to the sources. */
const SCRIPT = fileURLToPath(new URL('../../bench/native/http_load.lua', import.meta.url));

const execute = promisify(execFile);

export const benchmark: Benchmark = {
  summary: 'HTTP requests to the example server against node:http, under wrk',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '2000' },
    loads: { type: 'string', multiple: true },
  },
  run,
};

interface Server {
  readonly name: ServerName;
  readonly process: LineProcess;
  readonly port: number;
  /** Of one answer, head and body. */
  readonly answerBytes: number;
}

/** What `http_load.lua` prints. */
interface LoadReport {
  readonly completed: number;
  readonly elapsedUs: number;
  readonly bytes: number;
  /** Answers other than 2xx and 3xx, and connections that broke. */
  readonly refused: number;
  readonly broken: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Slice extends Fallible {
  readonly requestsPerSecond: number;
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Row {
  readonly load: Load;
  readonly slices: Record<ServerName, Slice[]>;
}

async function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const loads = chosenNames(values, 'loads', LOADS);
  if (spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error !== undefined) {
    console.log('skipped: it needs wrk (https://github.com/wg/wrk; Debian: apt-get install wrk)');
    return { gates: [], failures: [], data: { skipped: 'wrk is not there' } };
  }
  const servers: Server[] = [];
  try {
    for (const name of SERVERS) servers.push(await start(name));
    const rows: Row[] = [];
    for (const load of loads) {
      rows.push(await measureRow(servers, load, { rounds, ms }));
    }
    console.log(`${formatRows(rows)}\n`);
    return { gates: rows.map(gateOf), failures: rows.flatMap(failuresOf), data: rows };
  } finally {
    await Promise.all(servers.map((server) => server.process.stop()));
  }
}

async function start(name: ServerName): Promise<Server> {
  const command = [process.execPath, scriptPath(`servers/http-${name}`)];
  const server = new LineProcess(TITLES[name], command);
  return startWith(server, async () => {
    // `address N`, or a sentence with a URL.
    const line = await server.readLine(START_TIMEOUT_MS);
    const port = Number(/(\d+)\D*$/.exec(line)?.[1]);
    const answer = await ask(port);
    if (!answer.startsWith('HTTP/1.1 200 ') || !answer.endsWith('\r\n\r\nHello from Millrace\n')) {
      throw new Error(`${TITLES[name]} answered ${JSON.stringify(answer)}`);
    }
    for (const field of COMPARED_FIELDS) {
      if (!answer.toLowerCase().includes(`\r\n${field}: `)) throw new Error(`no ${field}`);
    }
    return { name, process: server, port, answerBytes: Buffer.byteLength(answer) };
  });
}

/** One answer, as it comes. */
async function ask(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port }).setEncoding('latin1');
  let answer = '';
  socket.on('data', (text: string) => {
    answer += text;
  });
  socket.write(REQUEST);
  while (!answer.endsWith('Hello from Millrace\n')) {
    await once(socket, 'data', { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
  }
  socket.destroy();
  return answer;
}

async function measureRow(
  servers: readonly Server[],
  load: Load,
  { rounds, ms }: { rounds: number; ms: number },
): Promise<Row> {
  const row: Row = { load, slices: { node: [], millrace: [] } };
  for (const server of servers) await measureSlice(server, load, Math.min(WARM_UP_MS, ms));
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) {
      row.slices[server.name].push(await measureSlice(server, load, ms));
    }
  }
  return row;
}

async function measureSlice(server: Server, load: Load, ms: number): Promise<Slice> {
  const { pid } = server.process;
  await settle();
  const before = readThreadTimes(pid);
  const { stdout } = await execute('wrk', wrkArguments(server, load, ms));
  await settle();
  const { ns } = cpuUseBetween(before, readThreadTimes(pid));
  // Behind what wrk prints by itself.
  const report: LoadReport = JSON.parse(stdout.trim().split('\n').at(-1)!);
  return {
    requestsPerSecond: report.completed / (report.elapsedUs / 1e6),
    cpuUs: ns / 1000 / report.completed,
    p50Us: report.p50Us,
    p99Us: report.p99Us,
    faults: faultsOf(report, server.answerBytes, load),
  };
}

function wrkArguments({ port }: Server, load: Load, ms: number): string[] {
  // It knows whole seconds only.
  const duration = `${Math.ceil(ms / 1000)}s`;
  const url = `http://127.0.0.1:${port}/`;
  const options = ['--threads', '1', '--connections', String(CONNECTIONS), '--duration', duration];
  return [...options, '--script', SCRIPT, url, '--', String(DEPTHS[load])];
}

function faultsOf(report: LoadReport, answerBytes: number, load: Load): string[] {
  const { completed, bytes, refused, broken } = report;
  const faults: string[] = [];
  if (completed === 0) faults.push('no request was answered');
  if (refused > 0) faults.push(`${refused} answers were no success`);
  if (broken > 0) faults.push(`${broken} connections failed`);
  // When time is up, some answers have been read that nobody counts, or not to their end.
  const uncounted = CONNECTIONS * DEPTHS[load] * answerBytes;
  if (Math.abs(bytes - completed * answerBytes) > uncounted) {
    faults.push(`${completed} answers of ${answerBytes} bytes came as ${bytes} bytes`);
  }
  return faults;
}

// ---- figures

type Metric = 'requestsPerSecond' | 'cpuUs' | 'p50Us' | 'p99Us';

function summaryOf(row: Row, name: ServerName, metric: Metric): Summary {
  return summarise(countedOf(row.slices[name], metric));
}

function ratioOf(row: Row, name: ServerName, metric: Metric): number {
  return medianRatio(valuesOf(row.slices[name], metric), valuesOf(row.slices.node, metric));
}

function formatRows(rows: readonly Row[]): string {
  const head = [`GET /, ${CONNECTIONS} connections`, 'requests', 'a second', 'min - max', 'x node'];
  head.push('CPU us each', 'min - max', 'x node', 'p50 us', 'p99 us');
  return formatTable(
    head,
    rows.flatMap((row) =>
      SERVERS.map((name) => {
        const rate = summaryOf(row, name, 'requestsPerSecond');
        const cpu = summaryOf(row, name, 'cpuUs');
        const ratios = (['requestsPerSecond', 'cpuUs'] as const).map((metric) =>
          formatRatio(ratioOf(row, name, metric)),
        );
        const latencies = (['p50Us', 'p99Us'] as const).map((metric) =>
          formatNumber(summaryOf(row, name, metric).median),
        );
        return [
          ...[TITLES[name], row.load],
          ...[formatNumber(rate.median), formatSpread(rate), ratios[0]],
          ...[formatNumber(cpu.median), formatSpread(cpu), ratios[1]],
          ...latencies,
        ];
      }),
    ),
  );
}

function failuresOf(row: Row): string[] {
  return SERVERS.flatMap((name) => failuresIn(row.slices[name], `${TITLES[name]}, ${row.load}`));
}

// ---- gates

/** Requests per second, as a multiple of node:http's. */
const RATE_TO_NODE_MIN = 1.5;

function gateOf(row: Row): Gate {
  const value = ratioOf(row, 'millrace', 'requestsPerSecond');
  const claim = `requests, ${row.load}: rate / node:http`;
  return { claim, value, limit: RATE_TO_NODE_MIN, bound: 'at least' };
}
