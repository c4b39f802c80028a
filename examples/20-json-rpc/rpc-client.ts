/**
 * RpcClient: calls as promises, over one connection. Every call ends: with its
 * result, with the error of the other side, when its time is over, or with the
 * connection.
 */
import type { AddressLike, EventLoop, Timeout } from 'millrace';
import { type ClientHandler, encodeFrame, LengthPrefixedDecoder, TcpClient } from 'millrace/net';
import {
  type Id,
  isResponse,
  type Params,
  type Request,
  type Response,
  RpcError,
} from './protocol.js';

/**
 * What the timeouts of the loop carry: its handler is to call it. They are the
 * loop's own since those cannot overtake an answer which is already there.
 */
export type Alarm = () => void;

/** Why a call has ended without an answer. */
export class CallFailed extends Error {
  readonly code: 'ERR_RPC_TIMEOUT' | 'ERR_RPC_DISCONNECTED' | 'ERR_RPC_REFUSED';

  constructor(code: CallFailed['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Call {
  method: string;
  params?: Params | undefined;
  /** Not to be answered. */
  isNotification?: boolean;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
  readonly timeout: Timeout;
}

const DEFAULT_TIMEOUT_MS = 5000;

export class RpcClient implements ClientHandler {
  readonly #loop: EventLoop<never, Alarm>;
  readonly #client: TcpClient;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  readonly #decoder = new LengthPrefixedDecoder({}, (frame) => this.#received(frame));
  #lastId = 0;

  /** Connects; calls may be made at once. */
  constructor(
    loop: EventLoop<never, Alarm>,
    address: AddressLike,
    { timeoutMs = DEFAULT_TIMEOUT_MS } = {},
  ) {
    this.#loop = loop;
    this.#timeoutMs = timeoutMs;
    this.#client = new TcpClient(loop, { address }, this);
    this.#client.connect();
  }

  /** Rejects with an RpcError that the other side has sent, or with a CallFailed. */
  call(method: string, params?: Params): Promise<unknown> {
    const begun = this.#begin({ method, params });
    this.#send(begun.request, [begun.request]);
    return begun.promise;
  }

  /** False: it was not taken. True says nothing about what comes of it. */
  notify(method: string, params?: Params): boolean {
    return this.#client.send(encodeFrame(JSON.stringify(requestOf({ method, params }))));
  }

  /** All in one message. What comes of each that is no notification, in their order. */
  batch(calls: readonly Call[]): Promise<PromiseSettledResult<unknown>[]> {
    const promises: Promise<unknown>[] = [];
    const requests = calls.map((call) => {
      if (call.isNotification === true) return requestOf(call);
      const { promise, request } = this.#begin(call);
      promises.push(promise);
      return request;
    });
    // An empty batch would be an error, and there is nothing to wait for.
    if (requests.length > 0) this.#send(requests, requests);
    return Promise.allSettled(promises);
  }

  close(): void {
    this.#client.close();
    this.#failAll(new CallFailed('ERR_RPC_DISCONNECTED', 'the client was closed'));
  }

  // --- The connection ------------------------------------------------------

  onData(_client: TcpClient, data: Uint8Array): void {
    this.#decoder.push(data);
  }

  onDisconnect(): void {
    this.#decoder.reset();
    this.#failAll(new CallFailed('ERR_RPC_DISCONNECTED', 'the connection has ended'));
  }

  /** Also why it could not be made. */
  onError(_client: TcpClient, cause: Error): void {
    const message = `the connection has failed: ${cause.message}`;
    this.#failAll(new CallFailed('ERR_RPC_DISCONNECTED', message, { cause }));
  }

  // --- Calls ---------------------------------------------------------------

  #begin(call: Call): { promise: Promise<unknown>; request: Request } {
    const id = ++this.#lastId;
    const promise = new Promise<unknown>((resolve, reject) => {
      const timeout = this.#loop.timeout(() => this.#expired(id, call.method), this.#timeoutMs);
      this.#pending.set(id, { resolve, reject, timeout });
    });
    return { promise, request: { ...requestOf(call), id } };
  }

  /** `requests` are those in the message: they fail with it. */
  #send(message: Request | Request[], requests: readonly Request[]): void {
    try {
      if (this.#client.send(encodeFrame(JSON.stringify(message)))) return;
    } catch (cause) {
      // Parameters that are no JSON, or more of them than a frame takes.
      this.#refuse(requests, new CallFailed('ERR_RPC_REFUSED', String(cause), { cause }));
      return;
    }
    const reason = 'the connection is closed, or takes no more for now';
    this.#refuse(requests, new CallFailed('ERR_RPC_REFUSED', reason));
  }

  #refuse(requests: readonly Request[], error: CallFailed): void {
    for (const { id } of requests) this.#take(id)?.reject(error);
  }

  /** What it throws, for an answer that is none, ends the connection. */
  #received(frame: Uint8Array): void {
    const message: unknown = JSON.parse(Buffer.from(frame).toString());
    for (const response of Array.isArray(message) ? message : [message]) {
      if (!isResponse(response)) throw new Error('received what is no response of JSON-RPC 2.0');
      this.#settle(response);
    }
  }

  #settle(response: Response): void {
    const pending = this.#take(response.id);
    // Nobody waits for it any more.
    if (pending === undefined) return;
    if ('error' in response) {
      const { code, message, data } = response.error;
      pending.reject(new RpcError(code, message, data));
    } else {
      pending.resolve(response.result);
    }
  }

  #expired(id: number, method: string): void {
    const message = `no answer to ${method} within ${this.#timeoutMs} ms`;
    this.#take(id)?.reject(new CallFailed('ERR_RPC_TIMEOUT', message));
  }

  #failAll(error: CallFailed): void {
    for (const id of this.#pending.keys()) this.#take(id)?.reject(error);
  }

  /** Ends the wait for an answer. */
  #take(id: Id | undefined): Pending | undefined {
    const pending = this.#pending.get(id as number);
    if (pending === undefined) return undefined;
    this.#pending.delete(id as number);
    this.#loop.clearTimeout(pending.timeout);
    return pending;
  }
}

function requestOf({ method, params }: Call): Request {
  return params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params };
}
