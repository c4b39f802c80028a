/**
 * The two threads of a channel contender: both run the same script and make
 * an end each of what is measured; the main thread answers the benchmark. They
 * talk to each other by Comlink before and after, not during, a measurement.
 */
import { MessageChannel, type MessagePort, Worker, workerData } from 'node:worker_threads';
import { expose, wrap } from 'comlink';
import { ascending, percentile } from '../harness/statistics.js';
import {
  type ChannelRequest,
  type Kind,
  type RoundTripRequest,
  type RoundTrips,
  type Stream,
  type StreamRequest,
  sharedNowMs,
  sumOf,
  tallyOf,
  threadCpuNs,
} from './channel-protocol.js';
import { serve } from './protocol.js';

export type Sink = (message: unknown) => void;

/** What makes a contender: one on each thread, connected by a port. */
export interface End {
  /** What arrives goes there from now on. */
  deliverTo(sink: Sink): void;
  /** Sends the beginning of the kind's stream, and no faster than the other end receives. */
  stream(kind: Kind, count: number): Promise<void>;
  /** Every message is sent back as it comes. */
  answer(): void;
  ask(question: number, answered: Sink): void;
}

export type MakeEnd = (port: MessagePort) => End | Promise<End>;

/** A thread at one end of a stream. */
export interface Side {
  isReady(): boolean;
  receive(kind: Kind, count: number): Promise<SideReport>;
  send(kind: Kind, count: number): Promise<SideReport>;
  answer(): void;
}

/** As seen from the other thread. */
export type RemoteSide = {
  readonly [Name in keyof Side]: (
    ...args: Parameters<Side[Name]>
  ) => Promise<Awaited<ReturnType<Side[Name]>>>;
};

export interface SideReport {
  /** Of the first message sent, or the last received. */
  readonly atMs: number;
  readonly cpuNs: number;
  readonly sum: number;
}

interface WorkerPorts {
  readonly measured: MessagePort;
  readonly control: MessagePort;
}

/** Messages of the first stream of a kind; the next ones are as long as was asked for. */
const FIRST_COUNT = 4096;

/** To be called on both threads by the script at this URL. */
export async function startContender(script: string, makeEnd: MakeEnd): Promise<void> {
  const ports = workerData as WorkerPorts | null;
  if (ports !== null) {
    expose(sideOf(await makeEnd(ports.measured)), ports.control);
    return;
  }
  const measured = new MessageChannel();
  const control = new MessageChannel();
  const forWorker: WorkerPorts = { measured: measured.port2, control: control.port2 };
  const transferList = [measured.port2, control.port2];
  const argv = process.argv.slice(2);
  const worker = new Worker(new URL(script), { argv, workerData: forWorker, transferList });
  worker.on('error', (error) => {
    throw error;
  });
  const there = wrap<Side>(control.port1);
  const end = await makeEnd(measured.port1);
  await there.isReady();
  serveSides(end, sideOf(end), there);
}

/** Answers the benchmark; to be called on the main thread. */
export function serveSides(end: End, here: Side | RemoteSide, there: RemoteSide): void {
  const counts = new Map<string, number>();
  serve((request: ChannelRequest) => {
    if (request.measure === 'roundTrip') return roundTrips(end, there, request);
    return streamFor(request, here, there, counts);
  });
}

export function sideOf(end: End): Side {
  return {
    isReady: () => true,
    answer: () => end.answer(),
    receive: (kind, count) => receive(end, kind, count),
    send: async (kind, count) => {
      const cpuNs = threadCpuNs();
      const atMs = sharedNowMs();
      await end.stream(kind, count);
      return { atMs, cpuNs: threadCpuNs() - cpuNs, sum: 0 };
    },
  };
}

function receive(end: End, kind: Kind, count: number): Promise<SideReport> {
  const cpuNs = threadCpuNs();
  const tally = tallyOf(kind);
  return new Promise((resolve) => {
    end.deliverTo((message) => {
      tally.add(message);
      if (tally.count !== count) return;
      const atMs = sharedNowMs();
      resolve({ atMs, cpuNs: threadCpuNs() - cpuNs, sum: tally.sum });
    });
  });
}

/** As many messages as take about as long as was asked for, by the rate of the stream before. */
async function streamFor(
  { kind, direction, ms }: StreamRequest,
  here: Side | RemoteSide,
  there: RemoteSide,
  counts: Map<string, number>,
): Promise<Stream> {
  const name = `${kind} ${direction}`;
  const count = counts.get(name) ?? FIRST_COUNT;
  const [source, target] = direction === 'to main' ? [there, here] : [here, there];
  const received = target.receive(kind, count);
  // The other thread is told in turn, so that it listens before it hears anything.
  await there.isReady();
  const sent = await source.send(kind, count);
  const last = await received;
  const elapsedMs = last.atMs - sent.atMs;
  counts.set(name, Math.max(FIRST_COUNT, Math.round((count * ms) / elapsedMs)));
  const isComplete = last.sum === sumOf(kind, count);
  return { count, elapsedMs, senderNs: sent.cpuNs, receiverNs: last.cpuNs, isComplete };
}

async function roundTrips(
  end: End,
  there: RemoteSide,
  { ms, pauseMs }: RoundTripRequest,
): Promise<RoundTrips> {
  await there.answer();
  const timesUs: number[] = [];
  const endMs = performance.now() + ms;
  await new Promise<void>((resolve, reject) => {
    let askedMs = 0;
    const ask = () => {
      askedMs = performance.now();
      end.ask(timesUs.length, answered);
    };
    const answered = (answer: unknown) => {
      const nowMs = performance.now();
      if (answer !== timesUs.length) reject(new Error(`answered ${String(answer)}`));
      timesUs.push((nowMs - askedMs) * 1000);
      if (nowMs >= endMs) resolve();
      else if (pauseMs > 0) setTimeout(ask, pauseMs);
      else ask();
    };
    ask();
  });
  timesUs.sort(ascending);
  const [p50Us, p99Us] = [percentile(timesUs, 0.5), percentile(timesUs, 0.99)];
  return { count: timesUs.length, p50Us, p99Us };
}
