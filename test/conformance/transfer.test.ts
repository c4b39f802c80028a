/** Sources that move between threads, in the midst of their work (S9). */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import {
  type EventLoop,
  type Handler,
  Interest,
  pipe,
  PollOpt,
  type Sender,
  TcpListener,
  TcpStream,
  UnixDatagram,
  UnixListener,
  UnixStream,
} from '../../src/index.js';
import type { FromMover, ToMover } from '../fixtures/mover.js';
import type { FromServer, ToServer } from '../fixtures/server.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays, type Way } from '../support/loops.js';
import { random } from '../support/random.js';
import { bytes, type Own, readText, tcpPair, udpPair } from '../support/sockets.js';
import { listenerOf } from '../support/servers.js';
import { type Carrying, type Progress, Traffic } from '../support/traffic.js';
import { Paths, passed, unixStreams } from '../support/unix.js';

leavesNothingBehind();

const MOVER = new URL('../fixtures/mover.js', import.meta.url);
const SERVER = new URL('../fixtures/server.js', import.meta.url);
const Token = { MOVING: 1, STAYING: 2 } as const;

/** There and back twice, and the rest here. */
const MOVES = 4;

/** More than all buffers of the system hold, so that some is on its way at each move. */
const STREAM_BYTES = 1 << 20;
/** Few enough that nothing of them is lost for want of room. */
const DATAGRAMS = 100;
/** Fewer than a backlog holds: they all wait before the listener moves first. */
const CONNECTIONS = 60;

interface Route {
  open(own: Own): [moving: Carrying, staying: Carrying];
  /** What the one that moves reads, and what it writes, in all. */
  readEnd: number;
  writeEnd: number;
}

const bothWays = { readEnd: STREAM_BYTES, writeEnd: STREAM_BYTES };
const datagrams = { readEnd: DATAGRAMS, writeEnd: DATAGRAMS };

const ROUTES: Record<string, Route> = {
  TcpStream: { open: (own) => tcpPair(own), ...bothWays },
  UnixStream: { open: (own) => unixStreams(own), ...bothWays },
  FdSource: {
    open: (own) => {
      const [left, right] = unixStreams(own);
      return [passed(own, left), right];
    },
    ...bothWays,
  },
  PipeReader: { open: (own) => ownPipe(own), readEnd: STREAM_BYTES, writeEnd: 0 },
  PipeWriter: {
    open: (own) => ownPipe(own).toReversed() as Pair,
    readEnd: 0,
    writeEnd: STREAM_BYTES,
  },
  UdpSocket: { open: (own) => udpPair(own), ...datagrams },
  UnixDatagram: { open: (own) => UnixDatagram.pair().map(own) as unknown as Pair, ...datagrams },
};

type Pair = [Carrying, Carrying];

function ownPipe(own: Own): Pair {
  const [reader, writer] = pipe();
  return [own(reader), own(writer)];
}

/** The two ends of a route: what the one writes the other reads. */
function progressOf({ readEnd, writeEnd }: Route, opt: PollOpt): [Progress, Progress] {
  const moving = { readAt: 0, readEnd, readFrom: 0, writeAt: 0, writeEnd, writeFrom: 5000, opt };
  const staying = {
    readAt: 0,
    readEnd: writeEnd,
    readFrom: moving.writeFrom,
    writeAt: 0,
    writeEnd: readEnd,
    writeFrom: moving.readFrom,
    opt,
  };
  return [moving, staying];
}

/** How much to carry before each move; some of all is left for the end. */
function drawLegs({ readEnd, writeEnd }: Route, next: () => number): number[] {
  const legMax = (readEnd + writeEnd) / (MOVES + 1);
  return Array.from({ length: MOVES }, () => Math.ceil(next() * legMax));
}

