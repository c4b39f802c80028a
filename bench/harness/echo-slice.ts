/**
 * One slice of echo load on one server: the load client opens its connections,
 * is told to go, and reports; the server's CPU time is read around that.
 */
import { availableParallelism } from 'node:os';
import { cpuUseBetween, readMachineBusyNs, readThreadTimes, settle } from './cpu.js';
import { type Duty, type Server, START_TIMEOUT_MS } from './echo-server.js';
import { nativeProgram } from './native.js';
import { LineProcess, pinned, startWith, withDescriptors } from './processes.js';
import { type Fallible, remarkOnLost } from './slices.js';
import { median } from './statistics.js';

/** The slice before the first that counts, in which code gets compiled. */
export const WARM_UP_MS = 500;

/** Beyond a slice's own time; the client itself waits 2 s for the last echo. */
const SLICE_GRACE_MS = 5_000;

/** A slice is remarked on when others than server and client used more of the machine. */
const FOREIGN_SHARE_MAX = 0.1;

/** What gives a server of this duty its load. */
const CLIENTS: Readonly<Record<Duty, string>> = {
  echo: 'load_client',
  broadcast: 'broadcast_client',
};

/** To open very many connections, with a round trip on each. */
const HOLD_TIMEOUT_MS = 60_000;

/** One point of a grid. */
export interface Load {
  readonly connections: number;
  readonly payloadBytes: number;
}

/** A round trip is an echo, or a message delivered to one of those who hear it. */
export interface Slice extends Fallible {
  readonly roundTripsPerSecond: number;
  readonly cpuUsPerRoundTrip: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly endedThreads: number;
  /** Of all processor time there was, what neither server nor client used, but somebody did. */
  readonly foreignShare: number;
}

export type Metric = 'roundTripsPerSecond' | 'cpuUsPerRoundTrip' | 'p50Us' | 'p99Us';

/** The answer of `load_client.c` and `broadcast_client.c`. */
interface ClientReport {
  readonly started: number;
  readonly completed: number;
  readonly elapsedNs: number;
  readonly contentErrors: number;
  readonly brokenConnections: number;
  readonly idleConnections: number;
  readonly latencyNs: { readonly p50: number; readonly p99: number; readonly max: number };
}

export interface SliceSetting {
  readonly ms: number;
  /** @default echo */
  readonly duty?: Duty;
  /** The processor that the client is bound to. @default none */
  readonly cpu?: number | null;
  /** Other processes of the benchmark that are at work; not foreign. @default none */
  readonly beside?: readonly LineProcess[];
}

export async function measureSlice(
  server: Server,
  load: Load,
  { ms, duty = 'echo', cpu = null, beside = [] }: SliceSetting,
): Promise<Slice> {
  const command = clientCommand(duty, server, { ...load, ms });
  const client = new LineProcess('load client', pinned(command, cpu));
  const { pid } = server.process;
  try {
    await expectReady(client, START_TIMEOUT_MS);
    // From here to the report all connections are open and none opens or closes.
    await settle();
    const loaders = [client, ...beside].map((each) => each.pid);
    const loadersBefore = loaders.map(readThreadTimes);
    const busyBeforeNs = readMachineBusyNs();
    const before = readThreadTimes(pid);
    client.writeLine('go');
    const report: ClientReport = JSON.parse(await client.readLine(ms + SLICE_GRACE_MS));
    await settle();
    const use = cpuUseBetween(before, readThreadTimes(pid));
    const loadNs = loaders.reduce(
      (sum, loader, i) => sum + cpuUseBetween(loadersBefore[i], readThreadTimes(loader)).ns,
      0,
    );
    const foreignNs = Math.max(0, readMachineBusyNs() - busyBeforeNs - use.ns - loadNs);
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

/**
 * Opens connections that stay idle once they have made a round trip each; they
 * are closed by stopping the process that is returned.
 */
export async function holdConnections(
  server: Server,
  { connections, payloadBytes, descriptors }: Load & { descriptors: number },
): Promise<LineProcess> {
  // It is never told to go, so the length of its slice does not matter.
  const command = clientCommand('echo', server, { connections, payloadBytes, ms: 1 });
  const holder = new LineProcess('idle client', withDescriptors(command, descriptors));
  await startWith(holder, () => expectReady(holder, HOLD_TIMEOUT_MS));
  return holder;
}

export async function expectReady(client: LineProcess, timeoutMs: number): Promise<void> {
  const line = await client.readLine(timeoutMs);
  if (line !== 'ready') throw new Error(`the ${client.name} said "${line}"`);
}

function clientCommand(
  duty: Duty,
  server: Server,
  { connections, payloadBytes, ms }: Load & { ms: number },
): readonly string[] {
  const numbers = [connections, payloadBytes, ms].map(String);
  return [nativeProgram(CLIENTS[duty]), server.address, ...numbers];
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

/** What a reader of the row has to know: lost slices, or a machine that was shared. */
export function remarkOn(slices: readonly Slice[]): string {
  const lost = remarkOnLost(slices);
  if (lost !== '') return lost;
  const ended = slices.reduce((sum, slice) => sum + slice.endedThreads, 0);
  if (ended > 0) return `CPU of ${ended} ended threads missing`;
  const foreign = median(slices.map((slice) => slice.foreignShare));
  return foreign > FOREIGN_SHARE_MAX ? `others took ${(100 * foreign).toFixed(0)} % of CPU` : '';
}
