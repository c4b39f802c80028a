/**
 * Connections: those of one server, by their ids, and what its handler is told
 * of them.
 *
 *   admit() ──> onConnect ──> onData, onDrained ... ──> onError ──> onDisconnect
 *
 * A connection counts until its descriptor is closed, and can be asked for by
 * its id until `onDisconnect` has returned.
 */
import { callSafely, warnOf } from '../call-safely.js';
import { READ_BUDGET_BYTES } from '../limits.js';
import type { EventLoop } from '../loop/event-loop.js';
import type { Reception } from './acceptor.js';
import type { ServerSettings } from './config.js';
import { Connection } from './connection.js';
import { applyOptions, type NetStream } from './endpoint.js';
import { Group, type Owner } from './group.js';
import type { NetAddress, NetworkHandler, ServerContext } from './handlers.js';
import { tooMany } from './server-errors.js';
import type { Slots } from './slots.js';

/** The server, as far as its connections are concerned. */
export interface Keeper {
  readonly context: ServerContext;
  readonly slots: Slots;
  /** The last connection is gone. */
  emptied(): void;
  rang(settledMs: number): number;
  dismissed(): void;
}

export class Connections implements Owner, Reception {
  readonly group: Group;
  /** Those whose `onDisconnect` has not returned. */
  readonly all = new Map<number, Connection>();
  readonly #keeper: Keeper;
  readonly #settings: ServerSettings;
  readonly #handler: NetworkHandler;
  #openCount = 0;

  constructor(loop: EventLoop, keeper: Keeper, settings: ServerSettings, handler: NetworkHandler) {
    this.#keeper = keeper;
    this.#settings = settings;
    this.#handler = handler;
    this.group = new Group(loop, this, settings, READ_BUDGET_BYTES);
  }

  get openCount(): number {
    return this.#openCount;
  }

  // --- The beginning -----------------------------------------------------

  admit(stream: NetStream): void {
    if (this.#keeper.slots.take()) {
      this.serve(stream);
      return;
    }
    const error = tooMany(stream, this.#settings.maxConnections);
    stream.close();
    this.refused(error);
  }

  /** The slot is taken. */
  serve(stream: NetStream): void {
    const { slots } = this.#keeper;
    try {
      applyOptions(stream, this.#settings);
    } catch (error) {
      // The peer has gone already.
      stream.close();
      slots.give();
      this.refused(error as Error);
      return;
    }
    const connection = new Connection(this.group, stream, slots.nextId());
    this.all.set(connection.id, connection);
    this.#openCount += 1;
    connection.open();
    try {
      this.#handler.onConnect?.(this.#keeper.context, connection.id);
    } catch (error) {
      this.#threw(connection, error);
    }
  }

  /** Of no connection. */
  refused(error: Error): void {
    this.#tell(null, error);
  }

  listening(address: NetAddress): void {
    try {
      this.#handler.onListening?.(this.#keeper.context, address);
    } catch (error) {
      this.#thrown(null, error);
    }
  }

  // --- What happens to them ----------------------------------------------

  received(connection: Connection, data: Uint8Array): void {
    try {
      this.#handler.onData(this.#keeper.context, connection.id, data);
    } catch (error) {
      this.#threw(connection, error);
    }
  }

  drained(connection: Connection): void {
    try {
      this.#handler.onDrained?.(this.#keeper.context, connection.id);
    } catch (error) {
      this.#threw(connection, error);
    }
  }

  /** A callback threw: its connection ends, the others do not notice (rule N5). */
  #threw(connection: Connection, error: unknown): void {
    connection.end('error');
    this.#thrown(connection.id, error);
  }

  /** A mistake of the handler's is never silent, though nobody may want to be told. */
  #thrown(id: number | null, error: unknown): void {
    if (this.#handler.onError === undefined) warnOf('a callback of a TcpServer', error);
    else this.#tell(id, error);
  }

  #tell(id: number | null, error: unknown): void {
    const handler = this.#handler;
    if (handler.onError === undefined) return;
    const { context } = this.#keeper;
    callSafely('onError of a TcpServer', () => handler.onError?.(context, id, error as Error));
  }

  // --- The end -----------------------------------------------------------

  closed(): void {
    this.#openCount -= 1;
    this.#keeper.slots.give();
  }

  disconnected(connection: Connection): void {
    const { id, reason, error } = connection;
    if (error !== null) this.#tell(id, error);
    try {
      this.#handler.onDisconnect?.(this.#keeper.context, id, reason);
    } catch (thrown) {
      this.#thrown(id, thrown);
    }
    this.all.delete(id);
    if (this.all.size === 0) this.#keeper.emptied();
  }

  closeAll(): void {
    for (const connection of this.all.values()) connection.close('closed');
  }

  endAll(): void {
    for (const connection of this.all.values()) connection.end('closed');
  }

  rang(settledMs: number): number {
    return this.#keeper.rang(settledMs);
  }

  dismissed(): void {
    this.endAll();
    this.all.clear();
    this.#keeper.dismissed();
  }
}
