/** Arguments that nobody should pass. */
import { EventLoop, UdpSocket } from '../../src/index.js';
import type { Own } from './sockets.js';

const LOCAL = '127.0.0.1:0';

/** Wrong almost everywhere, and where not, harmless. */
export function wrongValues(own: Own): unknown[] {
  const elsewhere = own(new EventLoop());
  const registered = own(UdpSocket.bind(LOCAL));
  elsewhere.register(registered, 1);
  const closed = UdpSocket.bind(LOCAL);
  closed.close();
  const detached = new Uint8Array(8);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const lookalike = { handle: registered.handle, registration: null, closed: false, close() {} };
  return [
    undefined,
    null,
    0,
    -0,
    1,
    -1,
    1.5,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -(2 ** 53),
    1e300,
    NaN,
    Infinity,
    -Infinity,
    '',
    'text',
    '1',
    ':99999',
    true,
    false,
    Symbol('s'),
    1n,
    () => 1,
    Object,
    {},
    [],
    [1],
    Object.create(null),
    new Date(),
    new Map(),
    /x/,
    new Error('e'),
    Promise.resolve(),
    new ArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    new Uint16Array(4),
    new Uint8Array(0),
    new Uint8Array(new SharedArrayBuffer(8)),
    detached,
    [detached],
    [null],
    { length: 1 },
    { host: 'localhost', port: 1 },
    { host: '::1', port: 70_000 },
    { backlog: 'x' },
    { signal: 1 },
    { driver: {} },
    { poller: 'elsewhere' },
    { unknown: 1 },
    lookalike,
    registered,
    new Proxy(registered, {}),
    closed,
    elsewhere.timeout('foreign', 1000),
    elsewhere,
    { place: -1, wheel: {} },
    AbortSignal.abort(new RangeError('x')),
  ];
}
