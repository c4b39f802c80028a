/**
 * A loop under load, for those who end it in the middle: UDP and TCP traffic
 * with itself, timers that come and go, and messages. Each callback may be the
 * last, by whatever `onCallback` does.
 */
import {
  EventLoop,
  Handler,
  Interest,
  type PollerMode,
  TcpListener,
  TcpStream,
  type Timeout,
  type Token,
  UdpSocket,
} from 'millrace';

const UDP = 1;
const LISTENER = 2;
const FIRST_STREAM = 3;

/** So many datagrams, and so many connections, are under way at any time. */
const DATAGRAMS = 8;
const CONNECTIONS = 4;

const INTERVAL_MS = 1;
const FAR_MS = 60_000;

export type LoadLoop = EventLoop<string, string>;

class Load extends Handler<string, string> {
  readonly #onCallback: (loop: LoadLoop) => void;
  readonly #udp = UdpSocket.bind('127.0.0.1:0');
  readonly #listener = TcpListener.bind('127.0.0.1:0');
  readonly #streams = new Map<Token, TcpStream>();
  readonly #buffer = new Uint8Array(1024);
  readonly #far: Timeout[] = [];

  constructor(loop: LoadLoop, onCallback: (loop: LoadLoop) => void) {
    super();
    this.#onCallback = onCallback;
    loop.register(this.#udp, UDP);
    loop.register(this.#listener, LISTENER);
  }

  begin(loop: LoadLoop): void {
    loop.interval('interval', INTERVAL_MS);
    const { localAddress } = this.#udp;
    for (let i = 0; i < DATAGRAMS; i++) this.#udp.sendTo(this.#buffer, localAddress);
    for (let i = 0; i < CONNECTIONS; i++) this.#connect(loop);
  }

  override readable(loop: LoadLoop, token: Token): void {
    if (token === UDP) this.#echoDatagram();
    else if (token === LISTENER) this.#accept(loop);
    else this.#echo(loop, token);
    this.#onCallback(loop);
  }

  override writable(loop: LoadLoop, token: Token): void {
    const stream = this.#streams.get(token);
    if (stream === undefined) return;
    stream.write(this.#buffer);
    loop.reregister(stream, token, Interest.READABLE);
    this.#onCallback(loop);
  }

  override timeout(loop: LoadLoop): void {
    loop.channel().send('message');
    this.#far.push(loop.timeout('far', FAR_MS));
    if (this.#far.length > DATAGRAMS) loop.clearTimeout(this.#far.shift()!);
    this.#onCallback(loop);
  }

  override notify(loop: LoadLoop): void {
    this.#onCallback(loop);
  }

  #echoDatagram(): void {
    const datagram = this.#udp.recvFrom(this.#buffer);
    if (datagram !== null) this.#udp.sendTo(this.#buffer, datagram.address);
  }

  #connect(loop: LoadLoop): void {
    this.#add(loop, TcpStream.connect(this.#listener.localAddress), Interest.WRITABLE);
  }

  #accept(loop: LoadLoop): void {
    for (let stream = this.#listener.accept(); stream !== null; stream = this.#listener.accept()) {
      this.#add(loop, stream, Interest.READABLE);
    }
  }

  #add(loop: LoadLoop, stream: TcpStream, interest: Interest): void {
    const token = FIRST_STREAM + loop.nextToken();
    // Connections come and go by the thousand; none must linger in the kernel.
    stream.setLinger(0);
    this.#streams.set(token, stream);
    loop.register(stream, token, interest);
  }

  /** Now and then a connection is closed, and another one opened in its place. */
  #echo(loop: LoadLoop, token: Token): void {
    const stream = this.#streams.get(token);
    if (stream === undefined) return;
    if (loop.random() > 0.05 && this.#transfer(stream)) return;
    stream.close();
    this.#streams.delete(token);
    if (this.#streams.size < 2 * CONNECTIONS) this.#connect(loop);
  }

  /** False when the peer has gone. */
  #transfer(stream: TcpStream): boolean {
    try {
      const size = stream.read(this.#buffer);
      if (size === 0) return false;
      if (size !== null) stream.write(this.#buffer.subarray(0, size));
      return true;
    } catch {
      return false;
    }
  }
}

/** How a loop under load is run, and how long until its end. */
export interface LoadOptions {
  poller: PollerMode;
  /** runSync() in place of run(). */
  sync: boolean;
  delayMs: number;
  /** No load at all: the loop sleeps, and under runSync() its thread blocks. */
  quiet: boolean;
}

/** Runs a loop under load; calls `end` from a callback, over and over, once the delay is over. */
export function runLoad(
  { poller, sync, delayMs, quiet }: LoadOptions,
  end: (loop: LoadLoop) => void,
): void {
  const endMs = performance.now() + delayMs;
  const loop: LoadLoop = new EventLoop({ poller });
  const load = new Load(loop, () => {
    if (performance.now() >= endMs) end(loop);
  });
  if (!quiet) load.begin(loop);
  if (sync) loop.runSync(load);
  // What it rejects with is to end the thread: nobody catches it.
  else void loop.run(load);
}
