/**
 * The echo server again, on TcpServer: what example 04 does by hand, accepting,
 * queueing, back-pressure, half-closed peers, is the server's business here.
 *
 *     node dist/examples/18-tcp-server.js [address]
 */
import { EventLoop, Handler } from 'millrace';
import { type NetworkHandler, type ServerContext, TcpServer } from 'millrace/net';

const DEFAULT_ADDRESS = '127.0.0.1:7000';

class Echo implements NetworkHandler {
  onData(context: ServerContext, id: number, data: Uint8Array): void {
    // Always taken: a connection whose queue is too long is not read meanwhile.
    context.sendTo(id, data);
  }

  onError(_: ServerContext, id: number | null, error: Error): void {
    // A reset by the peer ends its own connection; a mistake of ours is not hidden.
    if (!('syscall' in error)) throw error;
    console.log(`Connection ${id}: ${error.message}`);
  }
}

/** The loop is ours: the server is a guest on it, and not in this handler's way. */
class Signals extends Handler {
  readonly #server: TcpServer;

  constructor(server: TcpServer) {
    super();
    this.#server = server;
  }

  override signal(loop: EventLoop, { signal }: { signal: NodeJS.Signals }): void {
    console.log(`${signal}: closing ${this.#server.connectionCount} connections`);
    void this.#server.stop({ timeoutMs: 1000 }).finally(() => loop.shutdown());
  }
}

const loop = new EventLoop();
const server = new TcpServer(loop, { address: process.argv[2] ?? DEFAULT_ADDRESS }, new Echo());
server.listen();
const at = server.localAddress;
if (at !== null && 'port' in at) {
  console.log(`Listening on ${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`);
}
loop.registerSignal('SIGINT');
loop.registerSignal('SIGTERM');
await loop.run(new Signals(server));
loop.close();
