/** The routes of the example's HTTP server on node:http, and clients that say what they like. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Fields } from '../../examples/19-http-server/head.js';
import { isInParts } from '../../examples/19-http-server/response.js';
import { route } from '../../examples/19-http-server/routes.js';
import { below } from './framing.js';
import type { Random } from './random.js';

/** Longer than any answer takes on a busy machine; less than a test may. */
const ANSWER_MS = 8000;

export interface Answer {
  status: number;
  fields: Record<string, string>;
  body: string;
}

/** What servers are free to say or not. */
const FREE = ['connection', 'date', 'keep-alive'];

export async function referenceServer(): Promise<Server> {
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const fields = new Fields();
  for (const [name, value] of Object.entries(request.headers)) fields.add(name, String(value));
  const {
    status,
    type,
    fields: more,
    body = '',
  } = await route({
    method: request.method!,
    target: request.url!,
    minorVersion: request.httpVersionMinor === 0 ? 0 : 1,
    fields,
    isPersistent: true,
    isChunked: request.headers['transfer-encoding'] !== undefined,
    body: Buffer.concat(await request.toArray()),
  });
  if (type !== undefined) response.setHeader('Content-Type', type);
  if (!isInParts(body)) response.setHeader('Content-Length', Buffer.byteLength(body));
  response.writeHead(status, { ...more });
  if (!isInParts(body)) response.end(body);
  else {
    for (const part of body) response.write(part);
    response.end();
  }
}

/**
 * Sends the pieces, each in a write of its own, and returns all that comes until
 * the server closes; `isEnding` closes this half behind the last piece.
 */
export async function exchange(
  port: number,
  pieces: readonly (string | Buffer)[],
  { isEnding = false } = {},
): Promise<string> {
  const client = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  client.setEncoding('latin1');
  const timer = setTimeout(() => client.destroy(new Error('no end')), ANSWER_MS);
  let answer = '';
  client.on('data', (text: string) => (answer += text));
  // Of a server that refuses, no more than the answer matters.
  client.on('error', () => {});
  for (const piece of pieces) {
    client.write(piece, 'latin1');
    await new Promise(setImmediate);
  }
  if (isEnding) client.end();
  await once(client, 'end').catch(() => {});
  clearTimeout(timer);
  client.destroy();
  if (client.errored?.message === 'no end') throw new Error(`the server did not close: ${answer}`);
  return answer;
}

/** The answers in what a server sent; `isHead` for those to HEAD, which have no body. */
export function answersOf(text: string, isHead: readonly boolean[] = []): Answer[] {
  const answers: Answer[] = [];
  let rest = text;
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd < 0) throw new Error(`no head: ${rest}`);
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    const fields = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
      }),
    );
    rest = rest.slice(headEnd + 4);
    const isBare = status < 200 || isHead[answers.filter(({ status: s }) => s >= 200).length];
    const [body, after] = isBare ? ['', rest] : bodyOf(fields, rest);
    rest = after;
    for (const name of FREE) delete fields[name];
    answers.push({ status, fields, body });
  }
  return answers;
}

/** The body at the beginning of `text`, and what stands behind it. */
function bodyOf(fields: Record<string, string>, text: string): [string, string] {
  const length = fields['content-length'];
  if (length !== undefined) {
    if (text.length < Number(length)) throw new Error(`short body: ${text.length} of ${length}`);
    return [text.slice(0, Number(length)), text.slice(Number(length))];
  }
  if (fields['transfer-encoding'] !== 'chunked') return [text, ''];
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (lineEnd < 0 || Number.isNaN(size)) throw new Error('the last chunk is missing');
    const end = lineEnd + 2 + size;
    if (size === 0) return [parts.join(''), text.slice(end + 2)];
    parts.push(text.slice(lineEnd + 2, end));
    at = end + 2;
  }
}

/** What means something in a request. */
const MEANINGFUL = [...Buffer.from('\r\n \t:,;0123456789a\0\x80', 'latin1')];

/** A few bytes changed, left out, doubled or put in, mostly of those that mean something. */
export function damaged(stream: string, numbers: Random): Buffer {
  const bytes = [...Buffer.from(stream, 'latin1')];
  for (let count = 1 + below(numbers, 3); count > 0; count--) {
    const at = below(numbers, bytes.length);
    const other = MEANINGFUL[below(numbers, MEANINGFUL.length)];
    const kind = below(numbers, 4);
    if (kind === 0) bytes[at] = other;
    else if (kind === 1) bytes.splice(at, 1);
    else bytes.splice(at, 0, kind === 2 ? bytes[at] : other);
  }
  return Buffer.from(bytes);
}
