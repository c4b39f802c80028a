/**
 * TCP echo on `millrace/net`, as everybody writes it.
 *
 *   node echo-server.js PORT|PATH [READ_BYTES]
 */
import type { NetworkHandler, ServerContext } from 'millrace/net';
import { serveWithLayer } from './layer.js';

class Echo implements NetworkHandler {
  onData(context: ServerContext, id: number, data: Uint8Array): void {
    context.sendTo(id, data);
  }

  /** A load client that ends in mid-slice resets its connections; not our error. */
  onError(): void {}
}

await serveWithLayer(new Echo());
