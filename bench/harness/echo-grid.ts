/**
 * Stream servers against each other on a grid of loads, connections x payload.
 *
 * All servers live through the whole run. Each cell begins with a warm-up
 * slice per server, then takes its rounds interleaved: every server gets one
 * slice per round, so that a disturbance of the machine hits all of them, and
 * ratios are formed within rounds.
 */
import type { Gate, OptionsConfig, OptionValues, Outcome } from './benchmark.js';
import {
  ANY_PORT,
  type Duty,
  type EchoServer,
  type EchoServerName,
  startEchoServer,
  TITLES,
} from './echo-server.js';
import {
  type Load,
  type Metric,
  measureSlice,
  remarkOn,
  type Slice,
  WARM_UP_MS,
} from './echo-slice.js';
import { chosenNames, type Extent, extentOf, positiveIntegers, UsageError } from './options.js';
import { hasTaskset } from './processes.js';
import { countedOf, failuresIn, valuesOf } from './slices.js';
import { median, medianRatio, summarise } from './statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './table.js';

const SERVER_CPU = 0;
const CLIENT_CPU = 1;

/** The options of a benchmark that runs a grid. */
export const GRID_OPTIONS = {
  rounds: { type: 'string', default: '5' },
  ms: { type: 'string', default: '1500' },
  connections: { type: 'string', multiple: true },
  size: { type: 'string', multiple: true },
  servers: { type: 'string', multiple: true },
  pin: { type: 'boolean', default: false },
} as const satisfies OptionsConfig;

/** A benchmark, where the command line does not say otherwise. */
export interface Grid {
  readonly names: readonly EchoServerName[];
  /** Those to whom all others are compared in the tables. */
  readonly compared: readonly EchoServerName[];
  readonly connections: readonly number[];
  readonly payloadBytes: readonly number[];
  /** @default echo */
  readonly duty?: Duty;
  /** What is promised of a cell. */
  readonly gatesOf: (cell: Cell) => readonly Gate[];
}

interface Plan extends Extent {
  readonly names: readonly EchoServerName[];
  readonly compared: readonly EchoServerName[];
  readonly duty: Duty;
  readonly loads: readonly Load[];
  readonly pin: boolean;
}

/** One load, and one slice per round of each server. */
export interface Cell extends Load {
  readonly slices: Partial<Record<EchoServerName, Slice[]>>;
}

/** Prints a table for each cell as it is done. `addressOf`: where a server is to listen. */
export async function runGrid(
  values: OptionValues,
  grid: Grid,
  addressOf: (name: EchoServerName) => string = () => ANY_PORT,
): Promise<Outcome> {
  const plan = planOf(values, grid);
  const { names, duty, pin } = plan;
  const servers: EchoServer[] = [];
  const cells: Cell[] = [];
  try {
    for (const name of names) {
      const setting = { duty, address: addressOf(name), cpu: pin ? SERVER_CPU : null };
      servers.push(await startEchoServer(name, setting));
    }
    for (const load of plan.loads) {
      const cell = await measureCell(servers, load, plan);
      cells.push(cell);
      console.log(`${formatCell(cell, plan)}\n`);
    }
  } finally {
    await Promise.all(servers.map((server) => server.process.stop()));
  }
  return {
    gates: cells.flatMap(grid.gatesOf),
    failures: cells.flatMap((cell) => failuresOf(cell, names)),
    data: cells,
  };
}

function planOf(values: OptionValues, grid: Grid): Plan {
  const connections = { defaults: grid.connections, max: 10_000 };
  const sizes = { defaults: grid.payloadBytes, max: 2 ** 24 };
  const pin = values.pin === true;
  if (pin && !hasTaskset()) throw new UsageError('--pin needs taskset, which is not there');
  return {
    names: chosenNames(values, 'servers', grid.names),
    compared: grid.compared,
    duty: grid.duty ?? 'echo',
    loads: positiveIntegers(values, 'size', sizes).flatMap((payloadBytes) =>
      positiveIntegers(values, 'connections', connections).map((count) => ({
        connections: count,
        payloadBytes,
      })),
    ),
    ...extentOf(values),
    pin,
  };
}

