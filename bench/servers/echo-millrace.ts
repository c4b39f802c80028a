/**
 * Stream echo on Millrace, with the policy of `native/echo_server.c`: accept until
 * would-block; one read per event into one shared buffer; write at once; keep
 * what the kernel did not take and stop reading until that is gone.
 *
 * One read per event, not until `null`: registrations are level-triggered, so
 * what is left is reported again, and the usual case saves a system call.
 *
 *   node echo-millrace.js thread|inline PORT|PATH
 */
import {
  EventLoop,
  Handler,
  Interest,
  TcpListener,
  TcpStream,
  type Token,
  UnixListener,
  type UnixStream,
} from 'millrace';
import { endWithInput, isPath, LISTEN_BACKLOG, reportAddress } from './lifetime.js';

const BUFFER_BYTES = 64 * 1024;

/** Tokens are indices into the table of connections, so that none need be looked up. */
const LISTENER: Token = -1;

interface Connection {
  readonly stream: TcpStream | UnixStream;
  /** Bytes that the kernel has not taken yet; null while reading. */
  pending: Uint8Array | null;
}

class EchoServer extends Handler {
  readonly #listener: TcpListener | UnixListener;
  readonly #connections: (Connection | null)[] = [];
  readonly #freeTokens: Token[] = [];
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  constructor(loop: EventLoop, listener: TcpListener | UnixListener) {
    super();
    this.#listener = listener;
    loop.register(listener, LISTENER);
  }

  override readable(loop: EventLoop, token: Token): void {
    if (token === LISTENER) {
      this.#acceptAll(loop);
      return;
    }
    const connection = this.#connections[token];
    if (connection === null) return;
    try {
      this.#echo(loop, token, connection);
    } catch {
      this.#drop(token, connection);
    }
  }

  override writable(loop: EventLoop, token: Token): void {
    const connection = this.#connections[token];
    if (connection === null || connection.pending === null) return;
    try {
      const written = connection.stream.write(connection.pending) ?? 0;
      if (written < connection.pending.length) {
        connection.pending = connection.pending.subarray(written);
      } else {
        connection.pending = null;
        loop.reregister(connection.stream, token, Interest.READABLE);
      }
    } catch {
      this.#drop(token, connection);
    }
  }

  #acceptAll(loop: EventLoop): void {
    for (;;) {
      const stream = this.#listener.accept();
      if (stream === null) return;
      if (stream instanceof TcpStream) stream.setNoDelay(true);
      const token = this.#freeTokens.pop() ?? this.#connections.length;
      this.#connections[token] = { stream, pending: null };
      loop.register(stream, token);
    }
  }

  #echo(loop: EventLoop, token: Token, connection: Connection): void {
    // While bytes are pending, only an error or a hang-up comes here.
    if (connection.pending !== null) {
      this.#drop(token, connection);
      return;
    }
    const size = connection.stream.read(this.#buffer);
    if (size === null) return;
    if (size === 0) {
      this.#drop(token, connection);
      return;
    }
    const written = connection.stream.write(this.#buffer, 0, size) ?? 0;
    if (written === size) return;
    connection.pending = this.#buffer.slice(written, size);
    loop.reregister(connection.stream, token, Interest.WRITABLE);
  }

  #drop(token: Token, connection: Connection): void {
    connection.stream.close();
    this.#connections[token] = null;
    this.#freeTokens.push(token);
  }
}

const [poller, address = '0'] = process.argv.slice(2);
if (poller !== 'thread' && poller !== 'inline') throw new Error('usage: thread|inline PORT|PATH');

const loop = new EventLoop({ poller });
const backlog = LISTEN_BACKLOG;
const listener = isPath(address)
  ? UnixListener.bind(address, { backlog })
  : TcpListener.bind(`127.0.0.1:${address}`, { backlog });
const server = new EchoServer(loop, listener);
endWithInput(() => loop.shutdown());
reportAddress(listener instanceof TcpListener ? listener.localAddress.port : address);
await loop.run(server);
process.exit(0);
