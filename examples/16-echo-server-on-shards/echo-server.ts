/**
 * An echo server as an actor. Nothing in it tells that there are others on the
 * same port: it is the server of example 04 with a context for a loop.
 */
import {
  type ActorContext,
  type AddressLike,
  Handler,
  Interest,
  type SocketAddress,
  TcpListener,
  type TcpStream,
} from 'millrace';

const BUFFER_BYTES = 64 * 1024;
/** Level-triggered: what is left is reported again, after the others had their turn. */
const ACCEPTS_PER_EVENT = 64;

interface Connection {
  readonly stream: TcpStream;
  /** What the kernel has not taken yet; while there is something, nothing is read. */
  rest: Uint8Array;
}

export class EchoServer extends Handler {
  readonly #listener: TcpListener;
  readonly #connections = new Map<number, Connection>();
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #accepted = 0;

  constructor(address: AddressLike) {
    super();
    this.#listener = TcpListener.bind(address, { reusePort: true });
  }

  address(): SocketAddress {
    return this.#listener.localAddress;
  }

  accepted(): number {
    return this.#accepted;
  }

  override started(context: ActorContext): void {
    context.register(this.#listener, context.nextToken());
  }

  override readable(context: ActorContext, token: number): void {
    const connection = this.#connections.get(token);
    if (connection === undefined) this.#accept(context);
    else this.#serve(context, token, connection);
  }

  override writable(context: ActorContext, token: number): void {
    this.readable(context, token);
  }

  override stopped(): void {
    this.#listener.close();
    for (const { stream } of this.#connections.values()) stream.close();
  }

  #accept(context: ActorContext): void {
    for (let count = 0; count < ACCEPTS_PER_EVENT; count++) {
      const stream = this.#listener.accept();
      if (stream === null) return;
      const token = context.nextToken();
      this.#connections.set(token, { stream, rest: new Uint8Array(0) });
      this.#accepted += 1;
      context.register(stream, token);
    }
  }

  #serve(context: ActorContext, token: number, connection: Connection): void {
    try {
      if (this.#echo(context, token, connection)) return;
    } catch (error) {
      // A reset by the peer ends its own connection; a mistake of ours is not hidden.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
    }
    connection.stream.close();
    this.#connections.delete(token);
  }

  /** Moves what can be moved; false when the peer has ended and has everything back. */
  #echo(context: ActorContext, token: number, connection: Connection): boolean {
    const { stream, rest } = connection;
    const wasWriting = rest.length > 0;
    const size = wasWriting ? rest.length : stream.read(this.#buffer);
    if (size === null) return true;
    if (size === 0) return false;
    const bytes = wasWriting ? rest : this.#buffer.subarray(0, size);
    const left = bytes.subarray(stream.write(bytes) ?? 0);
    connection.rest = wasWriting ? left : left.slice();
    if (left.length > 0 === wasWriting) return true;
    context.reregister(stream, token, wasWriting ? Interest.READABLE : Interest.WRITABLE);
    return true;
  }
}
