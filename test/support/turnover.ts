/**
 * What comes and goes in a long run of one loop: connections, datagrams,
 * descriptors that are passed on, timeouts. Each kind proves what it does:
 * every connection is echoed, every datagram and every descriptor brings the
 * number that was sent with it, or it throws.
 */
import {
  DatagramBatch,
  type EventLoop,
  type FdSource,
  Handler,
  Interest,
  type PipeWriter,
  pipe,
  type Source,
  type TcpListener,
  type TcpStream,
  type Timeout,
  type Token,
  UdpSocket,
  type UnixListener,
  UnixStream,
} from 'millrace';

/** The payload of a timeout is what it does. */
export type Loop = EventLoop<unknown, () => void>;

/** One kind. */
export interface Turnover {
  /** So many are to come and go, from now on. */
  begin(count: number): void;
  readonly isOver: boolean;
}

/** Who is told of the events of a source. */
interface Party {
  readable(token: Token): void;
  writable?(token: Token): void;
}

/** Under way at a time. Datagrams must fit into a socket's buffer, or some are lost. */
const CONNECTIONS_MAX = 32;
const DATAGRAMS_MAX = 64;
const BATCH_CAPACITY = 32;
const DESCRIPTORS_MAX = 8;
const TIMEOUTS_MAX = 16;

const PAYLOAD_BYTES = 64;

/** For an echo, on a busy machine. The timeout is cleared in every good case. */
const ECHO_MS = 30_000;

/** Fired ones take turns between at once, less than a slot of the wheel, and a few of them. */
const DELAYS_MS = [0, 0.4, 3];

/** The handler: knows whose each token is, and ends the run when all kinds are over. */
export class Switchboard extends Handler<unknown, () => void> {
  readonly loop: Loop;
  readonly #parties = new Map<Token, Party>();
  readonly #kinds: Turnover[] = [];

  constructor(loop: Loop) {
    super();
    this.loop = loop;
  }

  addKind<K extends Turnover>(kind: K): K {
    this.#kinds.push(kind);
    return kind;
  }

  register(source: Source, party: Party, interest: Interest = Interest.READABLE): void {
    const token = this.loop.nextToken();
    this.#parties.set(token, party);
    this.loop.register(source, token, interest);
  }

  close(source: Source, token: Token): void {
    source.close();
    this.#parties.delete(token);
  }

  override readable(_: Loop, token: Token): void {
    this.#parties.get(token)!.readable(token);
  }

  override writable(_: Loop, token: Token): void {
    this.#parties.get(token)!.writable!(token);
  }

  override timeout(_: Loop, action: () => void): void {
    action();
  }

  override tick(): void {
    if (this.#kinds.every((kind) => kind.isOver)) this.loop.shutdown();
  }
}

/** Connections to a listener, each with an echo, and a timeout that the echo clears. */
export class Connections implements Turnover {
  readonly #board: Switchboard;
  readonly #listener: TcpListener | UnixListener;
  readonly #connect: () => TcpStream | UnixStream;
  #unopened = 0;
  /** Ends of connections, of both sides. */
  #openEnds = 0;
  #number = 0;

  constructor(
    board: Switchboard,
    listener: TcpListener | UnixListener,
    connect: () => TcpStream | UnixStream,
  ) {
    this.#board = board;
    this.#listener = listener;
    this.#connect = connect;
    board.register(listener, { readable: () => this.#accept() });
  }

  begin(count: number): void {
    this.#unopened = count;
    for (let i = 0; i < CONNECTIONS_MAX; i++) this.#open();
  }

  get isOver(): boolean {
    return this.#unopened === 0 && this.#openEnds === 0;
  }

  #open(): void {
    if (this.#unopened === 0) return;
    this.#unopened -= 1;
    this.#openEnds += 1;
    const number = ++this.#number;
    const stream = this.#connect();
    const deadline: Timeout = this.#board.loop.timeout(() => {
      throw new Error(`connection ${number} was not echoed within ${ECHO_MS} ms`);
    }, ECHO_MS);
    const client: Party = {
      writable: (token) => {
        requireEqual(stream.write(numbered(number)), PAYLOAD_BYTES);
        this.#board.loop.reregister(stream, token, Interest.READABLE);
      },
      readable: (token) => {
        requireEqual(stream.read(scratch), PAYLOAD_BYTES);
        requireEqual(numberIn(scratch), number);
        requireEqual(this.#board.loop.clearTimeout(deadline), true);
        this.#close(stream, token);
        this.#open();
      },
    };
    this.#board.register(stream, client, Interest.WRITABLE);
  }

  #accept(): void {
    for (let stream = this.#listener.accept(); stream !== null; stream = this.#listener.accept()) {
      this.#openEnds += 1;
      this.#serve(stream);
    }
  }

  #serve(stream: TcpStream | UnixStream): void {
    this.#board.register(stream, {
      readable: (token) => {
        const size = readOrEnd(stream, scratch);
        if (size === 0) this.#close(stream, token);
        else if (size !== null) requireEqual(stream.write(scratch, 0, size), size);
      },
    });
  }

  #close(stream: TcpStream | UnixStream, token: Token): void {
    this.#board.close(stream, token);
    this.#openEnds -= 1;
  }
}

/** Datagrams of a socket to itself, each by a call of its own. */
export class SingleDatagrams implements Turnover {
  readonly #socket = UdpSocket.bind('127.0.0.1:0');
  #unsent = 0;
  #unreceived = 0;

