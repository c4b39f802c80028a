/**
 * Goal: a connection that is sent more than it reads costs the server no more
 * memory than its high water mark allows (rule N3), costs its neighbours no
 * time, and gets every byte in the end.
 *
 * Method: a server in a process of its own sends a reader numbered chunks as
 * long as `sendTo` takes them. First readers that never read come and go;
 * between them, in turns, the latencies of echo connections are measured with
 * one of them and with none. Then one is sent all there is: it does not read
 * for a while, reads slowly for a while, and then to the end, and compares each
 * byte. The resident memory of the server is sampled all the time and compared
 * to what it is after a flood that was read at once, garbage collected.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { SocketAddress } from 'millrace';
import type { FloodingServerOptions } from '../fixtures/flooding-server.js';
import { EchoClients, type EchoLatencies } from '../support/echo-clients.js';
import {
  CHUNK_BYTES,
  FLOOD,
  FLOOD_TO_THE_BRIM,
  FloodReader,
  floodRequest,
} from '../support/flood.js';
import { residentBytes } from '../support/proc.js';
import { Fixture, inParallel } from '../support/processes.js';
import { type Outcome, type Print, type Scenario, table } from './scenario.js';

export interface SlowReaderSize {
  /** What the last reader is sent. */
  chunks: number;
  /** Echo with a reader that does not read, and without. */
  rounds: number;
  /** Of one echo measurement. */
  echoMs: number;
  /** How long the last reader does not read, and then reads slowly. */
  idleMs: number;
  slowMs: number;
  /** What memory may grow by beyond the mark: garbage that was not collected yet, allocators. */
  spareBytes: number;
  /** The median of the rounds' ratios. Infinity where there are too few of them to tell. */
  latencyRatioMax: number;
}

const POLLERS = ['thread', 'inline'] as const;

const MIB = 2 ** 20;
const HIGH_WATER_MARK_BYTES = MIB;

const ECHO_CONNECTIONS = 20;

const WARM_UP_CHUNKS = 1024;
const SLOW_BYTES = 64 * 1024;
const SLOW_EVERY_MS = 5;
const SAMPLE_EVERY_MS = 20;

/** For a process to start, or a server to fill what there is to fill. */
const DEADLINE_MS = 30_000;

/** As in `churn.ts`. */
const NODE_ARGS = ['--expose-gc', '--max-semi-space-size=1'];

export const slowReaderScenario: Scenario = {
  summary: 'a reader of 1 GiB that is in no hurry costs memory by its mark only (half a minute)',
  run: (print) => {
    const times = { echoMs: 300, idleMs: 1_000, slowMs: 3_000 };
    const limits = { spareBytes: 2 * MIB, latencyRatioMax: 1.25 };
    return slowReader({ chunks: 16_384, rounds: 10, ...times, ...limits }, print);
  },
};

export async function slowReader(size: SlowReaderSize, print: Print): Promise<Outcome> {
  const failures = await inParallel(POLLERS, 1, async (poller) => {
    const options: FloodingServerOptions = { poller, highWaterMarkBytes: HIGH_WATER_MARK_BYTES };
    await using server = new Fixture('flooding-server', options, { nodeArgs: NODE_ARGS });
    const found = await observe(server, size, (line) => print(`${poller}: ${line}`));
    return found.map((failure) => `${poller}: ${failure}`);
  });
  return { failures: failures.flat() };
}

async function observe(server: Fixture, size: SlowReaderSize, print: Print): Promise<string[]> {
  const { port } = await server.report<SocketAddress>(DEADLINE_MS);
  using clients = await EchoClients.open({ host: '127.0.0.1', port }, ECHO_CONNECTIONS);
  await clients.measure(size.echoMs);
  const failures = await readAll(port, WARM_UP_CHUNKS);
  server.kill('SIGUSR2');
  await server.report(DEADLINE_MS);
  using memory = new MemorySampler(server.pid);
  failures.push(...(await neighbours(server, port, clients, size, print)));
  failures.push(...(await readAll(port, size.chunks, size)));
  const { grownBytes } = memory;
  print(`memory grew by ${(grownBytes / MIB).toFixed(2)} MiB at most`);
  if (grownBytes > HIGH_WATER_MARK_BYTES + size.spareBytes) {
    failures.push(`memory grew by ${grownBytes} bytes`);
  }
  return failures;
}

