/**
 * TcpServer: one address, and handlers for all its connections.
 *
 *   new TcpServer(loop, ...)     LocalServer: one handler, on that loop
 *   new TcpServer(system, ...)   ShardedServer: one in each shard
 */
import { ActorSystem } from '../actor/actor-system.js';
import type { ConnectionSender } from '../channel/connection-sender.js';
import type { Data } from '../data.js';
import { invalidType } from '../errors.js';
import { requireName } from '../actor/options.js';
import { DEFAULT_STOP_TIMEOUT_MS } from '../limits.js';
import { EventLoop } from '../loop/event-loop.js';
import { requireDuration, requireOptions } from '../validate.js';
import { resolveServerConfig, type TcpServerConfig } from './config.js';
import type { Connection } from './connection.js';
import type { ServerMetrics } from './counts.js';
import {
  type BroadcastOptions,
  type NetAddress,
  type NetworkHandler,
  requireNetworkHandler,
  type ServerContext,
} from './handlers.js';
import { LocalServer } from './local-server.js';
import { servedOnShards } from './server-errors.js';
import { ShardedServer } from './sharded-server.js';
import type { HandlerPlan } from './shard-server.js';

/** Options of `server.stop()`. */
export interface ServerStopOptions {
  /** For what is queued, and for peers to end; in milliseconds. From 0. @default 5000 */
  timeoutMs?: number;
}

/** For a server on the shards of a system. */
export interface ShardedServerOptions {
  /** The module's export to be constructed. @default its only class with an `onData()` */
  export?: string;
  /** For the constructor; cloned for each shard, and again when one has died. @default [] */
  args?: readonly unknown[];
}

/**
 * A server; and, on a loop, the {@link ServerContext} that its handler gets.
 *
 * @typeParam W where it serves
 */
export class TcpServer<W extends EventLoop | ActorSystem = EventLoop> implements ServerContext {
  readonly #server: LocalServer | ShardedServer;

  /**
   * Checks everything, and opens nothing.
   *
   * @param loop an `EventLoop` of this thread, or the context of an actor: there
   * the server belongs to the instance. When that is gone, or the loop is
   * closed, the server is closed with it, and no more callbacks come.
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   * ERR_INVALID_ADDRESS, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE;
   * MillraceError ERR_LOOP_CLOSED, ERR_ACTOR_STOPPED, ERR_TIMER_OVERFLOW: a
   * server takes one of the loop's timers
   */
  constructor(
    loop: W,
    config: TcpServerConfig,
    handler: W extends ActorSystem ? never : NetworkHandler,
  );

  /**
   * Spreads its connections over the shards of a system; without threads, all
   * are served on this one. Each shard constructs a handler of the module's
   * class, whose context is that shard's: it reaches the connections of its own
   * shard, and for ids of others is false or undefined. `maxConnections` counts
   * all; one too many is told to the handler of shard 0, or, with `reusePort`,
   * of the shard that accepted it. Ids are unique over all shards.
   *
   * One actor accepts, and hands each connection to the shard with the fewest.
   * With `reusePort` each shard listens, and the kernel deals them out. When a
   * shard dies its connections end, and a new handler serves there as soon as
   * the thread is back; `onListening` is not called again.
   *
   * @param system whose `stop()` closes the server in order as well
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   * ERR_INVALID_ADDRESS, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  constructor(
    system: W,
    config: TcpServerConfig,
    module: W extends ActorSystem ? URL : never,
    options?: ShardedServerOptions,
  );

  constructor(
    where: EventLoop | ActorSystem,
    config: TcpServerConfig,
    handler: NetworkHandler | URL,
    options?: ShardedServerOptions,
  ) {
    if (where instanceof ActorSystem) {
      const settings = resolveServerConfig(config);
      this.#server = new ShardedServer(where, settings, handlerPlan(handler, options));
      return;
    }
    if (!(where instanceof EventLoop)) {
      throw invalidType('loop', 'an EventLoop or an ActorSystem', where);
    }
    const settings = resolveServerConfig(config);
    requireNetworkHandler(handler);
    const local = handler as NetworkHandler;
    this.#server = new LocalServer(where, settings, local, { context: this });
  }

  /** Where it listens, with the port that the system chose; null before `listen()`. */
  get localAddress(): NetAddress | null {
    return this.#server.localAddress;
  }

  /**
   * Connections whose descriptors are open, those included that are being
   * closed, and those that are on their way to a shard.
   */
  get connectionCount(): number {
    return this.#server.connectionCount;
  }

