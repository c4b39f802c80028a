/**
 * Messages between two threads of a process: Millrace's channel, from `send()`
 * to `notify()`, against `postMessage()` one by one and in arrays, and against
 * Comlink; and round trips, question and answer, of the same.
 *
 * Each contender lives in a process of its own through the whole run, and the
 * rounds are interleaved, after warm-up streams that do not count.
 */
import {
  type ChannelRequest,
  DIRECTIONS,
  type Direction,
  type Kind,
  KINDS,
  type RoundTrips,
  type Stream,
} from './contenders/channel-protocol.js';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { chosenNames, extentOf } from './harness/options.js';
import { LineProcess, scriptPath } from './harness/processes.js';
import { median, medianRatio, summarise } from './harness/statistics.js';
import { formatNumber, formatRatio, formatSpread, formatTable } from './harness/table.js';

/** Beyond what a measurement should take by itself. */
const ANSWER_GRACE_MS = 30_000;

/**
 * Streams before the first round; each is as long as the rate of the one before
 * suggests. The first are short, and the engine optimises until the sixth or so.
 */
const WARM_UPS = 8;

/** Between questions, for both sides to fall asleep. */
const PAUSE_MS = 2;

/** In the order of rounds and columns. */
const CONTENDERS = ['millrace', 'actors', 'one', 'batch', 'comlink'] as const;
type Contender = (typeof CONTENDERS)[number];

const COMMANDS: Record<Contender, readonly string[]> = {
  millrace: ['channel-millrace'],
  actors: ['channel-actors'],
  one: ['channel-post', '1'],
  batch: ['channel-post', '256'],
  comlink: ['channel-comlink'],
};

const TITLES: Record<Contender, string> = {
  millrace: 'millrace',
  actors: 'its actors',
  one: 'postMessage',
  batch: 'arrays of 256',
  comlink: 'comlink',
};

const KIND_TITLES: Record<Kind, string> = {
  number: 'numbers',
  small: '{ type, term, index }',
  nested: '5 fields, nested',
  bytes: 'Uint8Array(64)',
  text: '20 characters',
};

/** Arrays of 256 say nothing about one message. */
const ASKED = ['millrace', 'actors', 'one', 'comlink'] as const satisfies readonly Contender[];

export const benchmark: Benchmark = {
  summary: 'messages between threads against postMessage and comlink; round trips',
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '300' },
    kinds: { type: 'string', multiple: true },
    contenders: { type: 'string', multiple: true },
  },
  run,
};

type Processes = Partial<Record<Contender, LineProcess>>;

/** Of one kind in one direction: the streams of each contender, by round. */
interface StreamRow {
  readonly kind: Kind;
  readonly direction: Direction;
  readonly streams: Partial<Record<Contender, Stream[]>>;
}

/** The round trips of each contender, by round. */
interface RoundTripRow {
  readonly title: string;
  readonly pauseMs: number;
  readonly trips: Partial<Record<Contender, RoundTrips[]>>;
}

async function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const kinds = chosenNames(values, 'kinds', KINDS);
  const names = chosenNames(values, 'contenders', CONTENDERS);
  const processes = Object.fromEntries(names.map((name) => [name, start(name)]));
  try {
    const streamRows: StreamRow[] = [];
    for (const kind of kinds) {
      for (const direction of DIRECTIONS) {
        const request = { measure: 'stream', kind, direction, ms } as const;
        const streams = await measured<Stream>(processes, names, request, rounds);
        streamRows.push({ kind, direction, streams });
      }
    }
    const tripRows: RoundTripRow[] = [];
    for (const pauseMs of [0, PAUSE_MS]) {
      const request = { measure: 'roundTrip', ms, pauseMs } as const;
      const asked = ASKED.filter((name) => names.includes(name));
      const trips = await measured<RoundTrips>(processes, asked, request, rounds);
      tripRows.push({ title: pauseMs === 0 ? 'busy' : 'both asleep', pauseMs, trips });
    }
    console.log(`${formatRates(streamRows)}\n\n${formatCpu(streamRows)}\n`);
    console.log(formatRoundTrips(tripRows));
    const gates = [...streamGates(streamRows), ...roundTripGates(tripRows)];
    return { gates, failures: failuresOf(streamRows), data: { streamRows, tripRows } };
  } finally {
    await Promise.all(Object.values(processes).map((process) => process.stop()));
  }
}

function start(name: Contender): LineProcess {
  const [script, ...args] = COMMANDS[name];
  const path = scriptPath(`contenders/${script}`);
  return new LineProcess(TITLES[name], [process.execPath, path, ...args]);
}

/** Rounds of one request, a turn for each contender. */
async function measured<Answer>(
  processes: Processes,
  names: readonly Contender[],
  request: ChannelRequest,
  rounds: number,
): Promise<Partial<Record<Contender, Answer[]>>> {
  const answers: Partial<Record<Contender, Answer[]>> = {};
  for (const name of names) {
    answers[name] = [];
    for (let warmUp = 0; warmUp < WARM_UPS; warmUp++) await ask(processes[name], request);
  }
  for (let round = 0; round < rounds; round++) {
    for (const name of names) answers[name]?.push(await ask<Answer>(processes[name], request));
  }
  return answers;
}

async function ask<Answer>(
  contender: LineProcess | undefined,
  request: ChannelRequest,
): Promise<Answer> {
  if (contender === undefined) throw new Error('a contender that was not started');
  return contender.ask(request, request.ms + ANSWER_GRACE_MS);
}

// ---- figures