async function measureCell(
  servers: readonly EchoServer[],
  load: Load,
  { names, duty, rounds, ms, pin }: Plan,
): Promise<Cell> {
  const cpu = pin ? CLIENT_CPU : null;
  const cell: Cell = { ...load, slices: Object.fromEntries(names.map((name) => [name, []])) };
  for (const server of servers) {
    await measureSlice(server, load, { duty, ms: Math.min(WARM_UP_MS, ms), cpu });
  }
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) {
      cell.slices[server.name]?.push(await measureSlice(server, load, { duty, ms, cpu }));
    }
  }
  return cell;
}

// ---- figures

function slicesOf(cell: Cell, name: EchoServerName): readonly Slice[] {
  return cell.slices[name] ?? [];
}

/** One server measured by another. */
interface Comparison {
  readonly of: EchoServerName;
  readonly to: EchoServerName;
}

/** The median of the rounds' ratios. */
function ratioOf(cell: Cell, metric: Metric, { of, to }: Comparison): number {
  return medianRatio(valuesOf(slicesOf(cell, of), metric), valuesOf(slicesOf(cell, to), metric));
}

export function titleOf(load: Load): string {
  const { connections, payloadBytes } = load;
  const size = payloadBytes % 1024 === 0 ? `${payloadBytes / 1024} KiB` : `${payloadBytes} B`;
  return `${connections} conn, ${size}`;
}

function failuresOf(cell: Cell, names: readonly EchoServerName[]): string[] {
  return names.flatMap((name) =>
    failuresIn(slicesOf(cell, name), `${titleOf(cell)}, ${TITLES[name]}`),
  );
}

const UNITS: Readonly<Record<Duty, readonly [rate: string, cpu: string]>> = {
  echo: ['rt/s', 'CPU us/rt'],
  broadcast: ['deliveries/s', 'CPU us each'],
};

/** In the heads of columns. */
const SHORT_TITLES: Readonly<Record<EchoServerName, string>> = {
  c: 'C',
  net: 'net',
  thread: 'sockets',
  inline: 'inline',
  server: 'TcpServer',
  defaults: 'defaults',
};

function formatCell(cell: Cell, { names, compared, duty }: Plan): string {
  const [rate, cpu] = UNITS[duty];
  const columns = ['min - max', ...compared.map((name) => `x ${SHORT_TITLES[name]}`)];
  const head = [titleOf(cell), rate, ...columns, cpu, ...columns, 'p50 us', 'p99 us', ''];
  const rows = names.map((name) => {
    const slices = slicesOf(cell, name);
    const figures = (['roundTripsPerSecond', 'cpuUsPerRoundTrip'] as const).flatMap((metric) => {
      const summary = summarise(countedOf(slices, metric));
      const ratios = compared.map((to) => ratioOf(cell, metric, { of: name, to }));
      return [formatNumber(summary.median), formatSpread(summary), ...ratios.map(formatRatio)];
    });
    const latencies = (['p50Us', 'p99Us'] as const).map((metric) =>
      formatNumber(median(countedOf(slices, metric))),
    );
    return [TITLES[name], ...figures, ...latencies, remarkOn(slices)];
  });
  return formatTable(head, rows);
}

// ---- gates

/** CPU time per round trip of one server as a multiple of another's; none unless both ran. */
export function cpuGate(
  cell: Cell,
  claim: string,
  { max, ...servers }: Comparison & { max: number },
): readonly Gate[] {
  if (!haveRun(cell, servers)) return [];
  const value = ratioOf(cell, 'cpuUsPerRoundTrip', servers);
  return [{ claim, value, limit: max, bound: 'at most' }];
}

/** Round trips per second, likewise. */
export function rateGate(
  cell: Cell,
  claim: string,
  { min, ...servers }: Comparison & { min: number },
): readonly Gate[] {
  if (!haveRun(cell, servers)) return [];
  const value = ratioOf(cell, 'roundTripsPerSecond', servers);
  return [{ claim, value, limit: min, bound: 'at least' }];
}

function haveRun({ slices }: Cell, { of, to }: Comparison): boolean {
  return slices[of] !== undefined && slices[to] !== undefined;
}
