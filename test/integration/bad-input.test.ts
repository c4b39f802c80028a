/**
 * Wrong arguments, closed objects, foreign objects.
 *
 * Goal: whatever a program passes, it gets a legal result or an error of ours
 * or of the system, with a code, and never a crash or a bare TypeError from
 * the depths.
 *
 * Method: a table with one row for each constructor, method and accessor of
 * each export, with arguments that are right. Each argument in turn takes each
 * of the wrong values, on an object that is open and on one that was closed.
 * What is exported and has no row fails the test.
 */
import { openSync } from 'node:fs';
import type { ResourceLimits } from 'node:worker_threads';
import { expect } from 'chai';
import * as millrace from '../../src/index.js';
import {
  ActorSystem,
  ComputePool,
  DatagramBatch,
  ERROR_CODES,
  EventLoop,
  EventSet,
  FdSource,
  Handler,
  Interest,
  MillraceError,
  ObjectPool,
  Poll,
  PollOpt,
  PipeReader,
  PipeWriter,
  pipe,
  ReadHint,
  RingBuf,
  Slab,
  Source,
  TaskPriority,
  TcpListener,
  TcpStream,
  UdpSocket,
  UnixDatagram,
  UnixListener,
  UnixStream,
} from '../../src/index.js';
import { withFakeThreads } from '../support/fake-inlet.js';
import { inFlight } from '../support/flights.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { acceptFrom, bytes, closingAfterEach, type Own, tcpPair } from '../support/sockets.js';
import { rejectionOf, type Thrown, thrownBy } from '../support/thrown.js';
import { Paths, unixStreams } from '../support/unix.js';
import { wrongValues } from '../support/wrong-values.js';

leavesNothingBehind();

const LOCAL = '127.0.0.1:0';

type Member = (this: unknown, ...args: unknown[]) => unknown;

interface Row {
  /** Arguments that are right, made anew for each call. */
  args?: (own: Own) => unknown[];
  /** Of the wrong values those that are right here, and would do harm. */
  harmful?: (wrong: unknown) => boolean;
  /** What the object needs so that a call with these arguments returns. */
  prepare?: (object: never, own: Own) => void;
}

interface Subject {
  /** An object of the class; null where users get none. */
  open: ((own: Own) => object | Promise<object>) | null;
  /** Absent where `new` is not for users, who must then be told. */
  construct?: Row;
  statics?: Record<string, Row>;
  /** Methods and accessors, by name; symbols by their description. */
  members: Record<string, Row>;
}

const NOTHING: Row = {};
/** Values that anybody may make, because nothing comes of it. */
const HARMLESS: Row = { args: () => [1, 2, 3, 4] };

/** With a message waiting, no way to run a loop goes to sleep. */
const runnable = (loop: EventLoop<string>) => {
  if (!loop.closed) loop.channel().send('m');
  loop.shutdown();
};

const registration = (own: Own) => [own(UdpSocket.bind(LOCAL)), 1, Interest.ALL, PollOpt.EDGE];
const buffer = () => [bytes('buffer')];

/** Where a Unix socket may be bound; removed with the test. */
const unixPath = (own: Own) => own(new Paths()).next();

/** The wrong values that are names of files, and would come to stand in the working directory. */
const isText = (wrong: unknown) => ['text', '1', ':99999'].includes(wrong as string);

/** Whatever has no keys is no options, and starts the default number of threads. */
const isNoOptions = (wrong: unknown) =>
  wrong === undefined ||
  (typeof wrong === 'object' && wrong !== null && Object.keys(wrong).length === 0);

const streamMembers: Record<string, Row> = {
  read: { args: buffer },
  write: { args: buffer },
  writev: { args: () => [[bytes('a'), bytes('b')]] },
  shutdown: { args: () => ['both'] },
  takeError: NOTHING,
  localAddress: NOTHING,
  peerAddress: NOTHING,
};

