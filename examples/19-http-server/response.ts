/** Answers, and how they are written. */
import { STATUS_CODES } from 'node:http';
import type { Request } from './request-parser.js';

/** A body whose length is not known in advance, in parts, asked for as the client takes them. */
export type Parts = Iterable<Uint8Array>;

export interface Response {
  status: number;
  /** Of the body: 'text/plain' and the like. */
  type?: string;
  fields?: Readonly<Record<string, string>>;
  body?: string | Uint8Array | Parts;
}

/** An answer whose body is at hand. */
export interface TextResponse extends Response {
  body: string;
}

export function text(body: string, status = 200): TextResponse {
  return { status, type: 'text/plain; charset=utf-8', body };
}

export function json(value: unknown, status = 200): TextResponse {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}

/** In plain words, for what has gone wrong. */
export function errorPage(status: number, fields?: Response['fields']): TextResponse {
  const page = text(`${status} ${STATUS_CODES[status]}\n`, status);
  return fields === undefined ? page : { ...page, fields };
}

export const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const CRLF = Buffer.from('\r\n');
/** The chunk of no bytes, and no trailer. */
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** A body in parts: its length is not known. */
export function isInParts(body: Response['body']): body is Parts {
  return typeof body === 'object' && !(body instanceof Uint8Array);
}

/** Status line and fields, and the empty line behind them. */
export function headOf(
  { status, type, fields, body = '' }: Response,
  { minorVersion, isPersistent }: Pick<Request, 'minorVersion' | 'isPersistent'>,
): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nDate: ${date()}\r\n`;
  if (type !== undefined) head += `Content-Type: ${type}\r\n`;
  for (const name in fields) head += `${name}: ${fields[name]}\r\n`;
  if (!isInParts(body)) head += `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  else if (minorVersion === 1) head += 'Transfer-Encoding: chunked\r\n';
  // Said where it is not what the version of HTTP implies.
  if (!isPersistent) head += 'Connection: close\r\n';
  else if (minorVersion === 0) head += 'Connection: keep-alive\r\n';
  return `${head}\r\n`;
}

/** Each part as a chunk. One of no bytes would be the end, and is left out. */
export function* chunked(parts: Parts): Generator<Uint8Array> {
  for (const part of parts) {
    const size = Buffer.from(`${part.length.toString(16)}\r\n`);
    if (part.length > 0) yield Buffer.concat([size, part, CRLF]);
  }
  yield LAST_CHUNK;
}

let dateText = '';
let dateSecond = 0;

/** As RFC 9110, 5.6.7 writes it; made once a second. */
function date(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}
