/**
 * ClientLink: what a client does to be connected, and what its handler is told.
 *
 *   IDLE ──connect()──> CONNECTING ──> OPEN ──┐ lost
 *    ^                   │      ^       <─────┘
 *    │      gave up      v      │
 *    └──────────────── WAITING ─┘     close(), from anywhere ──> CLOSED
 */
import { constants } from 'node:os';
import { type Endpoint, MillraceError, type SystemError, systemError } from '../errors.js';
import type { EventLoop } from '../loop/event-loop.js';
import { Interest } from '../poll/interest.js';
import type { Recipient } from '../poll/registry.js';
import type { ClientSettings, NetAddressLike } from './config.js';
import { Connection } from './connection.js';
import { Count, createCounts } from './counts.js';
import { applyOptions, connectTo, isUnix, type NetStream } from './endpoint.js';
import { Faults } from './faults.js';
import { Group, type Owner, type Task } from './group.js';
import type { ClientHandler } from './handlers.js';
import type { TcpClient } from './tcp-client.js';
import { WriteQueue } from './write-queue.js';

/** Where a client stands. */
export type ClientState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

const ETIMEDOUT = -constants.errno.ETIMEDOUT;

export class ClientLink implements Owner {
  readonly counts = createCounts();
  readonly #client: TcpClient;
  readonly #settings: ClientSettings;
  readonly #handler: ClientHandler;
  readonly #group: Group;
  readonly #faults: Faults;
  #state: ClientState = 'idle';
  #handshake: Handshake | null = null;
  /** Until its `onDisconnect` has been called. */
  #connection: Connection | null = null;
  /** What was sent while there was no connection. */
  #unsent: WriteQueue | null = null;
  /** Failed attempts in a row. */
  #failures = 0;
  /** When the attempt has taken too long, or the next one is to be made. */
  #dueMs = Infinity;

