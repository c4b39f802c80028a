/** ActorSystem: the public face of a system of actors. What it does is in `home.ts`. */
import type { ComputePool } from '../compute/compute-pool.js';
import { illegalConstructor, invalidType, invalidValue } from '../errors.js';
import type { ActorRef } from './actor-ref.js';
import type { HandlerClass } from './handler-class.js';
import { Home } from './home.js';
import type { SystemListener } from './listeners.js';
import type { SystemMetrics } from './metrics.js';
import {
  resolveStopOptions,
  resolveSystemOptions,
  type SpawnOptions,
  type StopOptions,
  type SystemOptions,
} from './options.js';
import { SYSTEM_EVENTS, type SystemEventName } from './reports.js';

/** Only `start()` has it, so only `start()` can construct. */
const KEY = Symbol('ActorSystem.start');

/**
 * A system of actors. Belongs to the thread that started it, and keeps that
 * thread alive until `stop()`.
 */
export class ActorSystem {
  readonly #home: Home;

  private constructor(key: symbol, home: Home) {
    if (key !== KEY) throw illegalConstructor('ActorSystem', 'ActorSystem.start()');
    this.#home = home;
  }

  /**
   * Starts a system: `shards` threads, and this one, which is a shard as well.
   * Rejects when a thread cannot be started; none is left then.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   * ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE; a system error (EMFILE
   * ...) when the loop's poller cannot be opened
   */
  static async start(options?: SystemOptions): Promise<ActorSystem> {
    const home = new Home(resolveSystemOptions(options));
    await home.start();
    return new ActorSystem(KEY, home);
  }

  /** As given to `start()`. */
  get name(): string {
    return this.#home.name;
  }

  /** @internal Threads besides the one that started it. */
  get shards(): number {
    return this.#home.shards;
  }

  /**
   * The compute pool of the system, which all its actors share. Belongs to
   * this thread; its threads are started when there are tasks. `stop()` closes
   * it; closed before that, it is closed for all.
   */
  get compute(): ComputePool {
    return this.#home.pool;
  }

  /**
   * Spawns an actor. A class is constructed on this thread's own shard; a
   * module is imported where the actor is to run, and the class is the export
   * that `options.export` names, or its only Handler class.
   *
   * Resolves when the constructor has run; `started()` comes in a later tick,
   * before the first message. Rejects with the very error that the constructor
   * throws, and nothing is left behind then.
   *
   * @throws (rejects) MillraceError ERR_SYSTEM_STOPPED, ERR_NAME_TAKEN,
   * ERR_MODULE_NOT_FOUND, ERR_MODULE_FAILED, ERR_NO_HANDLER_CLASS,
   * ERR_AMBIGUOUS_EXPORT, ERR_NOT_A_HANDLER; TypeError ERR_INVALID_ARG_TYPE,
   * ERR_INVALID_ARG_VALUE, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  async spawn<M = unknown>(
    module: URL | HandlerClass<M>,
    options?: SpawnOptions,
  ): Promise<ActorRef<M>> {
    return this.#home.spawn(module, options, null);
  }

  /**
   * The living actor of that name, or null.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  async lookup<M = unknown>(name: string): Promise<ActorRef<M> | null> {
    return this.#home.lookup(name);
  }

  /**
   * Calls `listener` for each event from now on, on this thread. What it throws
   * becomes a warning of the process and disturbs nobody.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  on<E extends SystemEventName>(event: E, listener: SystemListener<E>): this {
    requireEvent(event, listener);
    this.#home.listen('on', event, listener);
    return this;
  }

  /** As {@link on}, for the next event only. */
  once<E extends SystemEventName>(event: E, listener: SystemListener<E>): this {
    requireEvent(event, listener);
    this.#home.listen('once', event, listener);
    return this;
  }

  /** Takes `on()` and `once()` back. */
  off<E extends SystemEventName>(event: E, listener: SystemListener<E>): this {
    requireEvent(event, listener);
    this.#home.listen('off', event, listener);
    return this;
  }

  /** What was counted so far, over all shards and for each; also after `stop()`. */
  async metrics(): Promise<SystemMetrics> {
    return this.#home.metrics();
  }

  /**
   * Stops everything in order: no new messages; mailboxes are drained, promises
   * of callbacks settle, children stop before their parents, `stopped()` is
   * called; then the compute pool is drained, and the loops are closed. What is
   * still pending after `timeoutMs` is given up: asks reject with
   * ERR_ACTOR_STOPPED, tasks with ERR_POOL_CLOSED. Idempotent: the first call
   * decides.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION;
   * RangeError ERR_OUT_OF_RANGE
   */
  async stop(options?: StopOptions): Promise<void> {
    await this.#home.stop(resolveStopOptions(options));
  }

  /** As {@link stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function requireEvent(event: unknown, listener: unknown): void {
  const known = SYSTEM_EVENTS.map((each) => `'${each}'`).join(', ');
  if (typeof event !== 'string') throw invalidType('event', `one of ${known}`, event);
  if (!SYSTEM_EVENTS.includes(event as SystemEventName)) {
    throw invalidValue('event', `one of ${known}`, event);
  }
  if (typeof listener !== 'function') throw invalidType('listener', 'a function', listener);
}
