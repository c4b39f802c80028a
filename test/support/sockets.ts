/** Sockets for tests: connected pairs on the loopback interface, closed after each test. */
import { Interest, Poll, type Source, TcpListener, TcpStream, UdpSocket } from '../../src/index.js';

const LOOPBACK = '127.0.0.1';
const WAIT_MS = 5000;

/** Takes care of something that must be closed, and returns it. */
export type Own = <C extends { close(): unknown }>(closeable: C) => C;

/** To be called inside describe(). Closed in the opposite order of opening. */
export function closingAfterEach(): Own {
  let owned: { close(): unknown }[] = [];
  afterEach('closes what the test opened', () => {
    for (const closeable of owned.toReversed()) closeable.close();
    owned = [];
  });
  return (closeable) => {
    owned.push(closeable);
    return closeable;
  };
}

/** Blocks until the source is ready for one of these. */
export function awaitReady(source: Source, interest: Interest): void {
  using poll = new Poll();
  poll.register(source, 0, interest);
  if (poll.poll(WAIT_MS) === 0) throw new Error(`nothing within ${WAIT_MS} ms`);
  poll.deregister(source);
}

/** The connection that waits, or comes soon. */
export function acceptFrom(listener: TcpListener): TcpStream {
  for (;;) {
    const stream = listener.accept();
    if (stream !== null) return stream;
    awaitReady(listener, Interest.READABLE);
  }
}

/** Two ends of one connection, both established. */
export function tcpPair(own: Own): [client: TcpStream, server: TcpStream] {
  using listener = TcpListener.bind(`${LOOPBACK}:0`);
  const client = own(TcpStream.connect(listener.localAddress));
  const server = own(acceptFrom(listener));
  awaitReady(client, Interest.WRITABLE);
  return [client, server];
}

/** Two UDP sockets that send to one another. */
export function udpPair(own: Own): [UdpSocket, UdpSocket] {
  const left = own(UdpSocket.bind(`${LOOPBACK}:0`));
  const right = own(UdpSocket.bind(`${LOOPBACK}:0`));
  left.connect(right.localAddress);
  right.connect(left.localAddress);
  return [left, right];
}

/** A port of this machine where nobody listens. */
export function refusingAddress(): string {
  using listener = TcpListener.bind(`${LOOPBACK}:0`);
  return `${LOOPBACK}:${listener.localAddress.port}`;
}

/** Ends the connection so that the other side is told of a reset. */
export function reset(stream: TcpStream): void {
  stream.setLinger(0);
  stream.close();
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** One read: the text; null for would-block; '' for the end. */
export function readText(source: { read(buf: Uint8Array): number | null }): string | null {
  const buffer = Buffer.alloc(65536);
  const size = source.read(buffer);
  return size === null ? null : buffer.toString('utf8', 0, size);
}