  constructor(board: Switchboard) {
    board.register(this.#socket, { readable: () => this.#receive() });
  }

  begin(count: number): void {
    this.#unsent = count;
    this.#unreceived = count;
    for (let i = 0; i < DATAGRAMS_MAX; i++) this.#send();
  }

  get isOver(): boolean {
    return this.#unreceived === 0;
  }

  #send(): void {
    if (this.#unsent === 0) return;
    requireEqual(
      this.#socket.sendTo(numbered(this.#unsent), this.#socket.localAddress),
      PAYLOAD_BYTES,
    );
    this.#unsent -= 1;
  }

  #receive(): void {
    while (this.#socket.recvFrom(scratch) !== null) {
      requireEqual(numberIn(scratch), this.#unreceived);
      this.#unreceived -= 1;
      this.#send();
    }
  }
}

/** Datagrams of a socket to itself, by batches. */
export class BatchedDatagrams implements Turnover {
  readonly #socket = UdpSocket.bind('127.0.0.1:0');
  readonly #outgoing = new DatagramBatch(BATCH_CAPACITY, PAYLOAD_BYTES);
  readonly #incoming = new DatagramBatch(BATCH_CAPACITY, PAYLOAD_BYTES);
  #unsent = 0;
  #unreceived = 0;

  constructor(board: Switchboard) {
    board.register(this.#socket, { readable: () => this.#receive() });
  }

  begin(count: number): void {
    this.#unsent = count;
    this.#unreceived = count;
    this.#send();
  }

  get isOver(): boolean {
    return this.#unreceived === 0;
  }

  #send(): void {
    // The last batch may hold fewer, and a batch cannot be emptied; what is
    // left over in it is skipped by where the sending starts.
    const count = Math.min(BATCH_CAPACITY, this.#unsent);
    const start = BATCH_CAPACITY - count;
    for (let at = 0; at < BATCH_CAPACITY; at++) {
      this.#outgoing.set(at, numbered(this.#unsent + start - at), this.#socket.localAddress);
    }
    requireEqual(this.#socket.sendMany(this.#outgoing, start), count);
    this.#unsent -= count;
  }

  #receive(): void {
    const count = this.#socket.recvMany(this.#incoming);
    for (let at = 0; at < count; at++) {
      requireEqual(numberIn(this.#incoming.data(at)), this.#unreceived);
      this.#unreceived -= 1;
    }
    if (this.#unreceived === this.#unsent && this.#unsent > 0) this.#send();
  }
}

/** Pipes whose reading ends travel over a Unix stream; a number then travels through each. */
export class PassedDescriptors implements Turnover {
  readonly #board: Switchboard;
  readonly #sender: UnixStream;
  readonly #receiver: UnixStream;
  /** The writing ends of those that are on their way, in order. */
  readonly #writers: PipeWriter[] = [];
  #unsent = 0;
  #unread = 0;

  constructor(board: Switchboard) {
    this.#board = board;
    [this.#sender, this.#receiver] = UnixStream.pair();
    board.register(this.#receiver, { readable: () => this.#receive() });
  }

  begin(count: number): void {
    this.#unsent = count;
    this.#unread = count;
    for (let i = 0; i < DESCRIPTORS_MAX; i++) this.#pass();
  }

  get isOver(): boolean {
    return this.#unread === 0;
  }

  #pass(): void {
    if (this.#unsent === 0) return;
    this.#unsent -= 1;
    const [reader, writer] = pipe();
    requireEqual(this.#sender.sendFd(numbered(0), reader), PAYLOAD_BYTES);
    reader.close();
    this.#writers.push(writer);
  }

  #receive(): void {
    const message = this.#receiver.recvFd(scratch)!;
    requireEqual(message.lost, false);
    const writer = this.#writers.shift()!;
    const number = this.#unread;
    requireEqual(writer.write(numbered(number)), PAYLOAD_BYTES);
    const source = message.source!;
    this.#board.register(source, {
      readable: (token) => {
        this.#read(source, number);
        this.#board.close(source, token);
        writer.close();
        this.#pass();
      },
    });
  }

  #read(source: FdSource, number: number): void {
    requireEqual(source.read(scratch), PAYLOAD_BYTES);
    requireEqual(numberIn(scratch), number);
    this.#unread -= 1;
  }
}

/** Timeouts that fire. (Those that are cleared belong to connections.) */
export class Timeouts implements Turnover {
  readonly #board: Switchboard;
  #unarmed = 0;
  #unfired = 0;

  constructor(board: Switchboard) {
    this.#board = board;
  }

  begin(count: number): void {
    this.#unarmed = count;
    this.#unfired = count;
    for (let i = 0; i < TIMEOUTS_MAX; i++) this.#arm();
  }

  get isOver(): boolean {
    return this.#unfired === 0;
  }

  #arm(): void {
    if (this.#unarmed === 0) return;
    this.#unarmed -= 1;
    this.#board.loop.timeout(
      () => {
        this.#unfired -= 1;
        this.#arm();
      },
      DELAYS_MS[this.#unarmed % DELAYS_MS.length],
    );
  }
}

/** Nothing here needs its bytes for longer than a call. */
const outgoing = new Uint8Array(PAYLOAD_BYTES);
const scratch = new Uint8Array(PAYLOAD_BYTES);

function numbered(number: number): Uint8Array {
  new DataView(outgoing.buffer).setUint32(0, number);
  return outgoing;
}

function numberIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function requireEqual<V>(actual: V, expected: V): void {
  if (actual !== expected) throw new Error(`${String(actual)} in place of ${String(expected)}`);
}

/** A client that has its echo resets the connection: an end as well. */
function readOrEnd(stream: TcpStream | UnixStream, buffer: Uint8Array): number | null {
  try {
    return stream.read(buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return 0;
    throw error;
  }
}