/** The largest that a process was, compared to what it was at first. */
class MemorySampler implements Disposable {
  readonly #pid: number;
  readonly #beforeBytes: number;
  readonly #timer: NodeJS.Timeout;
  #maxBytes: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.#beforeBytes = residentBytes(pid);
    this.#maxBytes = this.#beforeBytes;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
  }

  get grownBytes(): number {
    this.#sample();
    return this.#maxBytes - this.#beforeBytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    this.#maxBytes = Math.max(this.#maxBytes, residentBytes(this.#pid));
  }
}

/** Echo latencies with a reader that does not read, compared to those without, in turns. */
async function neighbours(
  server: Fixture,
  port: number,
  clients: EchoClients,
  { rounds, echoMs, chunks, latencyRatioMax }: SlowReaderSize,
  print: Print,
): Promise<string[]> {
  const alone: EchoLatencies[] = [];
  const beside: EchoLatencies[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await clients.measure(echoMs));
    const reader = await startReader(port, floodRequest(FLOOD_TO_THE_BRIM, chunks));
    await server.report(DEADLINE_MS);
    beside.push(await clients.measure(echoMs));
    reader.destroy();
  }
  const ratios = (['p50Us', 'p99Us'] as const).map((which) =>
    median(alone.map((each, round) => beside[round][which] / each[which])),
  );
  const head = ['echo', 'round trips', 'p50 us', 'p99 us'];
  const rows = [
    ['alone', ...figures(alone)],
    ['beside one who does not read', ...figures(beside)],
    ['ratio', '', ...ratios.map((ratio) => ratio.toFixed(2))],
  ];
  for (const line of table([head, ...rows])) print(line);
  const [p50] = ratios;
  return p50 > latencyRatioMax ? [`echoes take ${p50.toFixed(2)} times as long`] : [];
}

function figures(all: readonly EchoLatencies[]): string[] {
  const [trips, p50, p99] = (['roundTrips', 'p50Us', 'p99Us'] as const).map((which) =>
    Math.round(median(all.map((each) => each[which]))),
  );
  return [trips, p50, p99].map(String);
}

/** A connection that has asked for chunks, and reads only what it is told to. */
async function startReader(port: number, request: Uint8Array): Promise<Socket> {
  const reader = connect({ host: '127.0.0.1', port });
  await once(reader, 'connect');
  reader.pause();
  reader.write(request);
  return reader;
}

/** Reads so many chunks to the end, at first not at all and slowly if that is asked for. */
async function readAll(
  port: number,
  chunks: number,
  { idleMs, slowMs } = { idleMs: 0, slowMs: 0 },
): Promise<string[]> {
  const reader = await startReader(port, floodRequest(FLOOD, chunks));
  const flood = new FloodReader();
  const ended = once(reader, 'end');
  await delay(idleMs);
  const endMs = performance.now() + slowMs;
  while (performance.now() < endMs) {
    await delay(SLOW_EVERY_MS);
    const data: Buffer | null = reader.read(SLOW_BYTES) ?? reader.read();
    if (data !== null) flood.take(data);
  }
  reader.on('data', (data: Buffer) => flood.take(data));
  reader.resume();
  await ended;
  reader.destroy();
  const { receivedBytes, wrongAt } = flood;
  const failures: string[] = [];
  if (wrongAt !== null) failures.push(`a wrong byte after ${wrongAt} right ones`);
  if (receivedBytes !== chunks * CHUNK_BYTES) {
    failures.push(`${receivedBytes} bytes came instead of ${chunks * CHUNK_BYTES}`);
  }
  return failures;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
