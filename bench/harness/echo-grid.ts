/**
 * Stream servers against each other on a grid of loads, connections x payload.
 *
 * All servers live through the whole run. Each cell begins with a warm-up
 * slice per server, then takes its rounds interleaved: every server gets one
 * slice per round, so that a disturbance of the machine hits all of them, and
 * ratios are formed within rounds.
 */
import type { OptionsConfig, OptionValues } from './benchmark.js';
import {
  type Duty,
  type EchoServer,
  type EchoServerName,
  startEchoServer,
  TITLES,
} from './echo-server.js';
import {
  countedOf,
  failuresIn,
  type Load,
  type Metric,
  measureSlice,
  remarkOn,
  type Slice,
  valuesOf,
  WARM_UP_MS,
} from './echo-slice.js';
import { chosenNames, positiveInteger, positiveIntegers, UsageError } from './options.js';
import { hasTaskset } from './processes.js';
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

/** What a benchmark asks for unless the command line says otherwise. */
export interface Defaults {
  readonly names: readonly EchoServerName[];
  /** Those to whom all others are compared in the tables. */
  readonly compared: readonly EchoServerName[];
  readonly connections: readonly number[];
  readonly payloadBytes: readonly number[];
  /** @default echo */
  readonly duty?: Duty;
}

export interface Plan {
  readonly names: readonly EchoServerName[];
  readonly compared: readonly EchoServerName[];
  readonly duty: Duty;
  readonly loads: readonly Load[];
  readonly rounds: number;
  readonly ms: number;
  readonly pin: boolean;
}

/** One load, and one slice per round of each server. */
export interface Cell extends Load {
  readonly slices: Partial<Record<EchoServerName, Slice[]>>;
}

export function planGrid(values: OptionValues, defaults: Defaults): Plan {
  const connections = { defaults: defaults.connections, max: 10_000 };
  const sizes = { defaults: defaults.payloadBytes, max: 2 ** 24 };
  const pin = values.pin === true;
  if (pin && !hasTaskset()) throw new UsageError('--pin needs taskset, which is not there');
  return {
    names: chosenNames(values, 'servers', defaults.names),
    compared: defaults.compared,
    duty: defaults.duty ?? 'echo',
    loads: positiveIntegers(values, 'size', sizes).flatMap((payloadBytes) =>
      positiveIntegers(values, 'connections', connections).map((count) => ({
        connections: count,
        payloadBytes,
      })),
    ),
    rounds: positiveInteger(values, 'rounds', 1000),
    ms: positiveInteger(values, 'ms', 600_000),
    pin,
  };
}

/** Prints a table for each cell as it is done. `addressOf`: where a server is to listen. */
export async function runGrid(
  plan: Plan,
  addressOf: (name: EchoServerName) => string,
): Promise<Cell[]> {
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
  return cells;
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

export function slicesOf(cell: Cell, name: EchoServerName): readonly Slice[] {
  return cell.slices[name] ?? [];
}

/** The median of the rounds' ratios. */
export function ratioOf(
  cell: Cell,
  metric: Metric,
  { of, to }: { of: EchoServerName; to: EchoServerName },
): number {
  return medianRatio(valuesOf(slicesOf(cell, of), metric), valuesOf(slicesOf(cell, to), metric));
}

export function titleOf(load: Load): string {
  const { connections, payloadBytes } = load;
  const size = payloadBytes % 1024 === 0 ? `${payloadBytes / 1024} KiB` : `${payloadBytes} B`;
  return `${connections} conn, ${size}`;
}

export function failuresOf(cells: readonly Cell[], names: readonly EchoServerName[]): string[] {
  return cells.flatMap((cell) =>
    names.flatMap((name) => failuresIn(slicesOf(cell, name), `${titleOf(cell)}, ${TITLES[name]}`)),
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