const sourceMembers: Record<string, Row> = {
  closed: NOTHING,
  close: NOTHING,
  transfer: NOTHING,
  'Symbol.dispose': NOTHING,
};

/** Asks of it settle at once, with nothing that would have to be closed. */
class Answering extends Handler {
  override notify(): null {
    return null;
  }
}

/** Closed at once, after the test of one call. */
async function openSystem(own: Own): Promise<ActorSystem & { close(): void }> {
  const system = await ActorSystem.start({ shards: 0 });
  return own(Object.assign(system, { close: () => void system.stop({ timeoutMs: 0 }) }));
}

/** Under which nothing is asked for long. */
const soon = { timeoutMs: 5 };

/** A task that is given up before it is taken, so that no thread is started. */
const unwanted = () => [
  new URL('data:text/javascript,'),
  'fn',
  [],
  { signal: AbortSignal.abort(new RangeError('x')) },
];

const SUBJECTS: Record<string, Subject> = {
  ActorSystem: {
    open: openSystem,
    statics: { start: { args: () => [{ shards: 0 }], harmful: isNoOptions } },
    members: {
      name: NOTHING,
      spawn: { args: () => [Answering, { name: 'n' }] },
      lookup: { args: () => ['n'] },
      on: { args: () => ['crash', () => {}] },
      once: { args: () => ['crash', () => {}] },
      off: { args: () => ['crash', () => {}] },
      metrics: NOTHING,
      compute: NOTHING,
      stop: { args: () => [soon] },
      'Symbol.asyncDispose': NOTHING,
    },
  },
  ActorRef: {
    open: async (own) => {
      const system = await openSystem(own);
      return Object.assign(await system.spawn(Answering), { close: () => system.close() });
    },
    members: {
      id: NOTHING,
      name: NOTHING,
      shard: NOTHING,
      send: { args: () => ['message'] },
      ask: { args: () => ['message', soon] },
      proxy: NOTHING,
      stop: { args: () => [soon] },
      watch: { args: () => [() => {}] },
    },
  },
  EventLoop: {
    open: (own) => own(new EventLoop()),
    construct: { args: () => [{}] },
    members: {
      isRunning: NOTHING,
      closed: NOTHING,
      run: { args: () => [{}], prepare: runnable },
      runSync: { args: () => [{}], prepare: runnable },
      runOnce: { args: () => [{}, 0], prepare: runnable },
      shutdown: NOTHING,
      ref: NOTHING,
      unref: NOTHING,
      close: NOTHING,
      'Symbol.dispose': NOTHING,
      register: { args: registration },
      reregister: { args: registration },
      deregister: { args: registration },
      nextToken: NOTHING,
      timeout: { args: () => ['payload', 1] },
      interval: { args: () => ['payload', 1] },
      clearTimeout: { args: (own) => [own(new EventLoop()).timeout('foreign', 1)] },
      now: NOTHING,
      random: NOTHING,
      channel: NOTHING,
      registerSignal: { args: () => ['SIGUSR2'] },
      metrics: NOTHING,
      compute: NOTHING,
      spawnCompute: {
        // Without a name nothing is started; with one it would be.
        args: () => [new URL('data:text/javascript,'), '', [], 1],
        harmful: (wrong) => typeof wrong === 'string' && wrong !== '',
      },
    },
  },
  ComputePool: {
    open: (own) => own(new ComputePool()),
    construct: { args: () => [{}] },
    members: {
      closed: NOTHING,
      run: { args: unwanted, harmful: isNoOptions },
      spawn: { args: unwanted, harmful: isNoOptions },
      module: { args: () => [new URL('data:text/javascript,')] },
      metrics: NOTHING,
      close: { args: () => [{ drain: false }] },
      'Symbol.asyncDispose': NOTHING,
    },
  },
  Poll: {
    open: (own) => own(new Poll()),
    construct: { args: () => [{}] },
    members: {
      closed: NOTHING,
      register: { args: registration },
      reregister: { args: registration },
      deregister: { args: registration },
      poll: {
        args: () => [0],
        prepare: (poll: Poll, own) => {
          if (!poll.closed) poll.register(own(UdpSocket.bind(LOCAL)), 1, Interest.WRITABLE);
        },
      },
      event: { args: () => [0] },
      close: NOTHING,
      'Symbol.dispose': NOTHING,
    },
  },
  Sender: {
    open: (own) => {
      const loop = own(new EventLoop());
      const sender = loop.channel();
      // So that the loop is closed where others would be.
      return Object.assign(sender, { close: () => loop.close() });
    },
    members: {
      closed: NOTHING,
      send: { args: () => ['message'] },
      sendAsync: { args: () => ['message', {}] },
      wake: NOTHING,
      transfer: NOTHING,
    },
    statics: { from: { args: (own) => [own(new EventLoop()).channel().transfer()] } },
  },
  Source: { open: null, members: sourceMembers },
  TcpListener: {
    open: (own) => own(TcpListener.bind(LOCAL)),
    statics: {
      bind: { args: () => [LOCAL, { backlog: 1 }] },
      from: { args: (own) => inFlight(own, TcpListener.bind(LOCAL), TcpListener.from) },
    },
    members: { accept: NOTHING, localAddress: NOTHING },
  },
  TcpStream: {
    open: (own) => {
      const listener = own(TcpListener.bind(LOCAL));
      const stream = own(TcpStream.connect(listener.localAddress));
      own(acceptFrom(listener));
      return stream;
    },
    statics: {
      connect: { args: (own) => [own(TcpListener.bind(LOCAL)).localAddress] },
      from: { args: (own) => inFlight(own, tcpPair(own)[0], TcpStream.from) },
    },
    members: {
      ...streamMembers,
      setNoDelay: { args: () => [true] },
      setKeepAlive: { args: () => [1000] },
      setLinger: { args: () => [0] },
    },
  },
  DatagramBatch: {
    open: () => {
      const batch = new DatagramBatch(4, 16);
      batch.set(0, bytes('a'), '127.0.0.1:9');
      return batch;
    },
    construct: { args: () => [4, 16] },
    members: {
      count: NOTHING,
      data: { args: () => [0] },
      address: { args: () => [0] },
      truncated: { args: () => [0] },
      set: { args: () => [1, bytes('b'), '127.0.0.1:9'] },
    },
  },
  UdpSocket: {
    open: (own) => own(UdpSocket.bind(LOCAL)),
    statics: {
      bind: { args: () => [LOCAL, { reusePort: true }] },
      from: { args: (own) => inFlight(own, UdpSocket.bind(LOCAL), UdpSocket.from) },
    },
    members: {
      connect: { args: () => ['127.0.0.1:9'] },
      recvFrom: { args: buffer },
      sendTo: { args: (own) => [bytes('a'), own(UdpSocket.bind(LOCAL)).localAddress] },
      recv: { args: buffer },
      send: { args: buffer },
      recvMany: { args: () => [new DatagramBatch(2, 16)] },
      sendMany: {
        args: (own) => {
          const batch = new DatagramBatch(2, 16);
          batch.set(0, bytes('a'), own(UdpSocket.bind(LOCAL)).localAddress);
          return [batch, 0];
        },
      },
      joinMulticast: { args: () => ['239.255.7.7', '127.0.0.1'] },
      leaveMulticast: { args: () => ['239.255.7.7', '127.0.0.1'] },
      setMulticastInterface: { args: () => ['127.0.0.1'] },
      setMulticastLoop: { args: () => [true] },
      setMulticastTtl: { args: () => [1] },
      setBroadcast: { args: () => [true] },
      setTtl: { args: () => [64] },
      localAddress: NOTHING,
    },
  },
  UnixListener: {
    open: (own) => own(UnixListener.bind(unixPath(own))),
    statics: {
      bind: { args: (own) => [unixPath(own), { backlog: 1 }], harmful: isText },
      from: {
        args: (own) => inFlight(own, UnixListener.bind(unixPath(own)), UnixListener.from),
      },
    },
    members: { accept: NOTHING, localAddress: NOTHING },
  },
  UnixStream: {
    open: (own) => unixStreams(own)[0],
    statics: {
      connect: { args: (own) => [own(UnixListener.bind(unixPath(own))).localAddress] },
      pair: NOTHING,
      from: { args: (own) => inFlight(own, unixStreams(own)[0], UnixStream.from) },
    },
    members: {
      ...streamMembers,
      sendFd: { args: (own) => [bytes('a'), own(UdpSocket.bind(LOCAL))] },
      recvFd: { args: buffer },
    },
  },
  UnixDatagram: {
    open: (own) => own(UnixDatagram.unbound()),
    statics: {
      bind: { args: (own) => [unixPath(own)], harmful: isText },
      unbound: NOTHING,
      pair: NOTHING,
      from: { args: (own) => inFlight(own, UnixDatagram.unbound(), UnixDatagram.from) },
    },
    members: {
      connect: { args: (own) => [own(UnixDatagram.bind(unixPath(own))).localAddress] },
      recvFrom: { args: buffer },
      sendTo: { args: (own) => [bytes('a'), own(UnixDatagram.bind(unixPath(own))).localAddress] },
      recv: { args: buffer },
      send: { args: buffer },
      localAddress: NOTHING,
      peerAddress: NOTHING,
    },
  },
  PipeReader: {
    open: (own) => pipe().map(own)[0],
    statics: { from: { args: (own) => inFlight(own, pipe().map(own)[0], PipeReader.from) } },
    members: { read: { args: buffer } },
  },
  PipeWriter: {
    open: (own) => pipe().map(own)[1],
    statics: { from: { args: (own) => inFlight(own, pipe().map(own)[1], PipeWriter.from) } },
    members: {
      write: { args: buffer },
      writev: { args: () => [[bytes('a'), bytes('b')]] },
    },
  },
  FdSource: {
    open: (own) => own(new FdSource(openSync('/dev/null', 'r+'))),
    // Nothing is open there, so that nothing is lost when it is replaced; and
    // the input and output of the test's own process are not to be taken over.
    construct: { args: () => [2 ** 30], harmful: (wrong) => wrong === 0 || wrong === 1 },
    statics: {
      from: {
        args: (own) => inFlight(own, new FdSource(openSync('/dev/null', 'r')), FdSource.from),
      },
    },
    members: {
      read: { args: buffer },
      write: { args: buffer },
      writev: { args: () => [[bytes('a'), bytes('b')]] },
    },
  },
  EventSet: {
    open: () => EventSet.of(Interest.ALL),
    construct: HARMLESS,
    members: {
      isReadable: NOTHING,
      isWritable: NOTHING,
      isError: NOTHING,
      isHup: NOTHING,
      contains: { args: () => [Interest.HUP] },
      toString: NOTHING,
    },
  },
  ReadHint: {
    open: () => ReadHint.of(Interest.ALL),
    construct: HARMLESS,
    members: {},
  },
  Slab: {
    open: () => new Slab(4),
    construct: { args: () => [4, { firstKey: 1 }] },
    members: {
      size: NOTHING,
      capacity: NOTHING,
      insert: { args: () => ['value'] },
      get: { args: () => [0] },
      contains: { args: () => [0] },
      replace: { args: () => [0, 'value'], prepare: (slab: Slab<unknown>) => slab.insert('old') },
      remove: { args: () => [0], prepare: (slab: Slab<unknown>) => slab.insert('old') },
      clear: NOTHING,
      'Symbol(Symbol.iterator)': NOTHING,
      keys: NOTHING,
      values: NOTHING,
    },
  },
  ObjectPool: {
    open: () => new ObjectPool(1, () => ({})),
    construct: { args: () => [1, () => ({}), () => {}, { idleCapacity: 1 }] },
    members: {
      idleCount: NOTHING,
      inUseCount: NOTHING,
      acquire: NOTHING,
      release: { args: () => [{}] },
      use: { args: () => [() => 1] },
    },
  },
  RingBuf: {
    open: () => new RingBuf(4),
    construct: { args: () => [4, { capacityMaxBytes: 8 }] },
    members: {
      length: NOTHING,
      capacity: NOTHING,
      room: NOTHING,
      write: { args: () => [bytes('buffer'), 1, 5] },
      writable: { args: () => [8] },
      commit: { args: () => [1], prepare: (ring: RingBuf) => void ring.writable() },
      read: { args: buffer, prepare: (ring: RingBuf) => void ring.write(bytes('a')) },
      peek: { args: () => [bytes('buffer'), 0] },
      readable: NOTHING,
      consume: { args: () => [1], prepare: (ring: RingBuf) => void ring.write(bytes('a')) },
      indexOf: { args: () => [97, 0] },
      clear: NOTHING,
    },
  },
  Timeout: { open: null, construct: HARMLESS, members: {} },
  Handler: { open: null, construct: NOTHING, members: {} },
  // Thrown by us, not made by users: it takes what Error takes.
  MillraceError: { open: null, construct: NOTHING, members: { name: NOTHING } },
};

