/**
 * Wrong arguments to `millrace/net`, as `bad-input.test.ts` has it for
 * `millrace`: whatever a program passes, it gets a legal result or an error of
 * ours, with a code. What is exported and has no row fails the test.
 */
import { expect } from 'chai';
import { ActorSystem, EventLoop, MillraceError, UdpSocket } from '../../src/index.js';
import * as net from '../../src/net/index.js';
import {
  type ConnectionHandle,
  ConnectionSender,
  encodeFrame,
  encodeLine,
  LengthPrefixedDecoder,
  LineDecoder,
  TcpClient,
  type TcpClientConfig,
  TcpServer,
} from '../../src/net/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { closingAfterEach, type Own } from '../support/sockets.js';
import { rejectionOf, thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const LOCAL = '127.0.0.1:0';
const QUIET = { onData: () => undefined };

/** Arguments that are right, made anew for each call. */
type Row = (own: Own) => unknown[];

interface Subject {
  construct: Row;
  open: (own: Own) => object;
  members: Record<string, Row>;
}

const NOTHING: Row = () => [];
const loopOf = (own: Own) => own(new EventLoop());

/** Of a connection that there never was. */
function handleOf(own: Own): ConnectionHandle {
  const loop = loopOf(own).channel().transfer();
  return { millrace: 'connection', loop, guest: 1, id: 1, gate: new SharedArrayBuffer(12) };
}

/** A decoder that has begun to read something. */
function begun<D extends { push(chunk: Uint8Array): void }>(decoder: D): D {
  decoder.push(Uint8Array.of(0));
  return decoder;
}

const decoderMembers: Record<string, Row> = {
  push: () => [Uint8Array.of(0, 0, 1)],
  end: NOTHING,
  reset: NOTHING,
  bufferedBytes: NOTHING,
};

/** What is not for users: a part of the source, and not of its declarations. */
const INTERNAL = new Set([
  ...['take', 'takeEnd', 'forget', 'hold', 'release', 'fail', 'heldBytes'],
  'transferHandle',
]);

const FUNCTIONS: Record<string, Row> = {
  encodeFrame: () => ['payload', { headerBytes: 2 }],
  encodeLine: () => ['line'],
};

const SUBJECTS: Record<string, Subject> = {
  TcpServer: {
    construct: (own) => [loopOf(own), { address: LOCAL }, QUIET],
    open: (own) => {
      const server = new TcpServer(loopOf(own), { address: LOCAL }, QUIET);
      own({ close: () => server.stop() });
      return server;
    },
    members: {
      localAddress: NOTHING,
      connectionCount: NOTHING,
      metrics: NOTHING,
      isListening: NOTHING,
      listen: NOTHING,
      stop: () => [{ timeoutMs: 1 }],
      'Symbol.asyncDispose': NOTHING,
      sendTo: () => [1, 'data'],
      broadcast: () => ['data', { except: 1 }],
      closeConnection: () => [1],
      pauseReads: () => [1],
      resumeReads: () => [1],
      connection: () => [1],
      sender: () => [1],
    },
  },
  ConnectionSender: {
    construct: (own) => [handleOf(own)],
    open: (own) => ConnectionSender.from(handleOf(own)),
    members: {
      id: NOTHING,
      closed: NOTHING,
      send: () => ['data'],
      transfer: NOTHING,
    },
  },
  TcpClient: {
    construct: (own) => [loopOf(own), { address: '127.0.0.1:1' }, QUIET],
    open: (own) => own(new TcpClient(loopOf(own), { address: '127.0.0.1:1' }, QUIET)),
    members: {
      state: NOTHING,
      connection: NOTHING,
      metrics: NOTHING,
      connect: NOTHING,
      send: () => ['data'],
      pauseReads: NOTHING,
      resumeReads: NOTHING,
      close: NOTHING,
      'Symbol.dispose': NOTHING,
    },
  },
  LengthPrefixedDecoder: {
    construct: () => [{ headerBytes: 2 }, () => {}],
    open: () => begun(new LengthPrefixedDecoder({}, () => {})),
    members: decoderMembers,
  },
  LineDecoder: {
    construct: () => [{ encoding: 'bytes' }, () => {}],
    open: () => begun(new LineDecoder({}, () => {})),
    members: decoderMembers,
  },
};

function wrongValues(own: Own): unknown[] {
  const detached = new Uint8Array(8);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  return [
    ...[undefined, null, 0, -1, 1.5, 2 ** 53, NaN, Infinity, '', 'text', ':99999', true],
    ...[Symbol('s'), 1n, () => 1, Object, {}, [], [1], Object.create(null), new Map(), /x/],
    ...[new Error('e'), new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), new Uint16Array(4)],
    ...[new Uint8Array(0), new Uint8Array(new SharedArrayBuffer(8)), detached, [detached]],
    ...[{ except: 0 }, { unknown: 1 }, { timeoutMs: -1 }, { timeoutMs: 'x' }, { address: 7 }],
    ...[
      { address: { path: 7 } },
      { address: { path: '' } },
      { address: { host: 'name', port: 1 } },
    ],
    ...[{ onData: 7 }, { onData: () => 1, onConnect: 7 }, new Proxy({}, {})],
    ...[own(UdpSocket.bind(LOCAL)), loopOf(own)],
  ];
}

