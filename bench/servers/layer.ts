/**
 * A server of `millrace/net`, at the place that the harness has chosen, until
 * the input ends. Arguments: the place, and how many bytes are read at once at
 * most; without them it is as many as by default.
 */
import { EventLoop } from 'millrace';
import { type NetworkHandler, TcpServer } from 'millrace/net';
import { endWithInput, isPath, reportAddress } from './lifetime.js';

export async function serveWithLayer(handler: NetworkHandler): Promise<never> {
  const [wanted = '0', readBytes] = process.argv.slice(2);
  const loop = new EventLoop();
  const address = isPath(wanted) ? { path: wanted } : `127.0.0.1:${wanted}`;
  const config =
    readBytes === undefined ? { address } : { address, bufferSizeBytes: Number(readBytes) };
  const server = new TcpServer(loop, config, handler);
  server.listen();
  endWithInput(() => loop.shutdown());
  const { localAddress } = server;
  reportAddress(localAddress !== null && 'port' in localAddress ? localAddress.port : wanted);
  await loop.run({});
  process.exit(0);
}
