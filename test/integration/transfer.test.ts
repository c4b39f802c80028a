/**
 * Sources that are given to other threads.
 *
 * Goal: whatever becomes of a handle and of the threads at its ends, each
 * descriptor has one owner at every moment, no byte is lost, and nothing is
 * left open. `leavesNothingBehind()` counts what is in flight, too.
 */
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import {
  EventLoop,
  FdSource,
  Interest,
  type Sender,
  type SourceHandle,
  TcpListener,
  TcpStream,
  UdpSocket,
  UnixStream,
} from '../../src/index.js';
import { binding } from '../../src/poll/binding.js';
import type { FlightsReport } from '../fixtures/flights.js';
import type { HolderOrder } from '../fixtures/handle-holder.js';
import type { FromServer, ServerPlan, ToServer } from '../fixtures/server.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { descriptorCount } from '../support/proc.js';
import { Fixture } from '../support/processes.js';
import { random } from '../support/random.js';
import { awaitReady, bytes, closingAfterEach, readText, tcpPair } from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const LOCAL = '127.0.0.1:0';
const DEADLINE_MS = 8000;
const SERVER = new URL('../fixtures/server.js', import.meta.url);
const HOLDER = new URL('../fixtures/handle-holder.js', import.meta.url);

describe('a handle of a source', () => {
  const own = closingAfterEach();

  it('S9: is good once, on whichever thread', () => {
    const [client, server] = tcpPair(own);
    const handle = server.transfer();
    client.write(bytes('waiting'));
    const taken = own(TcpStream.from(handle));
    awaitReady(taken, Interest.READABLE);
    expect(readText(taken)).to.equal('waiting');
    for (const again of [handle, { ...handle }, structuredClone(handle)]) {
      const error = thrownBy(() => TcpStream.from(again));
      expect(error).to.include({ code: 'ERR_HANDLE_SPENT', name: 'MillraceError' });
    }
    expect(taken.peerAddress).to.deep.equal(client.localAddress);
  });

  it('S9: leaves the source closed, and says so', () => {
    const [, server] = tcpPair(own);
    const handle = server.transfer();
    expect(server.closed).to.equal(true);
    using loop = new EventLoop();
    const attempts = [
      () => server.read(Buffer.alloc(1)),
      () => server.write(bytes('x')),
      () => server.localAddress,
      () => server.transfer(),
      () => loop.register(server, 1),
    ];
    for (const attempt of attempts) {
      const error = thrownBy(attempt);
      expect(error).to.include({ code: 'ERR_SOURCE_CLOSED', name: 'MillraceError' });
      expect(error.message).to.include('given away');
    }
    // Closes nothing: it is somebody else's by now.
    server.close();
    own(TcpStream.from(handle)).write(bytes('x'));
  });

  it('S9: cannot be had of a source that is registered', () => {
    using loop = new EventLoop();
    const socket = own(UdpSocket.bind(LOCAL));
    loop.register(socket, 1);
    const error = thrownBy(() => socket.transfer());
    expect(error).to.include({ code: 'ERR_SOURCE_REGISTERED', name: 'MillraceError' });
    expect(socket.closed).to.equal(false);
    loop.deregister(socket);
    own(UdpSocket.from(socket.transfer()));
  });

  it('S9: that is stale or made up leads to nobody else', () => {
    const [left, right] = UnixStream.pair();
    const stale = left.transfer();
    const again = UnixStream.from(stale);
    const handle = again.transfer();
    // The same descriptor, in flight a second time.
    expect(handle.fd).to.equal(stale.fd);
    const forged: SourceHandle[] = [stale, { ...handle, fd: right.handle }];
    for (let generation = 1; generation < 200; generation++) {
      if (generation !== handle.generation) forged.push({ ...handle, generation });
    }
    for (const offset of [1, -1, 2 ** 31, 2 ** 32]) {
      forged.push({ ...handle, generation: Math.abs(handle.generation + offset) });
    }
    for (const wrong of forged) {
      expect(thrownBy(() => UnixStream.from(wrong)).code).to.equal('ERR_HANDLE_SPENT');
    }
    // A kind that is a lie, too.
    const lie = { ...handle, kind: 'TcpStream' } as const;
    expect(thrownBy(() => TcpStream.from(lie)).code).to.equal('ERR_HANDLE_SPENT');
    expect(thrownBy(() => TcpStream.from(handle)).code).to.equal('ERR_INVALID_ARG_VALUE');
    UnixStream.from(handle).close();
    right.close();
    // By now the number may be that of something else.
    using other = UdpSocket.bind(LOCAL);
    expect(thrownBy(() => UnixStream.from(handle)).code).to.equal('ERR_HANDLE_SPENT');
    expect(other.localAddress.family).to.equal('IPv4');
  });

  it('what is in flight is counted, and nobody takes it over by its number', () => {
    const before = binding.openCounts();
    const socket = UdpSocket.bind(LOCAL);
    const handle = socket.transfer();
    expect(binding.openCounts()).to.deep.equal({ ...before, inFlight: before.inFlight + 1 });
    expect(thrownBy(() => new FdSource(handle.fd))).to.include({ code: 'EEXIST' });
    UdpSocket.from(handle).close();
    expect(binding.openCounts()).to.deep.equal(before);
  });
});

