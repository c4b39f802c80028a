/**
 * What the channel contenders send and are asked for, on top of `protocol.ts`.
 *
 * The messages are made beforehand, so that making them is not what is
 * measured. The receiver adds up what it gets, in a way that depends on the
 * order, and looks at another byte or character in every message.
 */
import { readFileSync } from 'node:fs';

export const KINDS = ['number', 'small', 'nested', 'bytes', 'text'] as const;
export type Kind = (typeof KINDS)[number];

/** From a worker thread to the main one, or the other way. */
export const DIRECTIONS = ['to main', 'to worker'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Messages of one kind, as fast as they go, for about `ms`. */
export interface StreamRequest {
  readonly measure: 'stream';
  readonly kind: Kind;
  readonly direction: Direction;
  readonly ms: number;
}

export interface Stream {
  readonly count: number;
  readonly elapsedMs: number;
  /** CPU time of the two threads, in nanoseconds. */
  readonly senderNs: number;
  readonly receiverNs: number;
  /** Whether each message arrived, in its turn and with its content. */
  readonly isComplete: boolean;
}

/** Questions from the main thread, one at a time, for `ms`. */
export interface RoundTripRequest {
  readonly measure: 'roundTrip';
  readonly ms: number;
  /** Before each, for both sides to fall asleep; 0: at once. */
  readonly pauseMs: number;
}

export interface RoundTrips {
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export type ChannelRequest = StreamRequest | RoundTripRequest;

interface Small {
  readonly type: string;
  readonly term: number;
  readonly index: number;
}

interface Nested {
  readonly type: string;
  readonly from: number;
  readonly index: number;
  readonly entry: { readonly key: string; readonly value: number };
  readonly commit: boolean;
}

/** What streams consist of, over and over; a power of two. */
const POOL = 1024;

const BYTES = 64;
const TEXT_LENGTH = 20;

/** The `POOL` different messages of a kind. */
export function messagesOf(kind: Kind): readonly unknown[] {
  return Array.from({ length: POOL }, (_, index) => messageOf(kind, index));
}

/** The message that a stream has at this place. */
export function messageAt(messages: readonly unknown[], place: number): unknown {
  return messages[place & (POOL - 1)];
}

function messageOf(kind: Kind, index: number): unknown {
  const type = index % 8 === 0 ? 'heartbeat' : 'append';
  // Of every length that numbers have, fractions among them.
  const number = index % 16 === 0 ? index / 3 : index * index;
  if (kind === 'number') return number;
  if (kind === 'small') return { type, term: 7, index: number } satisfies Small;
  if (kind === 'bytes') return Uint8Array.from({ length: BYTES }, (_, at) => at * 7 + index);
  if (kind === 'text') return textOf(index);
  const entry = { key: `key ${index % 100}`, value: number };
  return { type, from: index % 5, index, entry, commit: index % 2 === 0 } satisfies Nested;
}

/** Of small letters, all of them others than those of the text before. */
function textOf(index: number): string {
  const codes = Array.from({ length: TEXT_LENGTH }, (_, at) => 97 + ((at * 3 + index * 5) % 26));
  return String.fromCharCode(...codes);
}

/** A sum over messages of a kind. */
export interface Tally {
  count: number;
  sum: number;
  add(message: unknown): void;
}

export function tallyOf(kind: Kind): Tally {
  return new TALLIES[kind]();
}

/** What the first `count` messages of a stream add up to. */
export function sumOf(kind: Kind, count: number): number {
  const messages = messagesOf(kind);
  const tally = tallyOf(kind);
  for (let place = 0; place < count; place++) tally.add(messageAt(messages, place));
  return tally.sum;
}

/** Depends on the order. */
function mixed(sum: number, value: number): number {
  return (Math.imul(sum, 31) + value) | 0;
}

/** The engine makes better code for classes of their own than for one with a parameter. */
const TALLIES: Record<Kind, new () => Tally> = {
  number: class {
    count = 0;
    sum = 0;
    add(message: number): void {
      this.count += 1;
      this.sum = mixed(this.sum, message * 3);
    }
  },
  small: class {
    count = 0;
    sum = 0;
    add({ type, term, index }: Small): void {
      this.count += 1;
      this.sum = mixed(this.sum, type.length + term + index * 3);
    }
  },
  nested: class {
    count = 0;
    sum = 0;
    add({ type, from, index, entry, commit }: Nested): void {
      const { key, value } = entry;
      this.count += 1;
      const own = type.length + from + index + (commit ? 1 : 0);
      this.sum = mixed(this.sum, own + key.charCodeAt(key.length - 1) + value * 3);
    }
  },
  bytes: class {
    count = 0;
    sum = 0;
    add(message: Uint8Array): void {
      const byte = message[this.count & (BYTES - 1)] ?? -1;
      this.count += 1;
      this.sum = mixed(this.sum, message.length + byte);
    }
  },
  text: class {
    count = 0;
    sum = 0;
    add(message: string): void {
      const code = message.charCodeAt(this.count % TEXT_LENGTH);
      this.count += 1;
      this.sum = mixed(this.sum, message.length + code);
    }
  },
};

/** The same clock on all threads. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** CPU time of this thread in nanoseconds. A moment of sleep brings it up to date. */
export function threadCpuNs(): number {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ', 1)[0]);
}
