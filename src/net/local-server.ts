/**
 * LocalServer: a TcpServer on one loop; one handler for all its connections.
 *
 *   NEW ──listen()──> LISTENING ──stop()──> STOPPING ──> STOPPED
 *    └────────────────────────────stop()──────────────────^
 *
 * It lives on a loop, or in an actor, as a guest: whatever else the loop
 * serves, its handler sees nothing of the server, and the tokens are its own.
 */
import { ConnectionSender } from '../channel/connection-sender.js';
import type { EventLoop } from '../loop/event-loop.js';
import { requireInteger, requireOptions } from '../validate.js';
import { Acceptor, bindAt } from './acceptor.js';
import type { ServerSettings } from './config.js';
import type { Connection } from './connection.js';
import { Connections } from './connections.js';
import { type Counts, createCounts, type ServerMetrics, serverMetrics } from './counts.js';
import { bytesOf, type Data } from '../data.js';
import type { NetStream } from './endpoint.js';
import type { BroadcastOptions, NetAddress, NetworkHandler, ServerContext } from './handlers.js';
import { alreadyListening, serverStopped } from './server-errors.js';
import { OwnSlots, type Slots } from './slots.js';
import { copyOf } from './write-queue.js';

const State = { NEW: 0, LISTENING: 1, STOPPING: 2, STOPPED: 3 } as const;
type State = (typeof State)[keyof typeof State];

/** A `stop()` that was asked for. */
interface Stopping {
  readonly promise: Promise<void>;
  resolve(): void;
  deadlineMs: number;
}

/** What differs where the server is a part of another. */
export interface ServerPart {
  /** What its handler gets. @default the server */
  context?: ServerContext;
  /** @default as many as the settings allow, for itself alone */
  slots?: Slots;
  /** Counted on from there. @default its own, from 0 */
  counts?: Counts;
}

export class LocalServer implements ServerContext {
  readonly #settings: ServerSettings;
  readonly #connections: Connections;
  #state: State = State.NEW;
  #acceptor: Acceptor | null = null;
  #localAddress: NetAddress | null = null;
  #stopping: Stopping | null = null;

  /** Opens nothing. */
  constructor(
    loop: EventLoop,
    settings: ServerSettings,
    handler: NetworkHandler,
    part: ServerPart = {},
  ) {
    this.#settings = settings;
    const keeper = {
      context: part.context ?? this,
      slots: part.slots ?? new OwnSlots(settings.maxConnections),
      counts: part.counts ?? createCounts(),
      emptied: () => this.#finishIfDone(),
      rang: (settledMs: number) => this.#rang(settledMs),
      dismissed: () => this.#finish(),
    };
    this.#connections = new Connections(loop, keeper, this.#settings, handler);
  }

  get localAddress(): NetAddress | null {
    return this.#localAddress;
  }

  get connectionCount(): number {
    return this.#connections.openCount;
  }

  get isListening(): boolean {
    return this.#state === State.LISTENING;
  }

  metrics(): ServerMetrics {
    return serverMetrics([this.#connections.counts]);
  }

  listen(): void {
    if (this.#state === State.LISTENING) throw alreadyListening();
    if (this.#state !== State.NEW) throw serverStopped();
    const { group } = this.#connections;
    const bound = bindAt(group.host.driver, this.#settings);
    this.#acceptor = new Acceptor(group, bound, this.#connections);
    this.open();
    this.announce(bound.localAddress);
  }

  /** Serves what {@link serve} is given. */
  open(): void {
    this.#state = State.LISTENING;
  }

  /** Tells the handler, in a tick, where connections come from. */
  announce(address: NetAddress): void {
    this.#localAddress = address;
    this.#connections.group.notify({ perform: () => this.#listening() });
  }

  /** A connection that somebody else has accepted, with a slot that was taken for it. */
  serve(stream: NetStream): void {
    this.#connections.group.dispatch({ perform: () => this.#connections.serve(stream) }, 0);
  }

  /** One that nobody serves. */
  refused(error: Error): void {
    this.#connections.group.dispatch({ perform: () => this.#connections.refused(error) }, 0);
  }

  stop(timeoutMs: number): Promise<void> {
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

  sender(id: number): ConnectionSender | undefined {
    const connection = this.#connections.all.get(id);
    if (connection === undefined || !connection.isOpen) return undefined;
    const address = this.#connections.group.host.address();
    const { buffer: gate } = connection.gate;
    return new ConnectionSender({ millrace: 'connection', ...address, id, gate });
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