/** Exports that are plain functions. */
const FUNCTIONS: Record<string, Row> = {
  pipe: NOTHING,
  reportProgress: { args: () => ['value'] },
  transfer: { args: () => [{ buffer: new ArrayBuffer(1) }, [new ArrayBuffer(1)]] },
};

/** Exports that are tables of constants. */
const CONSTANTS = ['ERROR_CODES', 'Interest', 'PollOpt', 'TaskPriority'];

/** Marked so in the source; TypeScript hides the protected ones. */
const INTERNAL = new Set([
  'shards',
  'refAddress',
  'place',
  'readPart',
  'writePart',
  'refused',
  'failure',
  'check',
  'accepted',
  'readBytes',
  'writeBytes',
  'writeAll',
  'gather',
  'advance',
  'receiveOn',
  'sendOn',
  'sentCount',
  'isBatch',
  'isSource',
  'isGiven',
  'kind',
  'transferHandle',
  'stopWith',
  'admit',
  'of',
  'constructor',
]);

function expectProper(error: unknown, what: string): void {
  expect(error, what).to.be.instanceOf(Error);
  const { code, syscall } = error as Thrown;
  expect(code, `${what}: code of ${String(error)}`).to.be.a('string');
  const isOurs =
    error instanceof TypeError || error instanceof RangeError || error instanceof MillraceError;
  expect(isOurs || typeof syscall === 'string', `${what}: class of ${String(error)}`).to.equal(
    true,
  );
}

