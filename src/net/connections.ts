/**
 * Connections: those of one server, by their ids, and what its handler is told
 * of them.
 *
 *   admit() ──> onConnect ──> onData, onDrained ... ──> onError ──> onDisconnect
 *
 * A connection counts until its descriptor is closed, and can be asked for by
 * its id until `onDisconnect` has returned.
 */
import { READ_BUDGET_BYTES } from '../limits.js';
import type { EventLoop } from '../loop/event-loop.js';
import type { Reception } from './acceptor.js';
import type { ServerSettings } from './config.js';
import { Connection } from './connection.js';
import { Count, type Counts } from './counts.js';
import { applyOptions, type NetStream } from './endpoint.js';
import { Faults } from './faults.js';
import { Group, type Owner } from './group.js';
import type { NetAddress, NetworkHandler, ServerContext } from './handlers.js';
import { tooMany } from './server-errors.js';
import type { Slots } from './slots.js';

/** The server, as far as its connections are concerned. */
export interface Keeper {
  readonly context: ServerContext;
  readonly slots: Slots;
  readonly counts: Counts;
  /** The last connection is gone. */
  emptied(): void;
  rang(settledMs: number): number;
  dismissed(): void;
}

export class Connections implements Owner, Reception {
  readonly group: Group;
  readonly counts: Counts;
  /** Those whose `onDisconnect` has not returned. */
  readonly all = new Map<number, Connection>();
  readonly #keeper: Keeper;
  readonly #settings: ServerSettings;
  readonly #handler: NetworkHandler;
  readonly #faults: Faults;
  #openCount = 0;

  constructor(loop: EventLoop, keeper: Keeper, settings: ServerSettings, handler: NetworkHandler) {
    this.#keeper = keeper;
    this.#settings = settings;
    this.#handler = handler;
    this.counts = keeper.counts;
    this.group = new Group(loop, this, settings, READ_BUDGET_BYTES);
    const { context } = keeper;
    this.#faults = new Faults(this.group, 'a TcpServer', () =>
      handler.onError === undefined ? null : (id, error) => handler.onError?.(context, id, error),
    );
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
    this.counts[Count.FAILED] += 1;
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
    this.counts[Count.OPENED] += 1;
    connection.open();
    try {
      const result = this.#handler.onConnect?.(this.#keeper.context, connection.id);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (error) {
      this.#faults.threw(connection, error);
    }
  }

  /** Of no connection. */
  refused(error: Error): void {
    this.#faults.tell(null, error);
  }

  listening(address: NetAddress): void {
    try {
      const result = this.#handler.onListening?.(this.#keeper.context, address);
      if (typeof result === 'object') this.#faults.returned(null, result);
    } catch (error) {
      this.#faults.threw(null, error);
    }
  }

  // --- What happens to them ----------------------------------------------

  received(connection: Connection, data: Uint8Array): void {
    try {
      const result = this.#handler.onData(this.#keeper.context, connection.id, data);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (error) {
      this.#faults.threw(connection, error);
    }
  }

  drained(connection: Connection): void {
    try {
      const result = this.#handler.onDrained?.(this.#keeper.context, connection.id);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (error) {
      this.#faults.threw(connection, error);
    }
  }

  mailed(id: number, data: Uint8Array): void {
    this.all.get(id)?.mailed(data);
  }

  // --- The end -----------------------------------------------------------

  closed(): void {
    this.#openCount -= 1;
    this.counts[Count.CLOSED] += 1;
    this.#keeper.slots.give();
  }

  disconnected(connection: Connection): void {
    const { id, reason, error } = connection;
    if (error !== null) this.#faults.tell(id, error);
    try {
      const result = this.#handler.onDisconnect?.(this.#keeper.context, id, reason);
      if (typeof result === 'object') this.#faults.returned(connection, result);
    } catch (thrown) {
      this.#faults.threw(connection, thrown);
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