  constructor(
    loop: EventLoop,
    client: TcpClient,
    settings: ClientSettings,
    handler: ClientHandler,
  ) {
    this.#client = client;
    this.#settings = settings;
    this.#handler = handler;
    this.#group = new Group(loop, this, settings);
    this.#faults = new Faults(this.#group, 'a TcpClient', () =>
      handler.onError === undefined ? null : (_, error) => handler.onError?.(client, error),
    );
  }

  get state(): ClientState {
    return this.#state;
  }

  get connection(): Connection | null {
    return this.#connection;
  }

  send(data: Uint8Array): boolean {
    if (this.#state === 'open') return this.#connection!.send(data);
    if (this.#state === 'idle' || this.#state === 'closed') return false;
    this.#unsent ??= new WriteQueue();
    if (this.#unsent.sizeBytes > this.#settings.highWaterMarkBytes) return false;
    if (data.length > 0) this.#unsent.push(data, 0);
    return true;
  }

  // --- Connecting --------------------------------------------------------

  connect(): void {
    if (this.#state === 'closed') throw clientClosed();
    if (this.#state !== 'idle') return;
    this.#failures = 0;
    this.#attempt();
  }

  #attempt(): void {
    const { address, connectTimeoutMs } = this.#settings;
    this.#state = 'connecting';
    let stream: NetStream | null = null;
    try {
      stream = connectTo(this.#group.host.driver, address);
      applyOptions(stream, this.#settings);
      this.#handshake = new Handshake(this, this.#group, stream);
      this.#dueMs = connectTimeoutMs > 0 ? this.#group.now() + connectTimeoutMs : Infinity;
      this.#group.setAlarm(this.#dueMs);
    } catch (error) {
      stream?.close();
      // What is wrong on this side is told as anything else: in a tick.
      this.#group.notify({ perform: () => this.failed(error as Error) });
    }
  }

  established(stream: NetStream): void {
    const queue = this.#unsent;
    this.#handshake = null;
    this.#unsent = null;
    this.#dueMs = Infinity;
    this.#failures = 0;
    this.counts[Count.OPENED] += 1;
    this.#state = 'open';
    const connection = new Connection(this.#group, stream, this.counts[Count.OPENED], queue);
    this.#connection = connection;
    connection.open();
    try {
      const result = this.#handler.onConnect?.(this.#client);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (error) {
      this.#faults.threw(connection, error);
    }
  }

  /** An attempt has come to nothing. */
  failed(cause: Error): void {
    if (this.#state !== 'connecting') return;
    const error = isSystemError(cause)
      ? systemError(cause.errno, cause.syscall, endpointOf(this.#settings.address))
      : cause;
    this.#handshake?.stream.close();
    this.#handshake = null;
    this.#failures += 1;
    this.counts[Count.FAILED] += 1;
    this.#goOn();
    this.#faults.tell(null, error);
  }

  /** Waits for the next attempt, if there is to be one. */
  #goOn(): void {
    const { reconnect } = this.#settings;
    this.#dueMs = Infinity;
    if (reconnect === null || this.#failures >= reconnect.maxAttempts) {
      this.#state = 'idle';
      this.#unsent = null;
      return;
    }
    const { backoffMs, backoffMaxMs } = reconnect;
    const doublings = Math.max(0, this.#failures - 1);
    const fullMs = Math.min(backoffMs * 2 ** doublings, backoffMaxMs);
    // Half of it by chance, so that many clients do not come back all at once.
    this.#dueMs = this.#group.now() + fullMs * (0.5 + this.#group.host.random() / 2);
    this.#state = 'waiting';
    this.#group.setAlarm(this.#dueMs);
  }

  rang(settledMs: number): number {
    if (settledMs >= this.#dueMs) {
      this.#dueMs = Infinity;
      if (this.#state === 'waiting') this.#attempt();
      else this.failed(systemError(ETIMEDOUT, 'connect'));
    }
    return this.#dueMs;
  }

  // --- Connected ---------------------------------------------------------

  received(connection: Connection, data: Uint8Array): void {
    try {
      const result = this.#handler.onData(this.#client, data);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (error) {
      this.#faults.threw(connection, error);
    }
  }

  drained(connection: Connection): void {
    try {
      const result = this.#handler.onDrained?.(this.#client);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (error) {
      this.#faults.threw(connection, error);
    }
  }

  /** Lost, or closed by this side: in between there is nothing to send on. */
  closed(): void {
    this.counts[Count.CLOSED] += 1;
    if (this.#state === 'open') this.#goOn();
  }

  disconnected(connection: Connection): void {
    const { error, reason } = connection;
    if (error !== null) this.#faults.tell(null, error);
    this.#connection = null;
    try {
      const result = this.#handler.onDisconnect?.(this.#client, reason);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (thrown) {
      this.#faults.threw(connection, thrown);
    }
    this.#leaveIfClosed();
  }

  // --- The end -----------------------------------------------------------

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#unsent = null;
    this.#dueMs = Infinity;
    this.#handshake?.stream.close();
    this.#handshake = null;
    this.#connection?.close('closed');
    if (!this.#group.host.isRunning) {
      this.#connection?.end('closed');
      this.#group.settle();
    }
    this.#leaveIfClosed();
  }

  dismissed(): void {
    this.#state = 'closed';
    this.#handshake?.stream.close();
    this.#connection?.end('closed');
    this.#connection = null;
  }

  #leaveIfClosed(): void {
    if (this.#state === 'closed' && this.#connection === null) this.#group.leave();
  }
}

/** An attempt that is under way. The first `writable` says that it has succeeded (rule S6). */
class Handshake implements Recipient, Task {
  readonly stream: NetStream;
  readonly #link: ClientLink;
  readonly #group: Group;

  constructor(link: ClientLink, group: Group, stream: NetStream) {
    this.#link = link;
    this.#group = group;
    this.stream = stream;
    group.host.register(stream, Interest.WRITABLE, this);
  }

  ready(bits: Interest): void {
    this.#group.dispatch(this, bits);
  }

  perform(): void {
    const error = this.stream.takeError();
    if (error !== null) {
      this.#link.failed(error);
      return;
    }
    // From now on the events are the connection's.
    this.stream.registration?.registry.deregister(this.stream);
    this.#link.established(this.stream);
  }
}

function isSystemError(error: Error): error is SystemError {
  return 'errno' in error && 'syscall' in error;
}

function endpointOf(address: NetAddressLike): Endpoint {
  if (isUnix(address)) return { address: address.path };
  const { host, port } = address as { host: string; port: number };
  return { address: host, port };
}

function clientClosed(): MillraceError {
  return new MillraceError(
    'ERR_CLIENT_CLOSED',
    'connect(): this TcpClient was closed; make another one',
  );
}
