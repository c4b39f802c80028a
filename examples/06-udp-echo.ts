/**
 * UDP echo in batches: one system call receives what waits, up to a batch, and
 * one sends all of it back to where it came from.
 *
 * The batch is memory of the handler and is used again for every event, so
 * that nothing is allocated however many datagrams come. What the system has
 * no room for is kept and sent when the socket is writable; meanwhile nothing
 * is received, and the kernel's buffer drops what comes in excess, as UDP may.
 *
 *     node dist/examples/06-udp-echo.js [address]
 */
import { DatagramBatch, EventLoop, Handler, Interest, UdpSocket } from 'millrace';

const DEFAULT_ADDRESS = '127.0.0.1:7000';
const BATCH_CAPACITY = 64;
/** What fits into a frame of Ethernet, with room to spare; more is cut off and not answered. */
const SIZE_BYTES_MAX = 2048;
const TOKEN = 0;

class UdpEcho extends Handler {
  readonly #socket: UdpSocket;
  readonly #batch = new DatagramBatch(BATCH_CAPACITY, SIZE_BYTES_MAX);
  /** How many of the batch have been sent. */
  #sent = 0;
  #echoed = 0;

  constructor(socket: UdpSocket) {
    super();
    this.#socket = socket;
  }

  override readable(loop: EventLoop): void {
    if (this.#socket.recvMany(this.#batch) === 0) return;
    this.#sent = 0;
    this.#dropTruncated();
    this.#send();
    if (this.#sent < this.#batch.count) loop.reregister(this.#socket, TOKEN, Interest.WRITABLE);
  }

  override writable(loop: EventLoop): void {
    this.#send();
    if (this.#sent === this.#batch.count) loop.reregister(this.#socket, TOKEN, Interest.READABLE);
  }

  override signal(loop: EventLoop, info: { signal: NodeJS.Signals }): void {
    console.log(`${info.signal}: ${this.#echoed} datagrams were echoed`);
    this.#socket.close();
    loop.shutdown();
  }

  #send(): void {
    const sent = this.#socket.sendMany(this.#batch, this.#sent);
    this.#sent += sent;
    this.#echoed += sent;
  }

  /** Half an answer would be a wrong one: the last of the batch takes the place of each. */
  #dropTruncated(): void {
    const batch = this.#batch;
    for (let index = batch.count - 1; index >= 0; index--) {
      if (!batch.truncated(index)) continue;
      const last = batch.count - 1;
      if (index < last) batch.set(index, batch.data(last), batch.address(last));
      batch.count = last;
    }
  }
}

const loop = new EventLoop();
const socket = UdpSocket.bind(process.argv[2] ?? DEFAULT_ADDRESS);
const { address, family, port } = socket.localAddress;
loop.register(socket, TOKEN);
loop.registerSignal('SIGINT');
loop.registerSignal('SIGTERM');
console.log(`Listening on ${family === 'IPv6' ? `[${address}]` : address}:${port}`);
await loop.run(new UdpEcho(socket));
loop.close();
