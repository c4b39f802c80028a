/**
 * The contracts between servers, clients and their users: what is called back,
 * and what can be asked for in return.
 *
 * Callbacks are called on the thread of the loop, in its ticks, one at a time;
 * never nested in one another. What a callback brings about itself (the end of
 * a connection, an error) is told after it has returned.
 */
import type { ConnectionSender } from '../channel/connection-sender.js';
import type { Data } from '../data.js';
import { invalidType } from '../errors.js';
import type { SocketAddress } from '../socket/address.js';
import type { UnixAddress } from '../socket/unix-address.js';
import { requireObject } from '../validate.js';
import type { Connection } from './connection.js';
import type { TcpClient } from './tcp-client.js';

/** Where a server listens, or a connection leads to. */
export type NetAddress = SocketAddress | UnixAddress;

/**
 * Why a connection has ended: 'ended' by the peer; for an 'error', which
 * `onError` was told before; 'idle' for longer than `idleTimeoutMs`; 'closed'
 * by this side.
 */
export type DisconnectReason = 'ended' | 'error' | 'idle' | 'closed';

/** What a handler can do with connections, in callbacks and at any other time. */
export interface ServerContext {
  /**
   * Sends to one connection. What the kernel does not take at once is copied
   * and queued. False: nothing was taken, because more than
   * `highWaterMarkBytes` are queued already (`onDrained` tells when to go on),
   * or because there is no such connection, or it is being closed.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  sendTo(id: number, data: Data): boolean;

  /**
   * Sends to all connections, in the order of their ids. Returns how many took it.
   *
   * @param options.except the id of one that is left out
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError
   * ERR_OUT_OF_RANGE
   */
  broadcast(data: Data, options?: BroadcastOptions): number;

  /**
   * Sends what is queued, ends this half of the connection, and closes it when
   * the peer has ended too, or has been given 2 s of silence or 10 s in all; what
   * it sends meanwhile is thrown away. `onDisconnect` follows then. True: this
   * call does it; false: there is no such connection, or it is being closed.
   */
  closeConnection(id: number): boolean;

  /** Reads nothing until {@link resumeReads}; true if there is such a connection. */
  pauseReads(id: number): boolean;

  /** Reads again; true if there is such a connection. */
  resumeReads(id: number): boolean;

  /** From before `onConnect` until `onDisconnect` has returned; else undefined. */
  connection(id: number): Connection | undefined;

  /**
   * What sends to this connection from any thread, and never to another.
   * Undefined if there is no such connection, or it is being closed.
   */
  sender(id: number): ConnectionSender | undefined;
}

/** Options of `broadcast()`. */
export interface BroadcastOptions {
  /** The id of a connection that is left out. @default none */
  except?: number;
}

/**
 * What a server calls. Only `onData` is required. What a callback throws goes
 * to `onError`, and ends its connection and nothing else. Without an `onError`,
 * and for what that throws itself, there is a warning of the process instead,
 * with the code MILLRACE_LISTENER.
 *
 * Callbacks may be async. What their promises reject with was thrown, also by
 * one whose connection is gone. Nobody waits for them: the next callback comes
 * when there is reason for it, and `stop()` resolves without them. Other values
 * that a callback returns mean nothing.
 */
export interface NetworkHandler {
  /** The first of a connection. */
  onConnect?(context: ServerContext, id: number): unknown;

  /**
   * Bytes, in the order in which they were sent. `data` is valid during the
   * call only, which for an async function ends with its first `await`: its
   * memory is read into again. Copy what is to be kept.
   */
  onData(context: ServerContext, id: number, data: Uint8Array): unknown;

  /** The queue has fallen below `lowWaterMarkBytes`. */
  onDrained?(context: ServerContext, id: number): unknown;

  /** The last of a connection, once for each `onConnect`. */
  onDisconnect?(context: ServerContext, id: number, reason: DisconnectReason): unknown;

  /** What befell a connection; with null for an id, the server itself. */
  onError?(context: ServerContext, id: number | null, error: Error): unknown;

  /** The server listens; in the first tick after `listen()`. */
  onListening?(context: ServerContext, address: NetAddress): unknown;
}

/** What a client calls. Only `onData` is required. As for {@link NetworkHandler}. */
export interface ClientHandler {
  /** The connection is established. With `reconnect`, each time. */
  onConnect?(client: TcpClient): unknown;

  /** As {@link NetworkHandler.onData}. */
  onData(client: TcpClient, data: Uint8Array): unknown;

  /** As {@link NetworkHandler.onDrained}. */
  onDrained?(client: TcpClient): unknown;

  /** Once for each `onConnect`. */
  onDisconnect?(client: TcpClient, reason: DisconnectReason): unknown;

  /** Why an attempt to connect has failed, or what befell the connection. */
  onError?(client: TcpClient, error: Error): unknown;
}

const SERVER_CALLBACKS = ['onConnect', 'onDrained', 'onDisconnect', 'onError', 'onListening'];
const CLIENT_CALLBACKS = ['onConnect', 'onDrained', 'onDisconnect', 'onError'];

export function requireNetworkHandler(handler: unknown): void {
  requireCallbacks(handler, SERVER_CALLBACKS);
}

export function requireClientHandler(handler: unknown): void {
  requireCallbacks(handler, CLIENT_CALLBACKS);
}

function requireCallbacks(handler: unknown, optional: readonly string[]): void {
  const callbacks = requireObject('handler', handler) as Record<string, unknown>;
  for (const name of ['onData', ...optional]) {
    const callback = callbacks[name];
    if (typeof callback === 'function' || (callback === undefined && name !== 'onData')) continue;
    throw invalidType(`handler.${name}`, 'a function', callback);
  }
}
