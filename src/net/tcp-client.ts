import { invalidType } from '../errors.js';
import { EventLoop } from '../loop/event-loop.js';
import { ClientLink, type ClientState } from './client-link.js';
import { resolveClientConfig, type TcpClientConfig } from './config.js';
import type { Connection } from './connection.js';
import { type ClientMetrics, clientMetrics } from './counts.js';
import { bytesOf, type Data } from '../data.js';
import { type ClientHandler, requireClientHandler } from './handlers.js';

/**
 * A client: one connection at a time to one address, again and again if it is
 * told to. It lives on a loop, or in an actor, as a `TcpServer` does.
 */
export class TcpClient {
  readonly #link: ClientLink;

  /**
   * Checks everything, and opens nothing.
   *
   * @param loop an `EventLoop` of this thread, or the context of an actor: there
   * the client belongs to the instance. When that is gone, or the loop is
   * closed, the client is closed with it, and no more callbacks come.
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   * ERR_INVALID_ADDRESS, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE;
   * MillraceError ERR_LOOP_CLOSED, ERR_ACTOR_STOPPED, ERR_TIMER_OVERFLOW: a
   * client takes one of the loop's timers
   */
  constructor(loop: EventLoop, config: TcpClientConfig, handler: ClientHandler) {
    if (!(loop instanceof EventLoop)) throw invalidType('loop', 'an EventLoop', loop);
    const settings = resolveClientConfig(config);
    requireClientHandler(handler);
    this.#link = new ClientLink(loop, this, settings, handler);
  }

  /**
   * 'idle': not asked to connect, or given up. 'waiting': between two attempts.
   * 'closed': from `close()` on, though the last bytes may still be under way.
   */
  get state(): ClientState {
    return this.#link.state;
  }

  /** The connection there is, until `onDisconnect`: its addresses and counts; else null. */
  get connection(): Connection | null {
    return this.#link.connection;
  }

  /** What was counted up to now, over all its connections; a copy. */
  metrics(): ClientMetrics {
    return clientMetrics(this.#link.counts);
  }

  /**
   * Begins to connect; `onConnect` or `onError` follows in a tick. While the
   * client is connected, or on its way, nothing happens.
   *
   * @throws MillraceError ERR_CLIENT_CLOSED
   */
  connect(): void {
    this.#link.connect();
  }

  /**
   * Sends. What the kernel does not take at once is copied and queued. Before
   * the connection is established, and while the client waits for the next
   * attempt, everything is queued, and goes out on the next connection before
   * what `onConnect` sends. What was taken for a connection that is lost is lost.
   *
   * False: nothing was taken, because more than `highWaterMarkBytes` are queued
   * already, or the client is idle or closed.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  send(data: Data): boolean {
    return this.#link.send(bytesOf(data));
  }

  /** Reads nothing until {@link resumeReads}; true if there is a connection. */
  pauseReads(): boolean {
    return this.#link.connection?.pause() ?? false;
  }

  /** Reads again; true if there is a connection. */
  resumeReads(): boolean {
    return this.#link.connection?.resume() ?? false;
  }

  /**
   * Sends what is queued, and closes for good; `onDisconnect` follows in a tick
   * if there was a connection. An attempt under way is given up, and what was
   * queued for it. Where the loop does not run, all of it is done at once.
   * Idempotent.
   */
  close(): void {
    this.#link.close();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
