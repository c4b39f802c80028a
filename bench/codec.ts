/**
 * The codec of the channels against structuredClone, v8.serialize and JSON: the
 * CPU time to write one message and to read it again, on one thread.
 *
 * The contenders share a process, since they share an engine: what a message
 * costs depends on its objects, which are the same for all. Rounds are
 * interleaved after a warm-up, and the fastest round counts; the others were
 * disturbed, as nothing makes a loop faster than it is.
 */
import { deserialize, serialize } from 'node:v8';
import { Decoder } from '../src/channel/codec/decoder.js';
import { Encoder } from '../src/channel/codec/encoder.js';
import { Memory } from '../src/channel/codec/memory.js';
import type { Benchmark, Gate, OptionValues, Outcome } from './harness/benchmark.js';
import { extentOf } from './harness/options.js';
import { formatNumber, formatTable } from './harness/table.js';

const MEMORY_BYTES = 1 << 20;

/** Messages between two looks at the clock. */
const BATCH = 1000;

interface Message {
  readonly title: string;
  readonly value: unknown;
  /** JSON makes something else of it. */
  readonly isJson: boolean;
  /** Nanoseconds that either way may take; none is promised for the others. */
  readonly limitNs?: number;
}

const MESSAGES: readonly Message[] = [
  { title: 'a small number', value: 42, isJson: true, limitNs: 8 },
  { title: 'a fraction', value: 1000.5, isJson: true, limitNs: 8 },
  {
    title: '{type, term, index}',
    value: { type: 'appendEntries', term: 3, index: 42 },
    isJson: true,
    limitNs: 50,
  },
  {
    title: '5 fields, 2 objects',
    value: {
      id: 17,
      kind: 'entry',
      term: 1234,
      ok: true,
      entries: [
        { at: 1, by: 'x' },
        { at: 2, by: 'y' },
      ],
    },
    isJson: true,
    limitNs: 300,
  },
  { title: 'Uint8Array(64)', value: new Uint8Array(64), isJson: false, limitNs: 60 },
  { title: '13 characters', value: 'appendEntries', isJson: true },
  { title: '1,000 characters', value: 'x'.repeat(1000), isJson: true },
  {
    title: '100 fractions',
    value: Array.from({ length: 100 }, (_, index) => index + 0.5),
    isJson: true,
  },
  {
    title: 'Map of 3',
    value: new Map([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]),
    isJson: false,
  },
  { title: 'Error', value: new Error('message'), isJson: false },
];

const CONTENDERS = ['codec', 'v8.serialize', 'JSON', 'structuredClone'] as const;
type ContenderName = (typeof CONTENDERS)[number];

/** Each takes so many messages one way. What structuredClone does is both ways in one. */
interface Contender {
  write(count: number): void;
  read(count: number): void;
}

/** Nanoseconds per message. */
interface Times {
  write: number;
  read: number;
}

interface Row {
  readonly message: Message;
  readonly times: Partial<Record<ContenderName, Times>>;
}

export const benchmark: Benchmark = {
  summary: 'the codec of channels against structuredClone, v8.serialize and JSON',
  options: {
    rounds: { type: 'string', default: '15' },
    ms: { type: 'string', default: '20' },
  },
  run,
};

function run(values: OptionValues): Promise<Outcome> {
  const { rounds, ms } = extentOf(values);
  const rows = MESSAGES.map((message) => measure(message, rounds, ms));
  console.log(format(rows));
  return Promise.resolve({ gates: rows.flatMap(gatesOf), failures: [], data: rows });
}

function measure(message: Message, rounds: number, ms: number): Row {
  const times: Row['times'] = {};
  const contenders = contendersFor(message);
  for (let round = -1; round < rounds; round++) {
    for (const [name, contender] of contenders) {
      const write = timePerCall((count) => contender.write(count), ms);
      const read = timePerCall((count) => contender.read(count), ms);
      // The first round is the warm-up.
      if (round < 0) continue;
      const best = (times[name] ??= { write, read });
      best.write = Math.min(best.write, write);
      best.read = Math.min(best.read, read);
    }
  }
  return { message, times };
}

function timePerCall(action: (count: number) => void, ms: number): number {
  const start = cpuMs();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < ms) {
    action(BATCH);
    count += BATCH;
    elapsedMs = cpuMs() - start;
  }
  return (elapsedMs * 1e6) / count;
}

/** Of this process, with what its collector of garbage takes: others do not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function contendersFor({ value, isJson }: Message): [ContenderName, Contender][] {
  const all: [ContenderName, Contender][] = [
    ['codec', codec(value)],
    ['v8.serialize', v8(value)],
    ['structuredClone', clone(value)],
  ];
  if (isJson) all.push(['JSON', json(value)]);
  return all;
}

function codec(value: unknown): Contender {
  const memory = new Memory(new SharedArrayBuffer(MEMORY_BYTES));
  const encoder = new Encoder();
  const decoder = new Decoder();
  // Until all that is worth remembering is remembered.
  for (let time = 0; time < 4; time++) {
    encoder.encode(memory, 0, value);
    encoder.commit();
    decoder.decode(memory, 0);
  }
  return {
    write(count) {
      for (let index = 0; index < count; index++) {
        encoder.encode(memory, 0, value);
        encoder.commit();
      }
    },
    read(count) {
      for (let index = 0; index < count; index++) decoder.decode(memory, 0);
    },
  };
}

function v8(value: unknown): Contender {
  const bytes = serialize(value);
  return {
    write(count) {
      for (let index = 0; index < count; index++) serialize(value);
    },
    read(count) {
      for (let index = 0; index < count; index++) deserialize(bytes);
    },
  };
}

function json(value: unknown): Contender {
  const text = JSON.stringify(value);
  return {
    write(count) {
      for (let index = 0; index < count; index++) JSON.stringify(value);
    },
    read(count) {
      for (let index = 0; index < count; index++) JSON.parse(text);
    },
  };
}

function clone(value: unknown): Contender {
  return {
    write(count) {
      for (let index = 0; index < count; index++) structuredClone(value);
    },
    read() {
      // The clone is there already.
    },
  };
}

function format(rows: readonly Row[]): string {
  const head = ['ns per message', 'write', 'read', 'v8 write', 'v8 read'];
  const more = ['JSON write', 'JSON read', 'clone', 'x clone'];
  return formatTable(
    [...head, ...more],
    rows.map(({ message, times }) => {
      const { codec: own, 'v8.serialize': other, JSON: text, structuredClone: whole } = times;
      const both = (own?.write ?? Number.NaN) + (own?.read ?? Number.NaN);
      const cells = [own?.write, own?.read, other?.write, other?.read, text?.write, text?.read];
      const figures = [...cells, whole?.write, (whole?.write ?? Number.NaN) / both];
      return [message.title, ...figures.map((figure) => formatNumber(figure ?? Number.NaN))];
    }),
  );
}

function gatesOf({ message: { title, limitNs }, times: { codec: own } }: Row): Gate[] {
  if (limitNs === undefined) return [];
  return (['write', 'read'] as const).map((way) => ({
    claim: `ns to ${way} ${title}`,
    value: own?.[way] ?? Number.NaN,
    limit: limitNs,
    bound: 'at most',
  }));
}
