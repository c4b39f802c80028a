/** RpcServer: methods for whoever connects; a frame for each request, batch and answer. */
import type { AddressLike, EventLoop, SocketAddress } from 'millrace';
import {
  encodeFrame,
  LengthPrefixedDecoder,
  type NetworkHandler,
  type ServerContext,
  TcpServer,
} from 'millrace/net';
import { answerTo, type Methods } from './methods.js';

export class RpcServer implements NetworkHandler {
  readonly #server: TcpServer;
  readonly #methods: Methods;
  readonly #decoders = new Map<number, LengthPrefixedDecoder>();

  constructor(loop: EventLoop, address: AddressLike, methods: Methods) {
    this.#server = new TcpServer(loop, { address }, this);
    this.#methods = methods;
  }

  /** Where it listens from now on. */
  listen(): SocketAddress {
    this.#server.listen();
    return this.#server.localAddress as SocketAddress;
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  onConnect(context: ServerContext, id: number): void {
    const decoder = new LengthPrefixedDecoder({}, (frame) => {
      void this.#answer(context, id, Buffer.from(frame).toString());
    });
    this.#decoders.set(id, decoder);
  }

  /** A frame that is too large throws, and that ends the connection. */
  onData(_context: ServerContext, id: number, data: Uint8Array): void {
    this.#decoders.get(id)?.push(data);
  }

  onDisconnect(_context: ServerContext, id: number): void {
    this.#decoders.delete(id);
  }

  /** What befalls one connection is its own affair. */
  onError(): void {}

  async #answer(context: ServerContext, id: number, text: string): Promise<void> {
    const answer = await answerTo(text, this.#methods);
    if (answer === null) return;
    try {
      if (context.sendTo(id, encodeFrame(answer))) return;
    } catch {
      // The answer is larger than a frame may be.
    }
    // An answer that cannot be given would be waited for: the end of the connection is one, too.
    context.closeConnection(id);
  }
}
