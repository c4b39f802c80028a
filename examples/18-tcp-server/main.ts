/**
 * The echo server again, on TcpServer: what example 04 does by hand, accepting,
 * queueing, back-pressure, half-closed peers, is the server's business here.
 * And what example 16 does by hand: with --shards, its connections are spread
 * over so many threads, and the handler is the same.
 *
 *     node dist/examples/18-tcp-server/main.js [--shards N] [address]
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { ActorSystem, EventLoop, Handler } from 'millrace';
import { TcpServer, type TcpServerConfig } from 'millrace/net';
import { Echo } from './echo.js';

const DEFAULT_ADDRESS = '127.0.0.1:7000';
const HANDLER = new URL('./echo.js', import.meta.url);

/** The loop is ours: the server is a guest on it, and not in this handler's way. */
class Signals extends Handler {
  readonly #server: TcpServer;

  constructor(server: TcpServer) {
    super();
    this.#server = server;
  }

  override signal(loop: EventLoop, { signal }: { signal: NodeJS.Signals }): void {
    void close(this.#server, signal).finally(() => loop.shutdown());
  }
}

async function serveHere(config: TcpServerConfig): Promise<void> {
  const loop = new EventLoop();
  const server = new TcpServer(loop, config, new Echo());
  server.listen();
  announce(server);
  loop.registerSignal('SIGINT');
  loop.registerSignal('SIGTERM');
  await loop.run(new Signals(server));
  loop.close();
}

async function serveOnShards(config: TcpServerConfig, shards: number): Promise<void> {
  // Disposed of, also when the address is refused: then the threads end.
  await using system = await ActorSystem.start({ shards });
  const server = new TcpServer(system, config, HANDLER);
  await server.listen();
  announce(server);
  const [signal] = await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await close(server, signal);
}

function announce({ localAddress: at }: TcpServer | TcpServer<ActorSystem>): void {
  if (at === null || !('port' in at)) return;
  console.log(`Listening on ${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`);
}

async function close(server: TcpServer | TcpServer<ActorSystem>, signal: string): Promise<void> {
  console.log(`${signal}: closing ${server.connectionCount} connections`);
  await server.stop({ timeoutMs: 1000 });
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { shards: { type: 'string' } },
});
const config = { address: positionals[0] ?? DEFAULT_ADDRESS };
if (values.shards === undefined) await serveHere(config);
else await serveOnShards(config, Number(values.shards));