describe('a thread that ends with a source', function () {
  this.timeout(2 * DEADLINE_MS);
  const own = closingAfterEach();

  /** The end of the thread, brought about from outside where it does not come by itself. */
  async function hold(order: HolderOrder): Promise<void> {
    const worker = new Worker(HOLDER);
    worker.on('error', () => {});
    // Not by once(), which rejects at an 'error'; and that may overtake the message.
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    const held = new Promise((resolve) => worker.once('message', resolve));
    worker.postMessage(order);
    await Promise.race([held, ended]);
    if (order.end === 'hang') await worker.terminate();
    await ended;
  }

  for (const end of ['exit', 'throw', 'hang'] as const) {
    it(`S9: closes what it has taken (${end})`, async () => {
      const [client, server] = tcpPair(own);
      const handle = server.transfer();
      await hold({ handle, takes: true, end });
      awaitReady(client, Interest.READABLE);
      expect(readText(client)).to.equal('');
      expect(thrownBy(() => TcpStream.from(handle)).code).to.equal('ERR_HANDLE_SPENT');
    });

    it(`S9: leaves what it has not taken for others to take back (${end})`, async () => {
      const [client, server] = tcpPair(own);
      client.write(bytes('unread'));
      const handle = server.transfer();
      await hold({ handle, takes: false, end });
      const back = own(TcpStream.from(handle));
      awaitReady(back, Interest.READABLE);
      expect(readText(back)).to.equal('unread');
    });
  }

  it('S9: what it gave away outlives it, and is closed with the last', async function () {
    if (process.platform !== 'linux') this.skip();
    await using child = new Fixture('flights');
    const report = await child.report<FlightsReport>(DEADLINE_MS);
    expect(await child.end(DEADLINE_MS)).to.include({ code: 0, signal: null, stderr: '' });
    const { before } = report;
    expect(report).to.deep.equal({
      before,
      afterGiver: before,
      taken: 'given by a thread that has ended',
      afterTaker: before,
    });
  });
});

/** Threads that serve, and the loop of this one that they report to. */
class Servers {
  readonly loop = new EventLoop<FromServer>();
  readonly #workers: Worker[];
  readonly senders: Sender<ToServer>[] = [];

  constructor(count: number) {
    const workerData: ServerPlan = { home: this.loop.channel().transfer() };
    this.#workers = Array.from({ length: count }, () => new Worker(SERVER, { workerData }));
  }

