/**
 * What one connection says is sent to all of them, on `millrace/net`.
 *
 *   node broadcast-server.js PORT|PATH [READ_BYTES]
 */
import type { NetworkHandler, ServerContext } from 'millrace/net';
import { serveWithLayer } from './layer.js';

class Broadcast implements NetworkHandler {
  onData(context: ServerContext, _: number, data: Uint8Array): void {
    context.broadcast(data);
  }

  /** A load client that ends in mid-slice resets its connections; not our error. */
  onError(): void {}
}

await serveWithLayer(new Broadcast());
