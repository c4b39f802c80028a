/**
 * An HTTP/1.1 server: keep-alive, pipelining, bodies by length and in chunks,
 * both ways; strict about what it takes for a request (RFC 9112), and with a
 * limit to everything that a client can make it keep.
 *
 *     node dist/examples/19-http-server/main.js [port]
 *     curl -i http://127.0.0.1:8080/json
 */
import { EventLoop, Handler } from 'millrace';
import { HttpServer } from './http-server.js';
import { route } from './routes.js';

const DEFAULT_PORT = 8080;
const SWEEP_MS = 1000;

class Main extends Handler {
  readonly #server: HttpServer;

  constructor(server: HttpServer) {
    super();
    this.#server = server;
  }

  override timeout(loop: EventLoop): void {
    this.#server.sweep(loop.now());
  }

  override signal(loop: EventLoop): void {
    void this.#server.stop().then(() => loop.shutdown());
  }
}

const loop = new EventLoop();
const server = new HttpServer(
  loop,
  { host: '127.0.0.1', port: Number(process.argv[2] ?? DEFAULT_PORT) },
  route,
);
const { address, port } = server.listen();
console.log(`Listening on ${address}:${port}`);
loop.interval('sweep', SWEEP_MS);
loop.registerSignal('SIGINT');
loop.registerSignal('SIGTERM');
await loop.run(new Main(server));
loop.close();
