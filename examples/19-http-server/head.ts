/**
 * The head of a request, line by line, as RFC 9112 has it. What its grammar
 * does not allow is refused, never repaired: two programs that repair
 * differently see two different requests, which is how requests are smuggled.
 */
import { HttpError } from './http-error.js';

/** How the end of a body is found: by its length, or by the chunk of no bytes. */
export type Framing = { kind: 'sized'; bytes: number } | { kind: 'chunked' };

export interface Head {
  readonly method: string;
  /** As it was sent, '/path?query' mostly. */
  readonly target: string;
  /** HTTP/1.0 or HTTP/1.1; later minor versions count as 1.1. */
  readonly minorVersion: 0 | 1;
  readonly fields: Fields;
}

/** The fields of a head, by names in lower case. They are few: a list is faster than a map. */
export class Fields {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  /** Undefined if there is none; of one that is repeated, the values joined by ', '. */
  get(name: string): string | undefined {
    const index = this.#names.indexOf(name);
    return index < 0 ? undefined : this.#values[index];
  }

  add(name: string, value: string): void {
    const index = this.#names.indexOf(name);
    if (index >= 0) {
      this.#values[index] += `, ${value}`;
      return;
    }
    this.#names.push(name);
    this.#values.push(value);
  }
}

/** RFC 9110, 5.6.2. */
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/(\\d)\\.(\\d)$`);
/** No space before the colon, and no line that continues the one before it. */
const FIELD_LINE = new RegExp(`^(${TOKEN}):([\\t\\x20-\\x7e\\x80-\\xff]*)$`);

/** Fields of which a second one would change where a request goes, or where it ends. */
const SINGLE = new Set(['content-length', 'host', 'transfer-encoding']);

/** 2^53 - 1 has 16 digits. */
const LENGTH = /^\d{1,15}$/;

export function parseRequestLine(line: string): Head {
  const [, method, target, major, minor] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined) throw new HttpError(400, 'malformed request line');
  if (major !== '1') throw new HttpError(505, 'only HTTP/1 is spoken here');
  return { method, target, minorVersion: minor === '0' ? 0 : 1, fields: new Fields() };
}

export function addField(fields: Fields, line: string): void {
  const [, name, value] = FIELD_LINE.exec(line) ?? [];
  if (name === undefined) throw new HttpError(400, 'malformed field line');
  const key = name.toLowerCase();
  if (SINGLE.has(key) && fields.get(key) !== undefined) throw new HttpError(400, `repeated ${key}`);
  fields.add(key, withoutOuterSpace(value));
}

/** Where the body ends, once all fields are there. RFC 9112, 6.1 to 6.3. */
export function framingOf({ fields, minorVersion }: Head): Framing {
  if (minorVersion === 1 && fields.get('host') === undefined) throw new HttpError(400, 'no host');
  const length = fields.get('content-length');
  const coding = fields.get('transfer-encoding');
  if (coding === undefined) return { kind: 'sized', bytes: parseLength(length ?? '0') };
  // Either of these is how requests are smuggled past those who prefer the other one.
  if (length !== undefined) throw new HttpError(400, 'both length and transfer coding');
  if (minorVersion === 0) throw new HttpError(400, 'transfer coding in HTTP/1.0');
  if (coding.toLowerCase() !== 'chunked') throw new HttpError(501, 'unknown transfer coding');
  return { kind: 'chunked' };
}

/** Whether the connection goes on after this request. RFC 9112, 9.3. */
export function persists({ fields, minorVersion }: Head): boolean {
  const connection = fields.get('connection');
  if (connection === undefined) return minorVersion === 1;
  const options = connection.toLowerCase().split(',').map(withoutOuterSpace);
  if (options.includes('close')) return false;
  return minorVersion === 1 || options.includes('keep-alive');
}

function parseLength(text: string): number {
  if (!LENGTH.test(text)) throw new HttpError(400, 'malformed content-length');
  return Number(text);
}

/** Spaces and tabs only: `trim()` would take more, among it bytes that are part of a value. */
function withoutOuterSpace(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
