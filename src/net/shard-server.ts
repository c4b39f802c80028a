/**
 * ShardServer: the actor that serves connections in one shard. Others accept
 * them and hand them over; with `reusePort` it listens by itself.
 */
import type { ActorContext } from '../actor/actor-context.js';
import { MillraceError } from '../errors.js';
import { DEFAULT_STOP_TIMEOUT_MS } from '../limits.js';
import { Handler } from '../loop/handler.js';
import type { SourceHandle } from '../poll/source-handle.js';
import { TcpStream } from '../socket/tcp-stream.js';
import { UnixStream } from '../socket/unix-stream.js';
import type { ServerSettings } from './config.js';
import type { NetStream } from './endpoint.js';
import { type NetAddress, requireNetworkHandler } from './handlers.js';
import { LocalServer } from './local-server.js';
import { importNetworkHandlerClass } from './network-handler-class.js';
import { ServerBoard } from './server-board.js';
import { withPort } from './shard-bind.js';

/** What all parts of a server are made of. */
export interface ShardPlan {
  readonly settings: ServerSettings;
  readonly memory: SharedArrayBuffer;
  readonly shards: number;
  /** Its own, by which its parts find each other. */
  readonly name: string;
}

/** Where the user's handler comes from. */
export interface HandlerPlan {
  readonly href: string;
  readonly export: string | null;
  readonly args: readonly unknown[];
}

export type Order =
  /** A connection, with a slot of that epoch. */
  | { readonly kind: 'serve'; readonly handle: SourceHandle; readonly epoch: number }
  | { readonly kind: 'refused'; readonly error: Error }
  | { readonly kind: 'announce'; readonly address: NetAddress }
  /** Answered with a {@link Beginning}. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'stop'; readonly timeoutMs: number };

/** In an answer, and not thrown: for an actor that has never begun it is no crash. */
export interface Beginning {
  readonly failure: { readonly error: unknown } | null;
  readonly address: NetAddress | null;
}

export function boardOf({ memory, shards, settings }: ShardPlan): ServerBoard {
  return new ServerBoard(memory, shards, settings.maxConnections);
}

export function nameOf({ name }: ShardPlan, shard: number): string {
  return `${name}/${shard}`;
}

/** The stream that travelled, on the thread that has it now. */
export function arrived(handle: SourceHandle): NetStream {
  return handle.kind === 'UnixStream' ? UnixStream.from(handle) : TcpStream.from(handle);
}

/** What did not arrive; null if it has, or is closed. */
export function reclaimed(handle: SourceHandle): NetStream | null {
  try {
    return arrived(handle);
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'ERR_HANDLE_SPENT') return null;
    throw error;
  }
}

export class ShardServer extends Handler<Order> {
  readonly #plan: ShardPlan;
  readonly #handlerPlan: HandlerPlan;
  readonly #shard: number;
  readonly #board: ServerBoard;
  #server: LocalServer | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(plan: ShardPlan, handlerPlan: HandlerPlan, shard: number) {
    super();
    this.#plan = plan;
    this.#handlerPlan = handlerPlan;
    this.#shard = shard;
    this.#board = boardOf(plan);
  }

  /** Orders wait until the handler is there. */
  override async started(context: ActorContext<Order>): Promise<void> {
    try {
      await this.#open(context);
    } catch (error) {
      if (this.#board.isEstablished) throw error;
      this.#failure = { error };
    }
  }

  override notify(_: ActorContext<Order>, order: Order): Beginning | Promise<void> | undefined {
    const server = this.#server;
    switch (order.kind) {
      case 'serve':
        this.#serve(order.handle, order.epoch);
        break;
      case 'refused':
        server?.refused(order.error);
        break;
      case 'announce':
        server?.announce(order.address);
        break;
      case 'begin':
        return this.#begin();
      case 'stop':
        return this.#stop(order.timeoutMs);
    }
    return undefined;
  }

  override stopped(): Promise<void> {
    return this.#stop(DEFAULT_STOP_TIMEOUT_MS);
  }

  async #open(context: ActorContext<Order>): Promise<void> {
    const { href, export: exportName, args } = this.#handlerPlan;
    const HandlerClass = await importNetworkHandlerClass(new URL(href), exportName);
    const handler = new HandlerClass(...args);
    requireNetworkHandler(handler);
    const { settings } = this.#plan;
    const part = {
      slots: this.#board.slotsOf(this.#shard),
      counts: this.#board.countsOf(this.#shard),
    };
    // An earlier life may have chosen the port, or another shard.
    this.#server = new LocalServer(context, withPort(settings, this.#board), handler, part);
    if (!settings.reusePort) this.#server.open();
    else if (this.#board.isEstablished) this.#server.listen();
    this.#board.setUp(this.#shard, true);
  }

  #begin(): Beginning {
    const server = this.#server;
    if (server === null) return { failure: this.#failure, address: null };
    try {
      if (this.#plan.settings.reusePort) server.listen();
    } catch (error) {
      return { failure: { error }, address: null };
    }
    const address = server.localAddress;
    if (address !== null && 'port' in address) this.#board.port = address.port;
    return { failure: null, address };
  }

  #serve(handle: SourceHandle, epoch: number): void {
    const stream = reclaimed(handle);
    if (stream === null) return;
    const isCurrent = epoch === this.#board.epochOf(this.#shard);
    if (isCurrent && this.#server?.isListening === true) {
      this.#server.serve(stream);
      return;
    }
    // It came too late: the server stops, or the slot went with a life before this one.
    stream.close();
    this.#board.give(this.#shard, epoch);
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#board.setUp(this.#shard, false);
    await this.#server?.stop(timeoutMs);
  }
}
