/** What the server does with its connections; on shards, one such handler lives in each. */
import type { NetworkHandler, ServerContext } from 'millrace/net';

export class Echo implements NetworkHandler {
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