  stop(): void {
    for (const sender of this.senders) sender.send({ kind: 'stop' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // They have ended by themselves unless the test has failed.
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.loop.close();
  }
}

describe('connections that are accepted on one thread', function () {
  this.timeout(30_000);

  const CONNECTIONS = 1000;
  const OPEN_MAX = 200;
  const BYTES_MAX = 20_000;

  it('S9: 1,000 of them are served on two others, byte by byte', async () => {
    const { next } = random();
    await using servers = new Servers(2);
    const { loop } = servers;
    const listener = TcpListener.bind(LOCAL);
    const clients = new Map<number, EchoClient>();
    const served: number[] = [];
    let started = 0;
    let accepted = 0;
    let ended = 0;
    let descriptorsBefore = 0;
    const LISTENER = -1;
    const startOne = () => {
      const token = started++;
      const client = new EchoClient(listener, 1 + Math.floor(next() * BYTES_MAX));
      clients.set(token, client);
      loop.register(client.stream, token, Interest.READABLE | Interest.WRITABLE);
    };
    loop.register(listener, LISTENER);
    await loop.run({
      notify: (l, message) => {
        if (message.kind === 'up') {
          servers.senders.push(message.server);
          if (servers.senders.length < 2) return;
          descriptorsBefore = descriptorCount(process.pid);
          for (let count = 0; count < OPEN_MAX; count++) startOne();
        } else if (message.kind === 'stopped') {
          served.push(message.served);
          if (served.length === 2) l.shutdown();
        }
      },
      ready: (l, token) => {
        if (token === LISTENER) {
          const connection = listener.accept();
          if (connection === null) return;
          const server = servers.senders[accepted++ % 2];
          expect(server.send({ kind: 'connection', handle: connection.transfer() })).to.equal(true);
          return;
        }
        const client = clients.get(token)!;
        if (!client.serve(l, token)) return;
        clients.delete(token);
        ended += 1;
        if (started < CONNECTIONS) startOne();
        else if (ended === CONNECTIONS) {
          expect(binding.openCounts().inFlight).to.equal(0);
          servers.stop();
        }
      },
    });
    const descriptorsAfter = descriptorCount(process.pid);
    listener.close();
    expect(served).to.deep.equal([CONNECTIONS / 2, CONNECTIONS / 2]);
    // At the end both threads have closed all, and their loops as well.
    expect(descriptorsAfter).to.be.at.most(descriptorsBefore);
  });

  /** Sends what nobody else sends, and expects it back. */
  class EchoClient {
    readonly stream: TcpStream;
    readonly #sent: Buffer;
    readonly #received: Buffer;
    #writeAt = 0;
    #readAt = 0;

    constructor({ localAddress }: TcpListener, size: number) {
      this.stream = TcpStream.connect(localAddress);
      const { next } = random(size);
      this.#sent = Buffer.from(Array.from({ length: size }, () => next() * 256));
      this.#received = Buffer.alloc(size + 1);
    }

    /** True at the end. */
    serve(loop: EventLoop<FromServer>, token: number): boolean {
      if (this.#writeAt < this.#sent.length) {
        this.#writeAt += this.stream.write(this.#sent, this.#writeAt) ?? 0;
        if (this.#writeAt === this.#sent.length) {
          this.stream.shutdown('write');
          loop.reregister(this.stream, token, Interest.READABLE);
        }
      }
      const size = this.stream.read(this.#received, this.#readAt);
      this.#readAt += size ?? 0;
      if (size !== 0) return false;
      expect(this.#received.subarray(0, this.#readAt).equals(this.#sent)).to.equal(true);
      this.stream.close();
      return true;
    }
  }
});

describe('listeners of one port on several threads', function () {
  this.timeout(20_000);

  const THREADS = 3;
  const CONNECTIONS = 300;

  it('reusePort: the system spreads connections over all of them', async function () {
    if (process.platform !== 'linux') this.skip();
    await using servers = new Servers(THREADS);
    // Holds the port and does not listen on it, so that no connection comes here.
    const probe = TcpListener.bind(LOCAL, { reusePort: true });
    const { port } = probe.localAddress;
    const address = `127.0.0.1:${port}`;
    const served: number[] = [];
    let bound = 0;
    let open = CONNECTIONS;
    const clients: TcpStream[] = [];
    await servers.loop.run({
      notify: (l, message) => {
        if (message.kind === 'up') {
          servers.senders.push(message.server);
          message.server.send({ kind: 'bind', address });
        } else if (message.kind === 'bound') {
          bound += 1;
          if (bound < THREADS) return;
          probe.close();
          for (let token = 0; token < CONNECTIONS; token++) {
            clients.push(TcpStream.connect(address));
            l.register(clients[token], token);
          }
        } else if (message.kind === 'stopped') {
          served.push(message.served);
          if (served.length === THREADS) l.shutdown();
        }
      },
      readable: (_, token) => {
        const text = readText(clients[token]);
        expect(text).to.be.oneOf(['there', '', null]);
        if (text !== '') return;
        clients[token].close();
        open -= 1;
        if (open === 0) servers.stop();
      },
    });
    expect(served.reduce((total, count) => total + count)).to.equal(CONNECTIONS);
    // Each of 300 falls to one of three by a hash: fewer than 30 has odds of 1 to 10^18.
    expect(Math.min(...served)).to.be.at.least(CONNECTIONS / THREADS / 4);
  });
});