function ratesOf(row: StreamRow, name: Contender): number[] {
  return (row.streams[name] ?? []).map(({ count, elapsedMs }) => count / (elapsedMs / 1000));
}

function rateRatio(row: StreamRow, to: Contender, from: Contender = 'millrace'): number {
  return medianRatio(ratesOf(row, from), ratesOf(row, to));
}

function cpuNsOf(row: StreamRow, name: Contender, side: 'senderNs' | 'receiverNs'): number {
  return median((row.streams[name] ?? []).map((stream) => stream[side] / stream.count));
}

function percentilesOf(row: RoundTripRow, name: Contender, which: 'p50Us' | 'p99Us'): number[] {
  return (row.trips[name] ?? []).map((trips) => trips[which]);
}

function formatRates(rows: readonly StreamRow[]): string {
  const head = ['messages per second', '', 'millrace', 'min - max', 'its actors'];
  head.push('postMessage', 'x', 'arrays of 256', 'x', 'comlink', 'x');
  return formatTable(
    head,
    rows.map((row) => {
      const rates = summarise(ratesOf(row, 'millrace'));
      const others = (['one', 'batch', 'comlink'] as const).flatMap((name) => [
        formatNumber(median(ratesOf(row, name))),
        formatRatio(rateRatio(row, name)),
      ]);
      const actors = median(ratesOf(row, 'actors'));
      const own = [formatNumber(rates.median), formatSpread(rates), formatNumber(actors)];
      return [KIND_TITLES[row.kind], row.direction, ...own, ...others];
    }),
  );
}

function formatCpu(rows: readonly StreamRow[]): string {
  const head = ['CPU ns a message: sender + receiver', ''];
  head.push(...CONTENDERS.map((name) => TITLES[name]));
  return formatTable(
    head,
    rows.map((row) => [
      KIND_TITLES[row.kind],
      row.direction,
      ...CONTENDERS.map((name) => {
        const [sender, receiver] = (['senderNs', 'receiverNs'] as const).map((side) =>
          formatNumber(Math.round(cpuNsOf(row, name, side))),
        );
        return `${sender} + ${receiver}`;
      }),
    ]),
  );
}

function formatRoundTrips(rows: readonly RoundTripRow[]): string {
  const head = ['round trips', '', 'per second', 'p50 us', 'min - max', 'p99 us', 'min - max'];
  return formatTable(
    head,
    rows.flatMap((row) =>
      ASKED.filter((name) => row.trips[name] !== undefined).map((name) => {
        const [p50, p99] = (['p50Us', 'p99Us'] as const).map((which) =>
          summarise(percentilesOf(row, name, which)),
        );
        return [row.title, TITLES[name], ...[p50, p99].flatMap(formatPercentile)];
      }),
    ),
  );
}

function formatPercentile(summary: ReturnType<typeof summarise>): string[] {
  return [formatNumber(summary.median), formatSpread(summary)];
}

function failuresOf(rows: readonly StreamRow[]): string[] {
  return rows.flatMap(({ kind, direction, streams }) =>
    Object.entries(streams).flatMap(([name, all]) => {
      const wrong = all.filter(({ isComplete }) => !isComplete).length;
      if (wrong === 0) return [];
      const title = `${TITLES[name as Contender]}, ${KIND_TITLES[kind]}, ${direction}`;
      return [`${title}: what arrived is not what was sent, in ${wrong} of ${all.length} streams`];
    }),
  );
}

// ---- gates

/** Messages per second, as a multiple of those of `postMessage()` one by one. */
const RATE_TO_ONE_MIN: Partial<Record<Kind, number>> = { number: 10, small: 8, bytes: 8 };
/** And in arrays of 256. */
const RATE_TO_BATCH_MIN = 1;
/** The median round trip, as a part of that of `postMessage()`. */
const ROUND_TRIP_TO_ONE_MAX = 0.25;

function streamGates(rows: readonly StreamRow[]): Gate[] {
  return rows.flatMap((row) =>
    (['millrace', 'actors'] as const).flatMap((own) =>
      row.streams[own] === undefined ? [] : gatesOfStream(row, own),
    ),
  );
}

function gatesOfStream(row: StreamRow, own: Contender): Gate[] {
  const { kind, direction, streams } = row;
  const title = `${KIND_TITLES[kind]} ${direction}, ${TITLES[own]}: rate /`;
  const gates: Gate[] = [];
  const limit = RATE_TO_ONE_MIN[kind];
  if (streams.one !== undefined && limit !== undefined) {
    const value = rateRatio(row, 'one', own);
    gates.push({ claim: `${title} ${TITLES.one}`, value, limit, bound: 'at least' });
  }
  if (streams.batch !== undefined) {
    const value = rateRatio(row, 'batch', own);
    const claim = `${title} ${TITLES.batch}`;
    gates.push({ claim, value, limit: RATE_TO_BATCH_MIN, bound: 'at least' });
  }
  return gates;
}

function roundTripGates(rows: readonly RoundTripRow[]): Gate[] {
  return rows.flatMap((row): Gate[] => {
    if (row.pauseMs > 0 || row.trips.one === undefined) return [];
    const [own, post] = (['millrace', 'one'] as const).map((name) =>
      percentilesOf(row, name, 'p50Us'),
    );
    const claim = `round trip, ${row.title}: p50 / ${TITLES.one}`;
    const value = medianRatio(own, post);
    return [{ claim, value, limit: ROUND_TRIP_TO_ONE_MAX, bound: 'at most' }];
  });
}
