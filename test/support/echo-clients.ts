/** Connections that send a little, wait for its echo, and send again: their latencies. */
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';

const MESSAGE = Buffer.alloc(64, 'e');

export interface EchoLatencies {
  roundTrips: number;
  p50Us: number;
  p99Us: number;
}

export class EchoClients implements Disposable {
  readonly #sockets: readonly Socket[];
  #timesMs: number[] = [];
  #endMs = 0;

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets;
  }

  static async open(address: NetConnectOpts, count: number): Promise<EchoClients> {
    const sockets = Array.from({ length: count }, () => connect(address).setNoDelay(true));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    return new EchoClients(sockets);
  }

  /** Rejects if a connection ends; a message that is not answered keeps it waiting. */
  async measure(ms: number): Promise<EchoLatencies> {
    this.#timesMs = [];
    this.#endMs = performance.now() + ms;
    await Promise.all(this.#sockets.map((socket) => this.#exchange(socket)));
    const times = this.#timesMs.toSorted((a, b) => a - b);
    const [p50Us, p99Us] = [0.5, 0.99].map((part) => times[Math.floor(times.length * part)] * 1000);
    return { roundTrips: times.length, p50Us, p99Us };
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #exchange(socket: Socket): Promise<void> {
    return new Promise((resolve, reject) => {
      let sentMs = performance.now();
      let missing = MESSAGE.length;
      const onClose = () => reject(new Error('an echo connection was closed'));
      const onData = (data: Buffer): void => {
        missing -= data.length;
        if (missing > 0) return;
        const nowMs = performance.now();
        this.#timesMs.push(nowMs - sentMs);
        if (nowMs >= this.#endMs) {
          socket.off('data', onData).off('close', onClose);
          resolve();
          return;
        }
        sentMs = nowMs;
        missing = MESSAGE.length;
        socket.write(MESSAGE);
      };
      socket.on('data', onData).on('close', onClose);
      socket.write(MESSAGE);
    });
  }
}
