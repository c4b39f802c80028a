import { transferWithEach } from '../channel/transfer.js';
import { illegalConstructor, invalidType } from '../errors.js';
import { Sender } from '../loop/sender.js';
import { notTransferable } from './actor-errors.js';
import type { Place } from './cell-table.js';
import type { Mailbox } from './mailbox.js';
import {
  type AskOptions,
  resolveAskOptions,
  resolveStopOptions,
  type StopOptions,
} from './options.js';
import { createProxy, type Remote } from './proxy.js';
import type { StopReason } from './stop-reason.js';

/** What travels of a reference. */
export type RefAddress = readonly [
  system: string,
  shard: number,
  slot: number,
  generation: number,
  name: string | null,
];

/** The system to whose threads something is being sent; references may go there alone. */
let destination: string | null = null;

/** Returns what it was before. */
export function enterSystem(system: string | null): string | null {
  const previous = destination;
  destination = system;
  return previous;
}

/** Who an actor is, whatever becomes of its instances. */
export interface Identity {
  readonly system: string;
  readonly shard: number;
  /** Counts the actors of the shard. */
  readonly serial: number;
  readonly name: string | null;
}

/**
 * The address of an actor: sends to it, asks it, watches it, stops it. It stays
 * good through restarts; when the actor has stopped, everything is refused.
 * Belongs to the thread that got it, as a sender does.
 *
 * @typeParam M messages that the actor takes
 */
export class ActorRef<M = unknown> extends Sender<M> {
  readonly #mailbox: Mailbox<M>;
  readonly #identity: Identity;

  /** @internal References come from `spawn()` and `lookup()`. */
  constructor(mailbox: Mailbox<M>, identity: Identity) {
    if (typeof mailbox?.ask !== 'function') throw illegalConstructor('ActorRef', 'spawn()');
    super(mailbox);
    this.#mailbox = mailbox;
    this.#identity = identity;
  }

  /** Unique among all actors of all systems; the same through restarts. */
  get id(): string {
    const { system, shard, serial } = this.#identity;
    return `${system}/${shard}/${serial}`;
  }

  /** Under which `lookup()` finds it; null without a name. */
  get name(): string | null {
    return this.#identity.name;
  }

  /** The number of the shard that it runs in. */
  get shard(): number {
    return this.#identity.shard;
  }

  /**
   * Queues a message for `notify()`. It arrives in a later tick, after all
   * that this thread sent to the actor before. Returns false if the mailbox is
   * full, unless it drops messages instead, or the actor stops or has stopped:
   * then the message becomes a dead letter. Never throws for those.
   *
   * @throws DataCloneError, MillraceError ERR_NOT_TRANSFERABLE: at once, for what
   * cannot go to the actor's thread; such a message takes no place
   */
  override send(message: M): boolean {
    return this.#mailbox.offer(message);
  }

  /**
   * Sends a message, and resolves with what `notify()` returns for it, or with
   * what the promise that it returns resolves with.
   *
   * Settles always: rejects with the very error that `notify()` throws, which
   * is a crash of the actor as well.
   *
   * @throws (rejects) MillraceError ERR_ASK_TIMEOUT, ERR_MAILBOX_FULL,
   * ERR_ACTOR_STOPPED, ERR_SHARD_EXITED with the cause, ERR_NOT_TRANSFERABLE;
   * DataCloneError; the abort reason; TypeError ERR_INVALID_ARG_TYPE,
   * ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  ask<R = unknown>(message: M, options?: AskOptions): Promise<R> {
    return this.#ask(null, message, options) as Promise<R>;
  }

  /**
   * The actor's own public methods, each returning a promise. A call waits in
   * the mailbox like a message, for 5,000 ms at most. What the method throws
   * rejects the call and is no crash. Not thenable, so it may be returned from
   * an async function. Names that begin with an underscore are private.
   *
   * Calls reject with the errors of {@link ask}, and ERR_NO_SUCH_METHOD.
   *
   * @typeParam A the class of the handler
   */
  proxy<A>(): Remote<A> {
    return createProxy<A>((method, args) => this.#ask(method, transferWithEach(args), undefined));
  }

  /**
   * Takes no more messages, delivers those in the mailbox, waits for the
   * promises of callbacks, stops the children, calls `stopped()`. Resolves
   * when that is done, at the latest after `timeoutMs`: what is still pending
   * then is given up. Idempotent. An actor that awaits its own stop in a
   * callback waits for itself; `context.stop()` does not.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION;
   * RangeError ERR_OUT_OF_RANGE
   */
  async stop(options?: StopOptions): Promise<void> {
    await this.stopWith({ kind: 'stopped' }, resolveStopOptions(options));
  }

  /**
   * Calls `stopped` once, when the actor has stopped, or soon if it has
   * already; not for restarts. Returns what takes the wish back.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  watch(stopped: (reason: StopReason) => unknown): () => void {
    if (typeof stopped !== 'function') throw invalidType('stopped', 'a function', stopped);
    return this.#mailbox.watch(stopped);
  }

  /** @internal What travels where a reference is part of a message. */
  get refAddress(): RefAddress {
    const { system, shard, name } = this.#identity;
    if (destination !== system) throw notTransferable(this);
    const { slot, generation } = this.#mailbox.place();
    return [system, shard, slot, generation, name];
  }

  /** @internal */
  place(): Place {
    return this.#mailbox.place();
  }

  /** @internal */
  stopWith(reason: StopReason, timeoutMs: number): Promise<void> {
    return this.#mailbox.stop(reason, timeoutMs);
  }

  #ask(method: string | null, message: unknown, options?: AskOptions): Promise<unknown> {
    try {
      const { timeoutMs, signal } = resolveAskOptions(options);
      return this.#mailbox.ask({ method, message, timeoutMs, signal });
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
