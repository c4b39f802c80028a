/**
 * Typed calls between two threads, over one MessagePort: the control plane.
 * Both ends are alike; each may serve an API and call that of the other.
 *
 *   remote.method(args)                                 api.method(args)
 *     └ Comlink wrap() ─ endpoint ─ port ═══ port ─ endpoint ─ Comlink expose()
 *
 * Comlink carries the calls. The endpoint between it and the port adds what
 * Comlink leaves open: limits of time, an end for calls whose other side has
 * died, ports that are closed, and threads that are not kept alive.
 *
 * Calls arrive in the order in which they were made. A call costs tens of
 * microseconds: spawn, stop and look up this way, but send messages by channel.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { expose as exposeByComlink, releaseProxy, wrap } from 'comlink';
import { MillraceError, shown, typeErrorWith } from '../errors.js';
import { DEFAULT_CALL_TIMEOUT_MS } from '../limits.js';
import { requireTimeLimit } from '../validate.js';
import { Parcel, thrownReply } from './parcel.js';

/** The methods of an API as another thread sees them. Other properties cannot be reached. */
export type Remote<Api> = {
  readonly [M in keyof Api as Api[M] extends (...args: never[]) => unknown
    ? M
    : never]: Api[M] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** Carries out a call that has come in. */
export type Dispatch = (method: string, args: readonly unknown[]) => unknown;

export interface LinkOptions {
  /** How long a call may take, in milliseconds, from the call on. 0: for ever. @default 10000 */
  callTimeoutMs?: number;
  /** What the other side may call; see {@link methodsOf}. @default nothing */
  serve?: Dispatch;
  /** Whether the link keeps its thread alive also while no call waits. @default false */
  keepAlive?: boolean;
  /**
   * Called once, when the other side has closed the link or died. Gives the
   * error with which calls reject then. @default ERR_LINK_CLOSED
   */
  peerGone?: () => Error | Promise<Error>;
}

/** Opens this end of a link and calls the other one. */
export function connect<Api>(port: MessagePort, options: LinkOptions = {}): ControlLink<Api> {
  return new ControlLink<Api>(port, options);
}

/** Opens this end of a link for the other one to call. */
export function expose(api: object, port: MessagePort): ControlLink<object> {
  return new ControlLink<object>(port, { serve: methodsOf(api) });
}

/** Calls go to the first of the objects that has the method. */
export function methodsOf(...apis: readonly object[]): Dispatch {
  return (method, args) => {
    const api = method in Object.prototype ? undefined : apis.find((each) => method in each);
    const found: unknown = api && Reflect.get(api, method);
    if (typeof found !== 'function') {
      throw typeErrorWith('ERR_UNKNOWN_METHOD', `no method ${shown(method)} is served here`);
    }
    return Reflect.apply(found, api, args);
  };
}

/** A call or a reply, as far as the endpoint looks into Comlink's messages. */
interface WireMessage {
  id: string;
  type: string;
}

type WireListener = (event: { data: object }) => void;

type Carrier = ((method: string, args: Parcel) => Promise<Parcel>) & { [releaseProxy]: () => void };

export class ControlLink<Api> {
  /** Calls reject with what the other side throws, ERR_CALL_TIMEOUT, or the end of the link. */
  readonly remote: Remote<Api>;
  readonly #port: MessagePort;
  readonly #options: LinkOptions;
  readonly #listeners: WireListener[] = [];
  /**
   * Comlink's proxy of the other side. Held for the life of the link: Comlink
   * releases an endpoint when the last proxy of it is collected.
   */
  readonly #carrier: Carrier;
  /** Calls without a reply, by Comlink's id. */
  readonly #waiting = new Map<string, NodeJS.Timeout | undefined>();
  #postedCall: string | null = null;
  /** Why calls reject from now on; null while the link is open. */
  #end: Promise<Error> | null = null;

  constructor(port: MessagePort, options: LinkOptions) {
    this.#port = port;
    this.#options = options;
    this.remote = this.within(options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS);
    const endpoint = {
      postMessage: (message: WireMessage, list: never[]) => this.#post(message, list),
      addEventListener: (_: string, listener: unknown) => {
        this.#listeners.push(listener as WireListener);
      },
      // Comlink's only occasion for it is the release of a link, which then is at its end.
      removeEventListener: () => {},
    };
    this.#carrier = wrap<unknown>(endpoint) as unknown as Carrier;
    if (options.serve !== undefined) exposeByComlink(served(options.serve), endpoint);
    port.on('message', (message: WireMessage) => this.#receive(message));
    // A message that cannot be read is the call or the reply of somebody who waits for it.
    port.on('messageerror', (error: Error) => this.close(error));
    port.on('close', () => this.#peerHasGone());
    // The listeners have taken a reference.
    if (options.keepAlive !== true) port.unref();
  }

  get closed(): boolean {
    return this.#end !== null;
  }

  /** The other side, with another limit of time than that of the link. 0: for ever. */
  within(timeoutMs: number): Remote<Api> {
    const limitMs = requireTimeLimit('timeoutMs', timeoutMs);
    return remoteOf((method, args) => this.#call(method, args, limitMs)) as Remote<Api>;
  }

  /**
   * Closes both ends. Calls that wait, and later ones, reject with the reason.
   * Replies and calls that were posted before still reach the other side.
   */
  close(reason?: Error | Promise<Error>): void {
    this.#finish(
      reason ?? new MillraceError('ERR_LINK_CLOSED', 'the link was closed on this side'),
    );
    this.#port.close();
  }

  /** Takes what has arrived, without a wait for Node's loop to bring it. */
  drain(): void {
    while (this.#end === null) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#receive(received.message as WireMessage);
    }
  }

  async #call(method: string, args: readonly unknown[], limitMs: number): Promise<unknown> {
    if (this.#end !== null) throw await this.#end;
    const reply = this.#carrier(method, Parcel.ofArguments(args));
    const id = this.#postedCall;
    this.#postedCall = null;
    if (id !== null) this.#await(id, method, limitMs);
    return (await reply).open();
  }

  #await(id: string, method: string, limitMs: number): void {
    if (this.#waiting.size === 0) this.#port.ref();
    const expire = (): void => this.#expire(id, method, limitMs);
    this.#waiting.set(id, limitMs === 0 ? undefined : setTimeout(expire, limitMs));
  }

  #expire(id: string, method: string, limitMs: number): void {
    // This thread may have been busy since the reply came; then the reply counts.
    this.drain();
    if (!this.#waiting.has(id)) return;
    const message = `${method}() was not answered within ${limitMs} ms`;
    this.#reject(id, new MillraceError('ERR_CALL_TIMEOUT', message));
  }

  /** Comlink's way out, for calls of this side and for replies to the other. */
  #post(message: WireMessage, list: never[]): void {
    if (this.#end !== null) return;
    const isCall = message.type === 'APPLY';
    try {
      this.#port.postMessage(message, list);
      if (isCall) this.#postedCall = message.id;
    } catch (error) {
      // Something in it cannot be cloned.
      if (isCall) this.#reject(message.id, error);
      else this.#port.postMessage(thrownReply(message.id, error));
    }
  }

  #receive(message: WireMessage): void {
    this.#settle(message.id);
    for (const listener of this.#listeners) listener({ data: message });
  }

  /** By a reply that is made here, so that Comlink's own books are cleared as well. */
  #reject(id: string, error: unknown): void {
    this.#settle(id);
    const data = { id, type: 'RAW', value: Parcel.ofThrownHere(error) };
    for (const listener of this.#listeners) listener({ data });
  }

  #settle(id: string): void {
    clearTimeout(this.#waiting.get(id));
    const wasWaiting = this.#waiting.delete(id);
    if (wasWaiting && this.#waiting.size === 0 && this.#options.keepAlive !== true) {
      this.#port.unref();
    }
  }

  #peerHasGone(): void {
    if (this.#end !== null) return;
    const message = 'the link was closed on the other side, or its thread has ended';
    this.#finish(this.#options.peerGone?.() ?? new MillraceError('ERR_LINK_CLOSED', message));
  }

  #finish(reason: Error | Promise<Error>): void {
    if (this.#end !== null) return;
    this.#end = Promise.resolve(reason);
    void this.#endCalls(this.#end);
  }

  async #endCalls(reason: Promise<Error>): Promise<void> {
    const error = await reason;
    for (const id of this.#waiting.keys()) this.#reject(id, error);
    this.#carrier[releaseProxy]();
  }
}

/** What Comlink exposes: a function alone, so that no other path leads into this side. */
function served(dispatch: Dispatch): (method: string, args: Parcel) => Promise<Parcel> {
  return async (method, args) => {
    try {
      return Parcel.ofResult(await dispatch(method, args.content as readonly unknown[]));
    } catch (error) {
      return Parcel.ofThrown(error);
    }
  };
}

function remoteOf(call: (method: string, args: readonly unknown[]) => Promise<unknown>): object {
  const methods = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  return new Proxy(Object.freeze({}), {
    get(target, name) {
      // Whoever awaits a remote would otherwise call a method named "then".
      if (typeof name !== 'string' || name === 'then' || name in target) {
        return Reflect.get(target, name);
      }
      const method = methods.get(name) ?? ((...args) => call(name, args));
      methods.set(name, method);
      return method;
    },
  });
}
