/**
 * Goal: neither descriptors nor memory leak, however many datagrams and
 * connections come and go.
 *
 * Method: a process sends and receives through one loop in equal chunks, and
 * reports its resident memory and its descriptors after each, with its garbage
 * collected. Descriptors must be the same after all of them. To memory a line
 * is fitted, once the engine has warmed up: a leak of a few bytes for each
 * connection is a slope, the noise of an allocator is not.
 */
import type { ChurnOptions, ChurnSample } from '../fixtures/churn.js';
import { Fixture, inParallel } from '../support/processes.js';
import type { Outcome, Print, Scenario } from './scenario.js';

export interface ChurnSize {
  chunks: number;
  /** In all. */
  datagrams: number;
  connections: number;
  /** What memory may seem to grow by, in all. */
  growthMaxBytes: number;
}

const POLLERS = ['thread', 'inline'] as const;

/** The part of the chunks in which code is compiled, and heaps and tables find their size. */
const WARM_UP_PART = 0.4;

/** For a chunk on a busy machine, and for starting up. */
const CHUNK_MS = 60_000;

/**
 * The engine doubles its space for young objects when many of them survive, in
 * steps of megabytes that look like a leak; it is given a small one to keep.
 */
const NODE_ARGS = ['--expose-gc', '--max-semi-space-size=1'];

const MIB = 2 ** 20;

export const churnScenario: Scenario = {
  summary: 'a million datagrams and 100,000 connections leave nothing behind (about a minute)',
  run: (print) => {
    const size = { chunks: 50, datagrams: 1_000_000, connections: 100_000 };
    return churn({ ...size, growthMaxBytes: 2 * MIB }, print);
  },
};

export async function churn(size: ChurnSize, print: Print): Promise<Outcome> {
  const failures = await inParallel(POLLERS, POLLERS.length, async (poller) => {
    const samples = await collect({
      poller,
      chunks: size.chunks,
      datagrams: size.datagrams / size.chunks,
      connections: size.connections / size.chunks,
    });
    return judge(samples, size, (line) => print(`${poller}: ${line}`)).map(
      (failure) => `${poller}: ${failure}`,
    );
  });
  return { failures: failures.flat() };
}

async function collect(options: ChurnOptions): Promise<ChurnSample[]> {
  await using program = new Fixture('churn', options, { nodeArgs: NODE_ARGS });
  const samples: ChurnSample[] = [];
  await program.report(CHUNK_MS);
  for (let chunk = 0; chunk < options.chunks; chunk++) {
    samples.push(await program.report<ChurnSample>(CHUNK_MS));
  }
  return samples;
}

function judge(samples: readonly ChurnSample[], size: ChurnSize, print: Print): string[] {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP_PART));
  const slope = slopeOf(warm.map(({ rssBytes }) => rssBytes));
  const growthBytes = slope * (warm.length - 1);
  const descriptors = [...new Set(samples.map((each) => each.descriptors))];
  const rss = samples.map(({ rssBytes }) => (rssBytes / MIB).toFixed(1));
  print(`RSS in MiB after each chunk: ${rss.join(' ')}`);
  print(`it grows by ${(growthBytes / 1024).toFixed(0)} KiB over the last ${warm.length} chunks`);
  print(`descriptors after each chunk: ${descriptors.join(', ')}`);
  const failures: string[] = [];
  if (growthBytes > size.growthMaxBytes) failures.push(`memory grew by ${growthBytes} bytes`);
  if (descriptors.length > 1) failures.push(`descriptors changed: ${descriptors.join(', ')}`);
  return failures;
}

/** By least squares, per step. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let covariance = 0;
  let variance = 0;
  for (const [at, value] of values.entries()) {
    covariance += (at - middle) * (value - mean);
    variance += (at - middle) ** 2;
  }
  return covariance / variance;
}