/** Calls, and judges what comes of it. What it opens is closed. */
async function attempt(what: string, action: () => unknown): Promise<void> {
  let result: unknown;
  try {
    result = await action();
  } catch (error) {
    // An abort reason is the user's own.
    if (!(error instanceof RangeError && error.message === 'x')) expectProper(error, what);
    return;
  }
  if (result instanceof ActorSystem) await result.stop();
  for (const opened of Array.isArray(result) ? result : [result]) {
    if (opened instanceof Source || opened instanceof EventLoop || opened instanceof Poll) {
      opened.close();
    }
  }
}

function nameOf(key: string | symbol): string {
  // Node 20 describes its own stand-in for it in another way.
  if (key === Symbol.dispose) return 'Symbol.dispose';
  if (key === Symbol.asyncDispose) return 'Symbol.asyncDispose';
  return String(key);
}

/** The methods and accessors that the class itself defines. */
function membersOf(target: object): Map<string, PropertyDescriptor> {
  const keys = Reflect.ownKeys(target).filter((key) => !INTERNAL.has(nameOf(key)));
  return new Map(keys.map((key) => [nameOf(key), Object.getOwnPropertyDescriptor(target, key)!]));
}

/** With what a class inherits from bases that are not exported. */
function allMembersOf(prototype: object): Map<string, PropertyDescriptor> {
  const members = new Map<string, PropertyDescriptor>();
  const ends = new Set<unknown>(Object.values(millrace).map((exported) => prototypeOf(exported)));
  let at = prototype;
  do {
    for (const [key, member] of membersOf(at)) if (!members.has(key)) members.set(key, member);
    at = Object.getPrototypeOf(at) as object;
  } while (at !== null && at !== Object.prototype && at !== Error.prototype && !ends.has(at));
  return members;
}

