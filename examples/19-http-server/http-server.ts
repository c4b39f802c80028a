/** HttpServer: a session for each connection of a `TcpServer`. */
import type { AddressLike, EventLoop, SocketAddress } from 'millrace';
import {
  type NetworkHandler,
  type ServerContext,
  type ServerStopOptions,
  TcpServer,
} from 'millrace/net';
import type { RequestLimits } from './request-parser.js';
import { type Respond, Session } from './session.js';

export interface HttpServerOptions {
  /** How long a connection may be without a byte in either direction. */
  idleTimeoutMs: number;
  /** How long a request may take from its first byte to its last. */
  requestTimeoutMs: number;
  limits: RequestLimits;
}

const DEFAULTS: HttpServerOptions = {
  idleTimeoutMs: 30_000,
  requestTimeoutMs: 20_000,
  limits: { targetBytes: 8 * 1024, headBytes: 16 * 1024, bodyBytes: 1024 * 1024 },
};

const BUFFER_BYTES = 64 * 1024;

export class HttpServer implements NetworkHandler {
  readonly #server: TcpServer;
  readonly #sessions = new Map<number, Session>();
  readonly #respond: Respond;
  readonly #options: HttpServerOptions;

  constructor(
    loop: EventLoop,
    address: AddressLike,
    respond: Respond,
    options?: Partial<HttpServerOptions>,
  ) {
    this.#respond = respond;
    this.#options = { ...DEFAULTS, ...options };
    const { idleTimeoutMs } = this.#options;
    this.#server = new TcpServer(
      loop,
      { address, idleTimeoutMs, bufferSizeBytes: BUFFER_BYTES },
      this,
    );
  }

  /** Where it listens from now on. */
  listen(): SocketAddress {
    this.#server.listen();
    return this.#server.localAddress as SocketAddress;
  }

  /** Closes all connections; what is queued for them is sent first, as long as that may take. */
  stop(options?: ServerStopOptions): Promise<void> {
    return this.#server.stop(options);
  }

  /** To be called now and then: ends what waits for clients that are too slow. */
  sweep(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      session.check(nowMs, this.#options.requestTimeoutMs);
    }
  }

  onConnect(context: ServerContext, id: number): void {
    this.#sessions.set(id, new Session(context, id, this.#options.limits, this.#respond));
  }

  onData(_context: ServerContext, id: number, data: Uint8Array): void {
    this.#sessions.get(id)?.received(data);
  }

  onDrained(_context: ServerContext, id: number): void {
    this.#sessions.get(id)?.drained();
  }

  onDisconnect(_context: ServerContext, id: number): void {
    this.#sessions.get(id)?.close();
    this.#sessions.delete(id);
  }

  /** Clients that reset their connections are no concern of a server; its own mistakes are. */
  onError(_context: ServerContext, _id: number | null, error: Error): void {
    if (!('syscall' in error)) console.error(error);
  }
}
