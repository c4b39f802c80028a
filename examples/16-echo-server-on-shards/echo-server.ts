/** An actor that serves the connections which it is given; one lives in each shard. */
import {
  type ActorContext,
  type ActorRef,
  Handler,
  Interest,
  type SourceHandle,
  TcpStream,
} from 'millrace';

const BUFFER_BYTES = 64 * 1024;

/** A connection that another thread has accepted, and who is to learn that it has ended. */
export interface Work {
  readonly handle: SourceHandle;
  readonly front: ActorRef<ActorRef>;
}

interface Connection {
  readonly stream: TcpStream;
  readonly front: ActorRef<ActorRef>;
  /** What the kernel has not taken yet; while there is something, nothing is read. */
  rest: Uint8Array;
}

export class EchoServer extends Handler<Work> {
  readonly #connections = new Map<number, Connection>();
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  override notify(context: ActorContext<Work>, { handle, front }: Work): void {
    // With all that has arrived on it meanwhile.
    const stream = TcpStream.from(handle);
    const token = context.nextToken();
    this.#connections.set(token, { stream, front, rest: new Uint8Array(0) });
    context.register(stream, token);
  }

  override readable(context: ActorContext<Work>, token: number): void {
    const connection = this.#connections.get(token);
    if (connection !== undefined) this.#serve(context, token, connection);
  }

  override writable(context: ActorContext<Work>, token: number): void {
    this.readable(context, token);
  }

  override stopped(): void {
    for (const { stream } of this.#connections.values()) stream.close();
  }

  #serve(context: ActorContext<Work>, token: number, connection: Connection): void {
    try {
      if (this.#echo(context, token, connection)) return;
    } catch (error) {
      // A reset by the peer ends its own connection; a mistake of ours is not hidden.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
    }
    connection.stream.close();
    this.#connections.delete(token);
    connection.front.send(context.self);
  }

  /** Moves what can be moved; false when the peer has ended and has everything back. */
  #echo(context: ActorContext<Work>, token: number, connection: Connection): boolean {
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
