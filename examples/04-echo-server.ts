/**
 * Echo server: many TCP connections in one handler.
 *
 * A connection is either reading or, while the kernel has not taken all of the
 * last answer, writing; never both. A peer that sends without receiving is
 * therefore not read either, and costs one buffer at most.
 *
 *     node dist/examples/04-echo-server.js [address]
 */
import { EventLoop, Handler, Interest, TcpListener, type TcpStream } from 'millrace';

const DEFAULT_ADDRESS = '127.0.0.1:7000';
const BUFFER_BYTES = 64 * 1024;
/** Level-triggered: what is left is reported again, after the others had their turn. */
const ACCEPTS_PER_EVENT = 64;

interface Connection {
  readonly stream: TcpStream;
  /** What the kernel has not taken yet; empty while the connection is reading. */
  rest: Uint8Array;
}

class EchoServer extends Handler {
  readonly #listener: TcpListener;
  readonly #connections = new Map<number, Connection>();
  /** One for all: nothing stays in it when a callback returns. */
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  constructor(listener: TcpListener) {
    super();
    this.#listener = listener;
  }

  override readable(loop: EventLoop, token: number): void {
    const connection = this.#connections.get(token);
    if (connection === undefined) this.#accept(loop);
    else this.#serve(loop, token, connection);
  }

  override writable(loop: EventLoop, token: number): void {
    this.readable(loop, token);
  }

  override signal(loop: EventLoop, info: { signal: NodeJS.Signals }): void {
    console.log(`${info.signal}: closing ${this.#connections.size} connections`);
    this.#listener.close();
    for (const connection of this.#connections.values()) connection.stream.close();
    loop.shutdown();
  }

  #accept(loop: EventLoop): void {
    for (let count = 0; count < ACCEPTS_PER_EVENT; count++) {
      const stream = this.#listener.accept();
      if (stream === null) return;
      const token = loop.nextToken();
      this.#connections.set(token, { stream, rest: new Uint8Array(0) });
      loop.register(stream, token);
    }
  }

  #serve(loop: EventLoop, token: number, connection: Connection): void {
    try {
      if (this.#echo(loop, token, connection)) return;
    } catch (error) {
      // A reset by the peer ends its own connection; a mistake of ours is not hidden.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
    }
    connection.stream.close();
    this.#connections.delete(token);
  }

  /** Moves what can be moved; false when the peer has ended and has everything back. */
  #echo(loop: EventLoop, token: number, connection: Connection): boolean {
    const { stream, rest } = connection;
    const wasWriting = rest.length > 0;
    const size = wasWriting ? rest.length : stream.read(this.#buffer);
    if (size === null) return true;
    if (size === 0) return false;
    const bytes = wasWriting ? rest : this.#buffer.subarray(0, size);
    const left = bytes.subarray(stream.write(bytes) ?? 0);
    connection.rest = wasWriting ? left : left.slice();
    if (left.length > 0 === wasWriting) return true;
    loop.reregister(stream, token, wasWriting ? Interest.READABLE : Interest.WRITABLE);
    return true;
  }
}

const loop = new EventLoop();
const listener = TcpListener.bind(process.argv[2] ?? DEFAULT_ADDRESS);
const { address, family, port } = listener.localAddress;
loop.register(listener, loop.nextToken());
loop.registerSignal('SIGINT');
loop.registerSignal('SIGTERM');
console.log(`Listening on ${family === 'IPv6' ? `[${address}]` : address}:${port}`);
await loop.run(new EchoServer(listener));
loop.close();
