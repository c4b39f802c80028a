/**
 * The side of the harness that contenders see: a request a line, an answer a
 * line, both JSON, until the input ends.
 */
import { createInterface } from 'node:readline';

/** Arm and clear a timer, over and over for `ms`, while `pending` others wait. */
export interface PairsRequest {
  readonly measure: 'pairs';
  readonly ms: number;
  readonly pending: number;
  /** The same for every pair, or drawn afresh as an election timeout is. */
  readonly delays: 'fixed' | 'drawn' | 'long';
}

/** Turns of an idle loop for `ms`, while `pending` timers wait. */
export interface TicksRequest {
  readonly measure: 'ticks';
  readonly ms: number;
  readonly pending: number;
}

/** `delaysMs.length` one-shot timers armed at once; answered by their latenesses. */
export interface LatenessRequest {
  readonly measure: 'lateness';
  /** How the loop runs; means nothing to setTimeout. */
  readonly way: 'run, thread' | 'run, inline' | 'runSync';
  readonly delaysMs: readonly number[];
}

export type Request = PairsRequest | TicksRequest | LatenessRequest;

export interface Rate {
  readonly count: number;
  readonly elapsedMs: number;
}

/** Fire time minus deadline of each timer, in the order of firing; negative: early. */
export type LatenessesMs = readonly number[];

/** Operations between two looks at the clock: enough for the looking to cost nothing. */
export const BATCH = 1024;

/** What pairs arm: whole milliseconds, since setTimeout drops fractions. */
const FIXED_DELAY_MS = 200;
const DRAWN_DELAY_MS = { min: 150, max: 300 };

/** Idle and connect timeouts; setTimeout keeps delays from 1,024 ms on in another kind of table. */
const LONG_DELAY_MS = { min: 5000, max: 60_000 };

/** Far beyond any run, and so wide a range that few of them share a millisecond. */
const PENDING_DELAY_MS = { min: 3_600_000, max: 7_200_000 };

/** Ends the process with the input; what `answer` throws ends it as well. */
export function serve(answer: (request: never) => unknown): void {
  void answerLines(answer);
}

/** Repeats `batch`, which does {@link BATCH} operations, for `ms`. */
export function rateOf(ms: number, batch: () => void): Rate {
  const begin = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < ms) {
    batch();
    count += BATCH;
    elapsedMs = performance.now() - begin;
  }
  return { count, elapsedMs };
}

/** The delays of one batch; drawn beforehand, as drawing is not what is measured. */
export function pairDelays(random: () => number, delays: PairsRequest['delays']): number[] {
  if (delays === 'fixed') return Array.from({ length: BATCH }, () => FIXED_DELAY_MS);
  const range = delays === 'long' ? LONG_DELAY_MS : DRAWN_DELAY_MS;
  return Array.from({ length: BATCH }, () => between(random, range));
}

export function pendingDelays(random: () => number, count: number): number[] {
  return Array.from({ length: count }, () => between(random, PENDING_DELAY_MS));
}

async function answerLines(answer: (request: never) => unknown): Promise<void> {
  // Also in the middle of a measurement, of which nobody wants the answer any more.
  process.stdin.once('end', () => process.exit(0));
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line) as never)));
  }
}

function between(random: () => number, { min, max }: { min: number; max: number }): number {
  return min + Math.floor(random() * (max - min));
}
