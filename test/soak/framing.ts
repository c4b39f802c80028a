/**
 * Goal: whatever a peer sends, and however the network cuts it, a decoder hands
 * out what a look at the whole stream would find, and keeps no more than it may.
 *
 * Method: random streams, valid and hostile, with random limits, cut at random
 * places, for a minute; the same as the unit tests do for a second. Each stream
 * has a seed of its own, and a difference names it.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  below,
  cut,
  decodeAll,
  type Decoded,
  frameDecoder,
  framesOf,
  lineDecoder,
  linesOf,
  randomFrames,
  randomLines,
  randomOptions,
} from '../support/framing.js';
import { type Random, random } from '../support/random.js';
import type { Outcome, Print, Scenario } from './scenario.js';

export interface FramingSize {
  durationMs: number;
}

const LINE_LIMITS = [0, 1, 7, 64, 4096];
const FAILURES_MAX = 5;

interface Streams {
  name: string;
  /** What a decoder makes of a random stream, and what it should. */
  compare(numbers: Random): [found: Decoded, expected: Decoded];
}

const STREAMS: readonly Streams[] = [
  {
    name: 'frames',
    compare(numbers) {
      const options = randomOptions(numbers);
      const stream = randomFrames(numbers, options);
      return [decodeAll(cut(stream, numbers), frameDecoder(options)), framesOf(stream, options)];
    },
  },
  {
    name: 'lines',
    compare(numbers) {
      const limit = LINE_LIMITS[below(numbers, LINE_LIMITS.length)];
      const stream = randomLines(numbers);
      return [decodeAll(cut(stream, numbers), lineDecoder(limit)), linesOf(stream, limit)];
    },
  },
];

export const framingScenario: Scenario = {
  summary: 'random streams of frames and lines, against a naive decoder (a minute)',
  run: async (print) => framing({ durationMs: 60_000 }, print),
};

export function framing({ durationMs }: FramingSize, print: Print): Outcome {
  const failures: string[] = [];
  const endMs = performance.now() + durationMs;
  let count = 0;
  for (; performance.now() < endMs && failures.length < FAILURES_MAX; count++) {
    for (const { name, compare } of STREAMS) {
      const numbers = random(Math.floor(Math.random() * 2 ** 31));
      const [found, expected] = compare(numbers);
      if (!isDeepStrictEqual(found, expected)) failures.push(`${name}: seed ${numbers.seed}`);
    }
  }
  print(`${count} streams of each kind`);
  return { failures };
}