async function attempt(what: string, action: () => unknown): Promise<void> {
  try {
    await action();
  } catch (error) {
    expect(error, what).to.be.instanceOf(Error);
    expect((error as { code?: unknown }).code, `${what}: ${String(error)}`).to.be.a('string');
    const isOurs =
      error instanceof TypeError || error instanceof RangeError || error instanceof MillraceError;
    expect(isOurs || 'syscall' in (error as object), `${what}: ${String(error)}`).to.equal(true);
  }
}

/** Each argument in turn takes each wrong value. */
async function tryAll(
  what: string,
  row: Row,
  own: Own,
  call: (args: unknown[]) => unknown,
): Promise<void> {
  const count = row(own).length;
  await attempt(what, () => call(row(own)));
  for (let at = 0; at < Math.max(count, 1); at++) {
    for (const [index, wrong] of wrongValues(own).entries()) {
      const args = row(own);
      args[at] = wrong;
      await attempt(`${what}, argument ${at}, value ${index}`, () => call(args));
    }
  }
}

function nameOf(key: string | symbol): string {
  if (key === Symbol.dispose) return 'Symbol.dispose';
  if (key === Symbol.asyncDispose) return 'Symbol.asyncDispose';
  return String(key);
}

/** Own members and inherited ones, but for those of every object. */
function membersOf(prototype: object): Map<string, PropertyDescriptor> {
  if (prototype === Object.prototype) return new Map();
  const inherited = membersOf(Object.getPrototypeOf(prototype) as object);
  const own = Reflect.ownKeys(prototype)
    .filter((key) => key !== 'constructor' && !INTERNAL.has(nameOf(key)))
    .map((key) => [nameOf(key), Object.getOwnPropertyDescriptor(prototype, key)!] as const);
  return new Map([...inherited, ...own]);
}