  /**
   * What was counted up to now; a copy. Good before `listen()` and after `stop()`
   * as well. On shards it is summed over all of them, those included that have
   * died; what they are counting at this moment may be missing.
   */
  metrics(): ServerMetrics {
    return this.#server.metrics();
  }

  /** Whether it takes connections. */
  get isListening(): boolean {
    return this.#server.isListening;
  }

  /**
   * Binds, and takes connections from now on; `onListening` follows in a tick.
   * On shards it returns a promise, which resolves when all of them serve, and
   * rejects with the same errors, with those of the module, and with what the
   * handler's constructor throws; nothing is left behind then.
   *
   * @throws a system error (EADDRINUSE, EACCES ...); MillraceError
   * ERR_SERVER_LISTENING, ERR_SERVER_STOPPED; (rejects) ERR_MODULE_NOT_FOUND,
   * ERR_MODULE_FAILED, ERR_NO_HANDLER_CLASS, ERR_AMBIGUOUS_EXPORT,
   * ERR_NOT_A_HANDLER, ERR_SYSTEM_STOPPED
   */
  listen(): W extends ActorSystem ? Promise<void> : void {
    return this.#server.listen() as W extends ActorSystem ? Promise<void> : void;
  }

  /**
   * Takes no more connections, sends what is queued and lets peers end, up to a
   * deadline, closes all, and resolves when the last `onDisconnect` has returned. Where the loop
   * does not run there is nobody to wait for: then everything is closed, and
   * told, at once. The file of a Unix socket is removed. Idempotent; the
   * earliest deadline counts. Never rejects.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError
   * ERR_OUT_OF_RANGE
   */
  stop(options?: ServerStopOptions): Promise<void> {
    const { timeoutMs = DEFAULT_STOP_TIMEOUT_MS } = requireOptions('options', options, [
      'timeoutMs',
    ]);
    requireDuration('timeoutMs', timeoutMs);
    return this.#server.stop(timeoutMs);
  }

  /** As {@link stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // --- ServerContext, which on shards throws ERR_SERVER_ON_SHARDS ---------

  /** As {@link ServerContext.sendTo}. @throws on shards MillraceError ERR_SERVER_ON_SHARDS */
  sendTo(id: number, data: Data): boolean {
    return this.#local('sendTo()').sendTo(id, data);
  }

  /** As {@link ServerContext.broadcast}. @throws on shards MillraceError ERR_SERVER_ON_SHARDS */
  broadcast(data: Data, options?: BroadcastOptions): number {
    return this.#local('broadcast()').broadcast(data, options);
  }

  /**
   * As {@link ServerContext.closeConnection}.
   *
   * @throws on shards MillraceError ERR_SERVER_ON_SHARDS
   */
  closeConnection(id: number): boolean {
    return this.#local('closeConnection()').closeConnection(id);
  }

  /** As {@link ServerContext.pauseReads}. @throws on shards MillraceError ERR_SERVER_ON_SHARDS */
  pauseReads(id: number): boolean {
    return this.#local('pauseReads()').pauseReads(id);
  }

  /** As {@link ServerContext.resumeReads}. @throws on shards MillraceError ERR_SERVER_ON_SHARDS */
  resumeReads(id: number): boolean {
    return this.#local('resumeReads()').resumeReads(id);
  }

  /** As {@link ServerContext.connection}. @throws on shards MillraceError ERR_SERVER_ON_SHARDS */
  connection(id: number): Connection | undefined {
    return this.#local('connection()').connection(id);
  }

  /** As {@link ServerContext.sender}. @throws on shards MillraceError ERR_SERVER_ON_SHARDS */
  sender(id: number): ConnectionSender | undefined {
    return this.#local('sender()').sender(id);
  }

  #local(operation: string): LocalServer {
    if (this.#server instanceof LocalServer) return this.#server;
    throw servedOnShards(operation);
  }
}

function handlerPlan(module: unknown, options: ShardedServerOptions | undefined): HandlerPlan {
  if (!(module instanceof URL)) throw invalidType('module', 'a URL', module);
  const { export: exportName, args = [] } = requireOptions('options', options, ['export', 'args']);
  if (!Array.isArray(args)) throw invalidType('options.args', 'an array', args);
  return {
    href: module.href,
    export: exportName === undefined ? null : requireName('options.export', exportName),
    args: [...args],
  };
}
