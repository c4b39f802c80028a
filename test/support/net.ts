/**
 * Servers and clients of `millrace/net` for tests, and peers of `node:net`,
 * which share no code with them.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  EventLoop,
  type EventLoopConfig,
  type PollerMode,
  TcpListener,
  TcpStream,
} from '../../src/index.js';
import {
  type ClientHandler,
  type NetAddress,
  type NetAddressLike,
  type NetworkHandler,
  TcpClient,
  type TcpClientConfig,
  TcpServer,
  type TcpServerConfig,
} from '../../src/net/index.js';
import { eventually } from './eventually.js';
import { closingAfterEach, type Own } from './sockets.js';
import { abstractName, Paths } from './unix.js';

/** What is promised of servers holds for each of these. */
const KINDS: Readonly<Record<string, (own: Own) => NetAddressLike>> = {
  TCP: () => '127.0.0.1:0',
  Unix: (own) => ({ path: own(new Paths()).next() }),
};

const POLLERS: readonly PollerMode[] = ['thread', 'inline'];

export class Stage {
  readonly kind: string;
  readonly own: Own;
  readonly #poller: PollerMode;

  constructor(kind: string, poller: PollerMode, own: Own) {
    this.kind = kind;
    this.#poller = poller;
    this.own = own;
  }

  get isUnix(): boolean {
    return this.kind !== 'TCP';
  }

  /** Where nobody listens yet. */
  address(): NetAddressLike {
    return KINDS[this.kind](this.own);
  }

  /** A loop that is not run yet; closed after the test, with all that lives on it. */
  loop(config: EventLoopConfig = {}): EventLoop {
    return this.own(new EventLoop({ poller: this.#poller, ...config }));
  }

  /** A loop that runs, with a handler that must not be called. */
  running(config: EventLoopConfig = {}): EventLoop {
    const loop = this.loop(config);
    void loop.run(NOBODY);
    return loop;
  }

  serve(
    handler: NetworkHandler,
    config: Partial<TcpServerConfig> = {},
    loop = this.running(),
  ): TcpServer {
    const server = new TcpServer(loop, { address: this.address(), ...config }, handler);
    server.listen();
    return server;
  }

  connect(
    handler: ClientHandler,
    config: Partial<TcpClientConfig> & Pick<TcpClientConfig, 'address'>,
    loop = this.running(),
  ): TcpClient {
    const client = new TcpClient(loop, config, handler);
    client.connect();
    return client;
  }

  /** A connection of `node:net`, established; it ends its half when the server does, or before. */
  async peer(server: TcpServer, options: { allowHalfOpen?: boolean } = {}): Promise<Peer> {
    const peer = new Peer(connectTo(server.localAddress as NetAddress, options));
    this.own({ close: () => peer.socket.destroy() });
    await once(peer.socket, 'connect');
    return peer;
  }

  async peers(server: TcpServer, count: number): Promise<Peer[]> {
    const peers: Peer[] = [];
    for (let index = 0; index < count; index++) peers.push(await this.peer(server));
    return peers;
  }

  /**
   * An address at which handshakes come to nothing: the backlog of a listener
   * that accepts nobody is full, and the kernel drops what comes after that.
   */
  async unanswering(): Promise<NetAddressLike> {
    const listener = this.own(TcpListener.bind('127.0.0.1:0', { backlog: 1 }));
    for (let count = 0; count < 4; count++) {
      this.own(TcpStream.connect(listener.localAddress));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return listener.localAddress;
  }

  /** A server of `node:net`. */
  async foreignServer(onSocket: (socket: Socket) => void): Promise<ForeignServer> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
      onSocket(socket);
    });
    const close = () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    };
    this.own({ close });
    const address = this.address();
    if (this.isUnix) server.listen(address as { path: string });
    else server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const bound = server.address();
    if (typeof bound === 'string' || bound === null) return { server, close, address };
    return { server, close, address: { host: bound.address, port: bound.port } };
  }
}

export interface ForeignServer {
  server: Server;
  address: NetAddressLike;
  close(): void;
}

/** Nothing of a guest's reaches the handler of the loop. */
const NOBODY = {
  ready: () => {
    throw new Error('the handler was called for a source');
  },
  timeout: () => {
    throw new Error('the handler was called for a timeout');
  },
};

export function connectTo(address: NetAddress, options: { allowHalfOpen?: boolean } = {}): Socket {
  if ('path' in address) return connect({ path: address.path as string, ...options });
  return connect({ host: address.address, port: address.port, ...options });
}

/** The other end of a connection. */
export class Peer {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  receivedBytes = 0;
  ended = false;
  closed = false;
  error: (Error & { code?: string }) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.receivedBytes += chunk.length;
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  /** Until at least so much has come. */
  async receives(sizeBytes: number): Promise<Buffer> {
    await eventually(() => {
      if (this.receivedBytes < sizeBytes) {
        throw new Error(`received ${this.receivedBytes} of ${sizeBytes} bytes`);
      }
    });
    return this.bytes;
  }

  /** Until the other side has ended its half. */
  async seesEnd(): Promise<void> {
    await eventually(() => {
      if (!this.ended && !this.closed) throw new Error('the connection goes on');
    });
  }

  /** Ends the connection so that the other side is told of a reset; Unix sockets know only ends. */
  reset(): void {
    if (this.socket.remoteAddress === undefined) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }
}

/** What the process is warned of, from now until the end of the test. */
export function warnings(own: Own): string[] {
  const texts: string[] = [];
  const note = (warning: Error & { code?: string }) => {
    if (warning.code === 'MILLRACE_LISTENER') texts.push(warning.message);
  };
  process.on('warning', note);
  own({ close: () => process.off('warning', note) });
  return texts;
}

/** Writes down what a server's handler is told. */
export class Recorder implements NetworkHandler {
  readonly events: string[] = [];
  readonly errors: { id: number | null; error: Error & { code?: string } }[] = [];

  of(id: number): string[] {
    return this.events.filter((event) => event.split(' ')[1] === String(id));
  }

  onConnect(_: unknown, id: number): void {
    this.events.push(`connect ${id}`);
  }

  onData(_: unknown, id: number, data: Uint8Array): void {
    this.events.push(`data ${id} ${Buffer.from(data).toString()}`);
  }

  onDrained(_: unknown, id: number): void {
    this.events.push(`drained ${id}`);
  }

  onDisconnect(_: unknown, id: number, reason: string): void {
    this.events.push(`disconnect ${id} ${reason}`);
  }

  onError(_: unknown, id: number | null, error: Error): void {
    this.events.push(`error ${id} ${(error as { code?: string }).code ?? error.message}`);
    this.errors.push({ id, error });
  }

  onListening(): void {
    this.events.push('listening');
  }
}

/** Declares the suite once for each kind of address and poller. */
export function describeNet(
  title: string,
  suite: (stage: Stage) => void,
  kinds: readonly string[] = Object.keys(KINDS),
): void {
  for (const kind of kinds) {
    for (const poller of POLLERS) {
      describe(`${title} (${kind}, ${poller})`, function () {
        this.timeout(20_000);
        suite(new Stage(kind, poller, closingAfterEach()));
      });
    }
  }
}

export { abstractName };
