/**
 * UDP echo on Millrace: with batches, the policy of `native/udp_echo_server.c`;
 * without, one datagram at a time, up to as many per event as a batch holds.
 *
 *   node udp-millrace.js batch|single SOCKETS BATCH
 */
import { DatagramBatch, EventLoop, Handler, type Token, UdpSocket } from 'millrace';
import { endWithInput, reportPorts } from './lifetime.js';

const SIZE_BYTES_MAX = 2048;

/** Tokens are indices into the table of sockets, so that none need be looked up. */
abstract class Echo extends Handler {
  protected readonly sockets: readonly UdpSocket[];

  constructor(loop: EventLoop, sockets: readonly UdpSocket[]) {
    super();
    this.sockets = sockets;
    for (const [index, socket] of sockets.entries()) loop.register(socket, index);
  }
}

class BatchEcho extends Echo {
  readonly #batch = new DatagramBatch(batchCapacity, SIZE_BYTES_MAX);

  override readable(_: EventLoop, token: Token): void {
    const socket = this.sockets[token];
    // What the kernel has no room to send is dropped, as UDP may.
    if (socket.recvMany(this.#batch) > 0) socket.sendMany(this.#batch);
  }
}

class SingleEcho extends Echo {
  readonly #buffer = new Uint8Array(SIZE_BYTES_MAX);

  override readable(_: EventLoop, token: Token): void {
    const socket = this.sockets[token];
    for (let count = 0; count < batchCapacity; count++) {
      const datagram = socket.recvFrom(this.#buffer);
      if (datagram === null) return;
      socket.sendTo(this.#buffer, datagram.address, 0, datagram.size);
    }
  }
}

const [kind, ...numbers] = process.argv.slice(2);
const [socketCount = 0, batchCapacity = 0] = numbers.map(Number);
if (kind !== 'batch' && kind !== 'single') throw new Error('usage: batch|single SOCKETS BATCH');

const loop = new EventLoop();
const sockets = Array.from({ length: socketCount }, () => UdpSocket.bind('127.0.0.1:0'));
const server = new { batch: BatchEcho, single: SingleEcho }[kind](loop, sockets);
endWithInput(() => loop.shutdown());
reportPorts(sockets.map((socket) => socket.localAddress.port));
await loop.run(server);
process.exit(0);