describe('bad input to millrace/net', () => {
  const own = closingAfterEach();
  const classes = Object.entries(net).filter(([name]) => !Object.hasOwn(FUNCTIONS, name));

  it('every export has a row, and every row an export', () => {
    const rows = [...Object.keys(SUBJECTS), ...Object.keys(FUNCTIONS)];
    expect(Object.keys(net)).to.have.members(rows);
    for (const [name, exported] of classes) {
      const members = [...membersOf(exported.prototype as object).keys()];
      expect(members, name).to.have.members(Object.keys(SUBJECTS[name].members));
    }
  });

  for (const encode of [encodeFrame, encodeLine]) {
    it(encode.name, async () => {
      const call = encode as (...args: unknown[]) => unknown;
      await tryAll(encode.name, FUNCTIONS[encode.name], own, (args) => call(...args));
    });
  }

  for (const [name, exported] of classes) {
    const { construct, open, members } = SUBJECTS[name];
    const Class = exported as unknown as new (...args: unknown[]) => object;

    it(`new ${name}`, async () => {
      await tryAll(`new ${name}`, construct, own, (args) => void new Class(...args));
    });

    for (const [key, row] of Object.entries(members)) {
      it(`${name} ${key}`, async () => {
        const descriptor = membersOf(Class.prototype as object).get(key)!;
        const member = (descriptor.get ?? descriptor.value) as (...args: unknown[]) => unknown;
        await tryAll(`${name} ${key}`, row, own, (args) => member.apply(open(own), args));
      });
    }
  }

  it('the limits of each option, both sides', () => {
    const limits: [keyof TcpClientConfig | 'maxConnections', number, number][] = [
      ['bufferSizeBytes', 1, 2 ** 20],
      ['maxConnections', 1, Infinity],
      ['keepAliveMs', 0, 32_767_000],
      ['idleTimeoutMs', 0, 1e15],
      ['highWaterMarkBytes', 0, Number.MAX_SAFE_INTEGER],
      ['connectTimeoutMs', 0, 1e15],
    ];
    for (const [option, min, max] of limits) {
      const make = (value: number) => {
        const config = { address: LOCAL, [option]: value };
        if (option === 'maxConnections') return new TcpServer(loopOf(own), config, QUIET);
        return new TcpClient(loopOf(own), config, QUIET);
      };
      for (const value of [min, max]) make(value);
      for (const value of [min - 1, NaN, -Infinity]) {
        expect(() => make(value), `${option} ${value}`).to.throw(RangeError);
      }
    }
  });

  it('a server on shards: its module, and the options for it', async () => {
    const system = await ActorSystem.start({ shards: 0 });
    own({ close: () => void system.stop() });
    const module = new URL('data:text/javascript,');
    const make = (url: unknown, options?: unknown) =>
      new TcpServer(system, { address: LOCAL }, url as URL, options as object);
    make(module);
    make(module, { export: 'Echo', args: [1] });
    const refused: [unknown, unknown, string][] = [
      [QUIET, {}, 'ERR_INVALID_ARG_TYPE'],
      [module.href, {}, 'ERR_INVALID_ARG_TYPE'],
      [undefined, undefined, 'ERR_INVALID_ARG_TYPE'],
      [module, 1, 'ERR_INVALID_ARG_TYPE'],
      [module, { exports: 'Echo' }, 'ERR_UNKNOWN_OPTION'],
      [module, { export: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [module, { export: '' }, 'ERR_INVALID_ARG_VALUE'],
      [module, { args: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [url, options, code] of refused) {
      expect(thrownBy(() => make(url, options)).code, code).to.equal(code);
    }
    await system.stop();
    const late = await rejectionOf(make(module).listen());
    expect(late.code).to.equal('ERR_SYSTEM_STOPPED');
  });

  it('the reconnect options, one by one and together', () => {
    const make = (reconnect: object) =>
      new TcpClient(loopOf(own), { address: LOCAL, reconnect }, QUIET);
    make({});
    make({ backoffMs: 1, backoffMaxMs: 1, maxAttempts: Infinity });
    make({ backoffMs: 100_000 });
    for (const reconnect of [
      { backoffMs: 0 },
      { maxAttempts: 0 },
      { backoffMs: 2, backoffMaxMs: 1 },
    ]) {
      expect(() => make(reconnect), JSON.stringify(reconnect)).to.throw(RangeError);
    }
    expect(thrownBy(() => make({ backOffMs: 1 })).message).to.include('use backoffMs');
  });
});
