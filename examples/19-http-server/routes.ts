/** What this server serves. */
import { readFile } from 'node:fs/promises';
import type { Request } from './request-parser.js';
import { errorPage, json, type Response, text } from './response.js';

type Route = (request: Request) => Response | Promise<Response>;

const PART_BYTES = 64 * 1024;
const PARTS = 256;

/** By path, then by method. */
const ROUTES = new Map<string, Readonly<Record<string, Route>>>([
  ['/', { GET: () => text('Hello from Millrace\n') }],
  ['/json', { GET: () => json({ message: 'Hello from Millrace' }) }],
  ['/echo', { POST: echo }],
  // 16 MiB, of which no more is in memory than the client's connection holds.
  ['/large', { GET: () => ({ status: 200, type: 'application/octet-stream', body: largeBody() }) }],
  // Takes a while: other connections are served meanwhile, later requests of this one wait.
  ['/source', { GET: async () => text(await readFile(new URL(import.meta.url), 'utf8')) }],
]);

export function route(request: Request): Response | Promise<Response> {
  const routes = ROUTES.get(pathOf(request.target));
  if (routes === undefined) return errorPage(404);
  // An answer to HEAD is one to GET, of which the body is not sent.
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (Object.hasOwn(routes, method)) return routes[method](request);
  const known = Object.keys(routes);
  const allowed = known.includes('GET') ? [...known, 'HEAD'] : known;
  return errorPage(405, { Allow: allowed.join(', ') });
}

/** Back as it came: by its length or in chunks. */
function echo({ body, isChunked, fields }: Request): Response {
  const type = fields.get('content-type') ?? 'application/octet-stream';
  return { status: 200, type, body: isChunked ? [body] : body };
}

function* largeBody(): Generator<Uint8Array> {
  for (let part = 0; part < PARTS; part++) yield new Uint8Array(PART_BYTES).fill(97 + (part % 26));
}

/** Of '/path?query' or 'http://host/path?query'. */
function pathOf(target: string): string {
  const path = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '');
  const query = path.indexOf('?');
  const end = query < 0 ? path.length : query;
  return end === 0 ? '/' : path.slice(0, end);
}
