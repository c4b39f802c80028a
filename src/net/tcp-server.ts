/**
 * TcpServer: one address, and one handler for all its connections.
 *
 *   NEW ──listen()──> LISTENING ──stop()──> STOPPING ──> STOPPED
 *    └────────────────────────────stop()──────────────────^
 *
 * It lives on a loop, or in an actor, as a guest: whatever else the loop
 * serves, its handler sees nothing of the server, and the tokens are its own.
 */
import { invalidType, MillraceError } from '../errors.js';
import { DEFAULT_STOP_TIMEOUT_MS } from '../limits.js';
import { EventLoop } from '../loop/event-loop.js';
import { requireDuration, requireInteger, requireOptions } from '../validate.js';
import { Acceptor } from './acceptor.js';
import { resolveServerConfig, type ServerSettings, type TcpServerConfig } from './config.js';
import type { Connection } from './connection.js';
import { Connections } from './connections.js';
import { bytesOf } from './data.js';
import {
  type BroadcastOptions,
  type Data,
  type NetAddress,
  type NetworkHandler,
  requireNetworkHandler,
  type ServerContext,
} from './handlers.js';
import { copyOf } from './write-queue.js';

const State = { NEW: 0, LISTENING: 1, STOPPING: 2, STOPPED: 3 } as const;
type State = (typeof State)[keyof typeof State];

export interface ServerStopOptions {
  /** For what is queued, and for peers to end; in milliseconds. From 0. @default 5000 */
  timeoutMs?: number;
}

/** A `stop()` that was asked for. */
interface Stopping {
  readonly promise: Promise<void>;
  resolve(): void;
  deadlineMs: number;
}

/** A server; and the {@link ServerContext} that its handler gets. */
export class TcpServer implements ServerContext {
  readonly #settings: ServerSettings;
  readonly #connections: Connections;
  #state: State = State.NEW;
  #acceptor: Acceptor | null = null;
  #localAddress: NetAddress | null = null;
  #stopping: Stopping | null = null;

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
  constructor(loop: EventLoop, config: TcpServerConfig, handler: NetworkHandler) {
    if (!(loop instanceof EventLoop)) throw invalidType('loop', 'an EventLoop', loop);
    this.#settings = resolveServerConfig(config);
    requireNetworkHandler(handler);
    const keeper = {
      context: this,
      emptied: () => this.#finishIfDone(),
      rang: (settledMs: number) => this.#rang(settledMs),
      dismissed: () => this.#finish(),
    };
    this.#connections = new Connections(loop, keeper, this.#settings, handler);
  }

  /** Where it listens, with the port that the system chose; null before `listen()`. */
  get localAddress(): NetAddress | null {
    return this.#localAddress;
  }

  /** Connections whose descriptors are open, those included that are being closed. */
  get connectionCount(): number {
    return this.#connections.openCount;
  }

  /** Whether it takes connections. */
  get isListening(): boolean {
    return this.#state === State.LISTENING;
  }

  /**
   * Binds, and takes connections from now on; `onListening` follows in a tick.
   *
   * @throws a system error (EADDRINUSE, EACCES ...); MillraceError
   * ERR_SERVER_LISTENING, ERR_SERVER_STOPPED
   */
  listen(): void {
    if (this.#state === State.LISTENING) throw alreadyListening();
    if (this.#state !== State.NEW) throw serverStopped();
    const { group } = this.#connections;
    this.#acceptor = new Acceptor(group, this.#settings, this.#connections);
    this.#localAddress = this.#acceptor.localAddress;
    this.#state = State.LISTENING;
    group.notify({ perform: () => this.#listening() });
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
    if (this.#state === State.STOPPED) return Promise.resolve();
    this.#stopping ??= newStopping();
    const stopping = this.#stopping;
    const { host } = this.#connections.group;
    const deadlineMs = host.driver.now() + timeoutMs;
    stopping.deadlineMs = Math.min(stopping.deadlineMs, deadlineMs);
    this.#state = State.STOPPING;
    this.#closeAcceptor();
    this.#connections.closeAll();
    if (host.isRunning) this.#connections.group.setAlarm(stopping.deadlineMs);
    else this.#endNow();
    this.#finishIfDone();
    return stopping.promise;
  }

  /** As {@link stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // --- ServerContext -----------------------------------------------------

  sendTo(id: number, data: Data): boolean {
    const bytes = bytesOf(data);
    const connection = this.#connections.all.get(id);
    return connection !== undefined && connection.send(bytes);
  }

  broadcast(data: Data, options?: BroadcastOptions): number {
    const bytes = bytesOf(data);
    const { except } = requireOptions('options', options, ['except']);
    if (except !== undefined) requireInteger('except', except, { min: 1 });
    let copy: Uint8Array | null = null;
    const shared = () => (copy ??= copyOf(bytes));
    let count = 0;
    for (const connection of this.#connections.all.values()) {
      if (connection.id !== except && connection.sendShared(bytes, shared)) count += 1;
    }
    return count;
  }

  closeConnection(id: number): boolean {
    return this.#connections.all.get(id)?.close('closed') ?? false;
  }

  pauseReads(id: number): boolean {
    return this.#connections.all.get(id)?.pause() ?? false;
  }

  resumeReads(id: number): boolean {
    return this.#connections.all.get(id)?.resume() ?? false;
  }

  connection(id: number): Connection | undefined {
    return this.#connections.all.get(id);
  }

  // --- The end -----------------------------------------------------------

  #listening(): void {
    if (this.isListening) this.#connections.listening(this.#localAddress!);
  }

  #rang(settledMs: number): number {
    const deadlineMs = this.#stopping?.deadlineMs ?? Infinity;
    if (settledMs < deadlineMs) return deadlineMs;
    this.#connections.endAll();
    return Infinity;
  }

  #endNow(): void {
    this.#connections.endAll();
    this.#connections.group.settle();
  }

  #closeAcceptor(): void {
    this.#acceptor?.close();
    this.#acceptor = null;
  }

  #finishIfDone(): void {
    if (this.#state !== State.STOPPING || this.#connections.all.size > 0) return;
    this.#connections.group.leave();
    this.#finish();
  }

  #finish(): void {
    this.#state = State.STOPPED;
    this.#closeAcceptor();
    this.#stopping?.resolve();
  }
}

function newStopping(): Stopping {
  let resolve!: () => void;
  const promise = new Promise<void>((resolvePromise) => {
    resolve = resolvePromise;
  });
  return { promise, resolve, deadlineMs: Infinity };
}

function alreadyListening(): MillraceError {
  return new MillraceError(
    'ERR_SERVER_LISTENING',
    'listen(): this TcpServer listens already, at its localAddress; make another one for another',
  );
}

function serverStopped(): MillraceError {
  return new MillraceError(
    'ERR_SERVER_STOPPED',
    'listen(): this TcpServer was stopped; make another one',
  );
}
