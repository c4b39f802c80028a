/**
 * Two listeners on one loop: connections to the first are echoed, one message
 * of at most 64 bytes in flight on each; those to the second are read and
 * discarded, however much comes, and told at their end how much that was.
 *
 * Both settings are fair in the same way: a socket that has had its share of
 * reads waits until all others that are ready have had theirs. Under LEVEL that
 * is one read per event, and the next poll reports what is left. Under EDGE the
 * handler must read to `null`, since what is left is not reported again; where
 * its share ends before that, it registers anew, which looks at readiness
 * afresh and puts the socket behind the others.
 *
 *   node firehose-millrace.js level|edge
 */
import { EventLoop, Handler, Interest, PollOpt, TcpListener, type TcpStream } from 'millrace';
import { endWithInput, LISTEN_BACKLOG, reportAddress } from './lifetime.js';

const BUFFER_BYTES = 64 * 1024;

/** Under EDGE, per event: enough for an echo and its `null`, and little beside 99 others. */
const EDGE_READS_MAX = 4;

const ECHO_LISTENER = -1;
const DISCARD_LISTENER = -2;

interface Connection {
  readonly stream: TcpStream;
  readonly discards: boolean;
  discardedBytes: number;
}

class FirehoseServer extends Handler {
  readonly #opt: PollOpt;
  readonly #readsMax: number;
  readonly #listeners: ReadonlyMap<number, TcpListener>;
  readonly #connections: (Connection | null)[] = [];
  readonly #freeTokens: number[] = [];
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  constructor(loop: EventLoop, opt: PollOpt, listeners: ReadonlyMap<number, TcpListener>) {
    super();
    this.#opt = opt;
    this.#readsMax = opt === PollOpt.EDGE ? EDGE_READS_MAX : 1;
    this.#listeners = listeners;
    for (const [token, listener] of listeners) loop.register(listener, token);
  }

  override readable(loop: EventLoop, token: number): void {
    if (token < 0) {
      this.#acceptAll(loop, token);
      return;
    }
    const connection = this.#connections[token];
    if (connection === null) return;
    for (let reads = 0; reads < this.#readsMax; reads++) {
      if (!this.#serve(token, connection)) return;
    }
    if (this.#opt === PollOpt.EDGE) {
      loop.reregister(connection.stream, token, Interest.READABLE, PollOpt.EDGE);
    }
  }

  #acceptAll(loop: EventLoop, listenerToken: number): void {
    const listener = this.#listeners.get(listenerToken);
    for (;;) {
      const stream = listener?.accept() ?? null;
      if (stream === null) return;
      stream.setNoDelay(true);
      const token = this.#freeTokens.pop() ?? this.#connections.length;
      const discards = listenerToken === DISCARD_LISTENER;
      this.#connections[token] = { stream, discards, discardedBytes: 0 };
      loop.register(stream, token, Interest.READABLE, this.#opt);
    }
  }

  /** One read, and its answer. False when there is nothing more to be read. */
  #serve(token: number, connection: Connection): boolean {
    try {
      const size = connection.stream.read(this.#buffer);
      if (size === null) return false;
      if (size > 0) {
        this.#take(connection, size);
        return true;
      }
      const { discards, discardedBytes, stream } = connection;
      if (discards) stream.write(Buffer.from(String(discardedBytes)));
    } catch (error) {
      // A reset by the peer ends its own connection; a mistake of ours is not hidden.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
    }
    connection.stream.close();
    this.#connections[token] = null;
    this.#freeTokens.push(token);
    return false;
  }

  #take(connection: Connection, size: number): void {
    if (connection.discards) connection.discardedBytes += size;
    // The kernel has room for the one message in flight; if not, the client misses its echo.
    else connection.stream.write(this.#buffer, 0, size);
  }
}

const kind = process.argv[2];
if (kind !== 'level' && kind !== 'edge') throw new Error('usage: level|edge');

const loop = new EventLoop();
const bind = (): TcpListener => TcpListener.bind('127.0.0.1:0', { backlog: LISTEN_BACKLOG });
const listeners = new Map([
  [ECHO_LISTENER, bind()],
  [DISCARD_LISTENER, bind()],
]);
const opt = { level: PollOpt.LEVEL, edge: PollOpt.EDGE }[kind];
const server = new FirehoseServer(loop, opt, listeners);
endWithInput(() => loop.shutdown());
for (const listener of listeners.values()) reportAddress(listener.localAddress.port);
await loop.run(server);
process.exit(0);