/** Carries the traffic of a route to its end, here and in the worker by turns. */
async function travel(way: Way, own: Own, route: Route, opt: PollOpt): Promise<Progress> {
  const loop = way.open<FromMover>();
  const worker = new Worker(MOVER, { workerData: loop.channel().transfer() });
  const ended = once(worker, 'exit');
  own({ close: () => void worker.terminate() });
  const [movingSource, stayingSource] = route.open(own);
  const [movingProgress, stayingProgress] = progressOf(route, opt);
  let legs = drawLegs(route, random().next);
  const staying = new Traffic(loop, Token.STAYING, stayingSource, stayingProgress);
  let moving: Traffic | null = null;
  let mover: Sender<ToMover> | null = null;

  const serveMoving = (l: EventLoop<FromMover>, here: Traffic) => {
    const done = here.serve(l, Token.MOVING, legs[0] ?? Infinity);
    if (legs.length === 0) return;
    legs[0] -= done;
    if (legs[0] > 0) return;
    mover!.send({ baggage: { ...here.depart(l), legs: legs.slice(1) } });
    expect(here.source.closed).to.equal(true);
  };
  const handler: Handler<FromMover> = {
    notify: (l, message) => {
      if ('mover' in message) {
        ({ mover } = message);
        moving = new Traffic(l, Token.MOVING, movingSource, movingProgress);
      } else {
        ({ legs } = message.baggage);
        moving = Traffic.arrive(l, Token.MOVING, message.baggage);
        own(moving.source);
      }
    },
    ready: (l, token) => {
      if (token === Token.STAYING) staying.serve(l, token, Infinity);
      else serveMoving(l, moving!);
      if (moving?.isDone !== true || !staying.isDone) return;
      mover!.send({ baggage: null });
      l.shutdown();
    },
  };
  await way.drive(loop, handler);
  await ended;
  expect(legs).to.deep.equal([]);
  return moving!.progress;
}

describeWays('sources that move to a worker and back', (way, own) => {
  for (const [kind, route] of Object.entries(ROUTES)) {
    for (const opt of [PollOpt.LEVEL, PollOpt.EDGE]) {
      const mode = opt === PollOpt.EDGE ? 'EDGE' : 'LEVEL';

      it(`S9: a ${kind} takes all that is under way with it (${mode})`, async () => {
        const progress = await travel(way, own, route, opt);
        expect(progress.readAt).to.equal(route.readEnd);
        expect(progress.writeAt).to.equal(route.writeEnd);
      });
    }
  }

  for (const kind of ['TcpListener', 'UnixListener'] as const) {
    for (const opt of [PollOpt.LEVEL, PollOpt.EDGE]) {
      const mode = opt === PollOpt.EDGE ? 'EDGE' : 'LEVEL';

      it(`S9: a ${kind} takes the connections that wait with it (${mode})`, async () => {
        const counts = await acceptByTurns(way, own, LISTENERS[kind](own), opt);
        expect(counts.here + counts.there).to.equal(CONNECTIONS);
        expect(Math.min(counts.here, counts.there)).to.be.at.least(MOVES);
      });
    }
  }
});

type AnyListener = TcpListener | UnixListener;
type Connecting = [listener: AnyListener, connect: () => TcpStream | UnixStream];

const LISTENERS: Record<'TcpListener' | 'UnixListener', (own: Own) => Connecting> = {
  TcpListener: (own) => {
    const listener = own(TcpListener.bind('127.0.0.1:0'));
    const address = listener.localAddress;
    return [listener, () => own(TcpStream.connect(address))];
  },
  UnixListener: (own) => {
    const listener = own(UnixListener.bind(own(new Paths()).next()));
    const address = listener.localAddress;
    return [listener, () => own(UnixStream.connect(address))];
  },
};

/** Connections are accepted here and in the worker by turns, a few at a time. */
async function acceptByTurns(
  way: Way,
  own: Own,
  [first, connect]: Connecting,
  opt: PollOpt,
): Promise<{ here: number; there: number }> {
  const loop = way.open<FromServer>();
  const worker = new Worker(SERVER, { workerData: { home: loop.channel().transfer(), opt } });
  const ended = once(worker, 'exit');
  own({ close: () => void worker.terminate() });
  const clients = Array.from({ length: CONNECTIONS }, connect);
  const quota = CONNECTIONS / (2 * MOVES);
  const counts = { here: 0, there: 0 };
  let server: Sender<ToServer> | null = null;
  let listener = first;
  clients.forEach((client, token) => loop.register(client, token));
  let open = clients.length;
  await way.drive(loop, {
    notify: (l, message) => {
      if (message.kind === 'up') {
        ({ server } = message);
        server.send({ kind: 'listener', handle: listener.transfer(), quota });
      } else if (message.kind === 'listener') {
        listener = own(listenerOf(message.handle));
        l.register(listener, CONNECTIONS, Interest.READABLE, opt);
      }
    },
    readable: (l, token) => {
      if (token === CONNECTIONS) {
        for (let count = 0; count < quota; count++) {
          const stream = listener.accept();
          if (stream === null) return;
          counts.here += 1;
          stream.write(bytes('here'));
          stream.close();
        }
        l.deregister(listener);
        server!.send({ kind: 'listener', handle: listener.transfer(), quota });
        return;
      }
      const text = readText(clients[token]);
      if (text === 'there') counts.there += 1;
      if (text !== '') return;
      clients[token].close();
      open -= 1;
      if (open > 0) return;
      server!.send({ kind: 'stop' });
      l.shutdown();
    },
  });
  await ended;
  return counts;
}