function prototypeOf(exported: unknown): object | undefined {
  return (exported as { prototype?: object }).prototype;
}

const BUILT_IN_STATICS = new Set(['length', 'name', 'prototype']);

describe('bad input', function () {
  this.timeout(20_000);
  withFakeThreads();
  const own = closingAfterEach();

  /** Each argument in turn takes each wrong value; then all of them at once. */
  async function tryAll(what: string, row: Row, call: (args: unknown[]) => unknown): Promise<void> {
    const positions = row.args?.(own).length ?? 0;
    for (let at = 0; at <= positions; at++) {
      const { length } = wrongValues(own);
      for (let index = 0; index < length; index++) {
        const scope = scopeOf();
        const wrong = wrongValues(scope.own)[index];
        if (row.harmful?.(wrong) === true) {
          scope.close();
          continue;
        }
        const args = row.args?.(scope.own) ?? [];
        if (at < positions) args[at] = wrong;
        else args.fill(wrong);
        await attempt(`${what}, argument ${at}, value ${index}`, () => {
          const result = call(args);
          // What comes back as it went in is not for attempt() to close.
          return args.includes(result) ? undefined : result;
        });
        scope.close();
      }
    }
  }

  /** Closes what one call needed at once: all of them would be too many. */
  function scopeOf(): { own: Own; close(): void } {
    const closeables: { close(): unknown }[] = [];
    return {
      own: (closeable) => {
        closeables.push(closeable);
        return closeable;
      },
      close: () => {
        for (const closeable of closeables.toReversed()) closeable.close();
      },
    };
  }

  const others = [...CONSTANTS, ...Object.keys(FUNCTIONS)];
  const classes = Object.entries(millrace).filter(([name]) => !others.includes(name));

  it('every export has a row, and every row an export', () => {
    expect(Object.keys(millrace)).to.have.members([...others, ...Object.keys(SUBJECTS)]);
    for (const [name, exported] of classes) {
      const subject = SUBJECTS[name];
      const { prototype } = exported as { prototype: object };
      const statics = [...membersOf(exported).keys()].filter((key) => !BUILT_IN_STATICS.has(key));
      expect([...allMembersOf(prototype).keys()], name).to.have.members(
        Object.keys(subject.members),
      );
      expect(statics, `statics of ${name}`).to.have.members(Object.keys(subject.statics ?? {}));
    }
  });

  for (const [name, exported] of classes) {
    const {
      open,
      construct,
      statics = {},
      members,
    } = SUBJECTS[name] ?? { open: null, members: {} };
    const Class = exported as unknown as new (...args: unknown[]) => object;

    if (construct === undefined) {
      it(`new ${name}: is not for users, and says where one comes from`, () => {
        for (const args of [[], [1, 2], [{}, -1], [null, undefined]]) {
          const error = thrownBy(() => new Class(...args));
          expectProper(error, `new ${name}`);
          expect(error.code).to.equal('ERR_ILLEGAL_CONSTRUCTOR');
        }
      });
    } else {
      it(`new ${name}`, () => tryAll(`new ${name}`, construct, (args) => new Class(...args)));
    }

    for (const [key, row] of Object.entries(statics)) {
      it(`${name}.${key}()`, async () => {
        const member = membersOf(exported).get(key)?.value as Member;
        await tryAll(`${name}.${key}`, row, (args) => member.apply(exported, args));
      });
    }

    for (const [key, row] of open === null ? [] : Object.entries(members)) {
      for (const isClosed of [false, true]) {
        it(`${name} ${key}, ${isClosed ? 'closed' : 'open'}`, async () => {
          const descriptor = allMembersOf(Class.prototype as object).get(key)!;
          await tryAll(`${name} ${key}`, row, async (args) => {
            const scope = scopeOf();
            const object = await open!(scope.own);
            row.prepare?.(object as never, scope.own);
            if (isClosed && 'close' in object) (object as { close(): void }).close();
            try {
              const member = (descriptor.get ?? descriptor.value) as Member;
              return member.apply(object, args);
            } finally {
              scope.close();
            }
          });
        });
      }
    }
  }

  for (const [name, row] of Object.entries(FUNCTIONS)) {
    it(`${name}()`, async () => {
      const { [name]: member } = millrace as unknown as Record<string, Member>;
      await tryAll(name, row, (args) => member.apply(undefined, args));
    });
  }

  const misspellings: [string, object, string][] = [
    ['EventLoop', { notifycapacity: 1 }, 'notifyCapacity'],
    ['EventLoop', { messagePerTick: 1 }, 'messagesPerTick'],
    ['EventLoop', { timerTickMS: 1 }, 'timerTickMs'],
    ['EventLoop', { Poller: 'thread' }, 'poller'],
    ['EventLoop', { spinUS: 1 }, 'spinUs'],
    ['ComputePool', { thread: 1 }, 'threads'],
    ['ComputePool', { ageingMs: 1 }, 'agingMs'],
    ['Poll', { eventCapacity: 1 }, 'eventsCapacity'],
    ['TcpListener', { ipv6only: true }, 'ipv6Only'],
    ['TcpListener', { backLog: 1 }, 'backlog'],
    ['UnixListener', { backlogs: 1 }, 'backlog'],
    ['UdpSocket', { reuseAddres: true }, 'reuseAddress'],
    ['UdpSocket', { recvBufferSize_Bytes: 1 }, 'recvBufferSizeBytes'],
    ['Slab', { firstkey: 1 }, 'firstKey'],
    ['ObjectPool', { idleCapcity: 1 }, 'idleCapacity'],
    ['RingBuf', { capacityMaxByte: 1 }, 'capacityMaxBytes'],
  ];
  for (const [name, options, right] of misspellings) {
    it(`${name} with ${JSON.stringify(options)} names ${right}`, () => {
      const error = thrownBy(() => {
        if (name === 'EventLoop') return new EventLoop(options);
        if (name === 'ComputePool') return new ComputePool(options);
        if (name === 'Poll') return new Poll(options);
        if (name === 'Slab') return new Slab(1, options);
        if (name === 'ObjectPool') return new ObjectPool(0, Object, undefined, options);
        if (name === 'RingBuf') return new RingBuf(1, options);
        if (name === 'TcpListener') return TcpListener.bind(LOCAL, options);
        if (name === 'UnixListener') return UnixListener.bind('unused', options);
        return UdpSocket.bind(LOCAL, options);
      });
      expect(error).to.be.instanceOf(TypeError);
      expect(error.code).to.equal('ERR_UNKNOWN_OPTION');
      expect(error.message).to.include(`use ${right}`);
    });
  }

  it('limits under which Node would end the process are refused', async () => {
    const refused: [ResourceLimits, string][] = [
      [{ maxOldGenerationSizeMb: 2 }, 'maxOldGenerationSizeMb must be a number of MiB from 3'],
      [{ stackSizeMb: 0.1 }, 'stackSizeMb must be a number of MiB from 0.5'],
      [{ maxYoungGenerationSizeMb: Infinity }, 'maxYoungGenerationSizeMb'],
      [{ codeRangeSizeMb: Number.NaN }, 'codeRangeSizeMb'],
    ];
    for (const [resourceLimits, words] of refused) {
      const error = await rejectionOf(ActorSystem.start({ resourceLimits }));
      expect(error).to.be.instanceOf(RangeError).and.include({ code: 'ERR_OUT_OF_RANGE' });
      expect(error.message).to.include(words);
      expect(() => new ComputePool({ resourceLimits })).to.throw(RangeError, words);
    }
  });

  it('the options of the pool of a system: names, types and limits', async () => {
    const refused: [object, string, string][] = [
      [{ thread: 1 }, 'ERR_UNKNOWN_OPTION', 'use threads'],
      [{ threads: 0 }, 'ERR_OUT_OF_RANGE', 'options.compute.threads'],
      [{ threads: 257 }, 'ERR_OUT_OF_RANGE', 'options.compute.threads'],
      [{ queueCapacity: 0.5 }, 'ERR_OUT_OF_RANGE', 'options.compute.queueCapacity'],
      [{ queueCapacity: 2 ** 24 + 1 }, 'ERR_OUT_OF_RANGE', 'options.compute.queueCapacity'],
      [{ agingMs: 0 }, 'ERR_OUT_OF_RANGE', 'options.compute.agingMs'],
      [{ agingMs: '1' }, 'ERR_INVALID_ARG_TYPE', 'options.compute.agingMs'],
      [{ resourceLimits: 1 }, 'ERR_INVALID_ARG_TYPE', 'options.compute.resourceLimits'],
      [{ resourceLimits: { stackSizeMB: 4 } }, 'ERR_UNKNOWN_OPTION', 'use stackSizeMb'],
    ];
    for (const [compute, code, words] of refused) {
      const error = await rejectionOf(ActorSystem.start({ shards: 0, compute }));
      expect(error.code).to.equal(code);
      expect(error.message).to.include(words);
    }
    for (const wrong of [1, 'text', null]) {
      const error = await rejectionOf(ActorSystem.start({ compute: wrong as never }));
      expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
    }
  });

  it('the limits of each option of a loop, both sides', () => {
    const limits: [string, number, number][] = [
      ['notifyCapacity', 1, 2 ** 24],
      ['messagesPerTick', 1, Number.MAX_SAFE_INTEGER],
      ['eventsCapacity', 1, 65536],
      ['timerWheelSize', 1, 65536],
      ['timerCapacity', 1, 2 ** 24],
    ];
    for (const [option, min, max] of limits) {
      for (const value of [min, max]) new EventLoop({ [option]: value }).close();
      for (const value of [min - 1, max + 1, min + 0.5]) {
        const error = thrownBy(() => new EventLoop({ [option]: value }));
        expect(error, `${option} ${value}`).to.be.instanceOf(RangeError);
      }
    }
  });

  it('spinUs takes fractions, and no more than a millisecond', () => {
    for (const spinUs of [0, 0.5, 1000]) new EventLoop({ spinUs }).close();
    for (const spinUs of [-1, 1000.5, NaN, Infinity]) {
      const error = thrownBy(() => new EventLoop({ spinUs }));
      expect(error, `spinUs ${spinUs}`).to.be.instanceOf(RangeError);
      expect(error.code).to.equal('ERR_OUT_OF_RANGE');
    }
  });

  it('a handler whose method is no function is refused before it runs', () => {
    using loop = new EventLoop();
    const error = thrownBy(() => loop.runOnce({ notify: 7 } as never, 0));
    expect(error).to.be.instanceOf(TypeError);
    expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
    expect(error.message).to.include('handler.notify');
  });

  it('flags and codes cannot be changed', () => {
    for (const constants of [Interest, PollOpt, ERROR_CODES, TaskPriority]) {
      expect(Object.isFrozen(constants)).to.equal(true);
    }
  });
});
