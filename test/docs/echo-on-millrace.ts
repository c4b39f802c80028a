/**
 * The program of docs/how-to/from-node-net-and-dgram.md after the move: echo by
 * TCP and UDP in one handler.
 *
 *     node dist/test/docs/echo-on-millrace.js
 */
import {
  EventLoop,
  Handler,
  Interest,
  RingBuf,
  Slab,
  TcpListener,
  type TcpStream,
  type Token,
  UdpSocket,
} from 'millrace';

const LISTENER: Token = 0;
const DATAGRAMS: Token = 1;
const FIRST_CONNECTION: Token = 2;
const CONNECTIONS_MAX = 1024;
const PENDING_BYTES_MAX = 64 * 1024;

interface Connection {
  readonly stream: TcpStream;
  /** Read, and not yet written back. */
  readonly pending: RingBuf;
  /** The peer has closed its half. */
  ended: boolean;
  interest: number;
}

class Echo extends Handler {
  readonly #listener: TcpListener;
  readonly #socket: UdpSocket;
  readonly #connections = new Slab<Connection>(CONNECTIONS_MAX, { firstKey: FIRST_CONNECTION });
  readonly #datagram = new Uint8Array(65536);

  constructor(listener: TcpListener, socket: UdpSocket) {
    super();
    this.#listener = listener;
    this.#socket = socket;
  }

  override readable(loop: EventLoop, token: Token): void {
    if (token === LISTENER) this.#accept(loop);
    else if (token === DATAGRAMS) this.#answer();
    else this.#serve(loop, token);
  }

  override writable(loop: EventLoop, token: Token): void {
    this.#serve(loop, token);
  }

  override signal(loop: EventLoop): void {
    for (const { stream } of this.#connections.values()) stream.close();
    this.#listener.close();
    this.#socket.close();
    loop.shutdown();
  }

  #accept(loop: EventLoop): void {
    const stream = this.#listener.accept();
    if (stream === null) return;
    const pending = new RingBuf(4096, { capacityMaxBytes: PENDING_BYTES_MAX });
    const connection = { stream, pending, ended: false, interest: Interest.READABLE };
    const token = this.#connections.insert(connection);
    if (token === null) stream.close();
    else loop.register(stream, token);
  }

  #answer(): void {
    const datagram = this.#socket.recvFrom(this.#datagram);
    if (datagram === null) return;
    this.#socket.sendTo(this.#datagram.subarray(0, datagram.size), datagram.address);
  }

  #serve(loop: EventLoop, token: Token): void {
    const connection = this.#connections.get(token);
    if (connection === undefined) return;
    try {
      this.#move(connection);
    } catch (error) {
      // A reset by the peer ends its own connection; a mistake of ours is not hidden.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      this.#remove(token);
      return;
    }
    if (connection.ended && connection.pending.length === 0) this.#remove(token);
    else this.#listen(loop, token, connection);
  }

  /** Reads what there is room for, and writes what the system takes. */
  #move(connection: Connection): void {
    const { stream, pending, ended } = connection;
    if (!ended && pending.room > 0) {
      const size = stream.read(pending.writable());
      if (size === 0) connection.ended = true;
      else pending.commit(size ?? 0);
    }
    const [first] = pending.readable();
    if (first.length > 0) pending.consume(stream.write(first) ?? 0);
  }

  #listen(loop: EventLoop, token: Token, connection: Connection): void {
    const { stream, pending, ended } = connection;
    const reading = !ended && pending.room > 0 ? Interest.READABLE : Interest.NONE;
    const writing = pending.length > 0 ? Interest.WRITABLE : Interest.NONE;
    if (connection.interest === (reading | writing)) return;
    connection.interest = reading | writing;
    loop.reregister(stream, token, connection.interest);
  }

  #remove(token: Token): void {
    this.#connections.remove(token)?.stream.close();
  }
}

const loop = new EventLoop();
const listener = TcpListener.bind('127.0.0.1:0');
const socket = UdpSocket.bind('127.0.0.1:0');
loop.register(listener, LISTENER);
loop.register(socket, DATAGRAMS);
loop.registerSignal('SIGTERM');
console.log(`TCP ${listener.localAddress.port}, UDP ${socket.localAddress.port}`);
await loop.run(new Echo(listener, socket));
loop.close();
