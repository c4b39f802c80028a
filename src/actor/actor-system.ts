/**
 * ActorSystem: where actors are spawned and found, and what happens to all of
 * them together. What one thread runs is in `shard.ts`.
 */
import { randomUUID } from 'node:crypto';
import { illegalConstructor, invalidType, invalidValue, MillraceError } from '../errors.js';
import type { ActorRef } from './actor-ref.js';
import { actorStopped } from './actor-errors.js';
import type { Cell } from './cell.js';
import { State } from './cell-state.js';
import {
  type HandlerClass,
  importHandlerClass,
  isHandlerClass,
  requireSpawnable,
} from './handler-class.js';
import { callSafely, Listeners, type SystemListener } from './listeners.js';
import { mergeMetrics, type SystemMetrics } from './metrics.js';
import {
  requireName,
  type ResolvedSpawnOptions,
  type ResolvedSystemOptions,
  resolveSpawnOptions,
  resolveStopOptions,
  resolveSystemOptions,
  type SpawnOptions,
  type StopOptions,
  type SystemOptions,
} from './options.js';
import type { SystemEventName } from './reports.js';
import { Shard, type ShardHost } from './shard.js';

/** Only `start()` has it, so only `start()` can construct. */
const KEY = Symbol('ActorSystem.start');

const EVENTS: readonly SystemEventName[] = [
  'spawn',
  'stopped',
  'crash',
  'restart',
  'refused',
  'deadLetter',
  'shardExit',
];

/**
 * A system of actors. Belongs to the thread that started it, and keeps that
 * thread alive until `stop()`.
 */
export class ActorSystem {
  readonly #options: ResolvedSystemOptions;
  readonly #listeners = new Listeners();
  /** Names that are taken; null while the actor is being made. */
  readonly #names = new Map<string, ActorRef | null>();
  /** Of the calling thread. */
  readonly #shard: Shard;
  #stopping: Promise<void> | null = null;

  private constructor(key: symbol, options: ResolvedSystemOptions) {
    if (key !== KEY) throw illegalConstructor('ActorSystem', 'ActorSystem.start()');
    this.#options = options;
    // The number after those of the worker threads, of which there are none.
    this.#shard = new Shard(0, this.#host(), options);
    void this.#superviseShard();
  }

  /**
   * Starts a system.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   * ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE; a system error (EMFILE
   * ...) when the loop's poller cannot be opened
   */
  static async start(options?: SystemOptions): Promise<ActorSystem> {
    return new ActorSystem(KEY, resolveSystemOptions(options));
  }

  /** As given to `start()`. */
  get name(): string {
    return this.#options.name;
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
    return this.#spawn(module, options, null);
  }

  /**
   * The living actor of that name, or null.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  async lookup<M = unknown>(name: string): Promise<ActorRef<M> | null> {
    return this.#names.get(requireName('name', name)) ?? null;
  }

  /**
   * Calls `listener` for each event from now on, on this thread. What it throws
   * becomes a warning of the process and disturbs nobody.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  on<E extends SystemEventName>(event: E, listener: SystemListener<E>): this {
    requireEvent(event, listener);
    this.#listeners.on(event, listener);
    return this;
  }

  /** As {@link on}, for the next event only. */
  once<E extends SystemEventName>(event: E, listener: SystemListener<E>): this {
    requireEvent(event, listener);
    this.#listeners.once(event, listener);
    return this;
  }

  /** Takes `on()` and `once()` back. */
  off<E extends SystemEventName>(event: E, listener: SystemListener<E>): this {
    requireEvent(event, listener);
    this.#listeners.off(event, listener);
    return this;
  }

  /** What was counted so far, over all shards and for each; also after `stop()`. */
  async metrics(): Promise<SystemMetrics> {
    return mergeMetrics(this.#options.name, [this.#shard.metrics()]);
  }

  /**
   * Stops everything in order: no new messages; mailboxes are drained, promises
   * of callbacks settle, children stop before their parents, `stopped()` is
   * called; then the loops are closed. What is still pending after `timeoutMs`
   * is given up, and its asks reject with ERR_ACTOR_STOPPED. Idempotent: the
   * first call decides.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION;
   * RangeError ERR_OUT_OF_RANGE
   */
  async stop(options?: StopOptions): Promise<void> {
    const timeoutMs = resolveStopOptions(options);
    this.#stopping ??= this.#stop(timeoutMs);
    await this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // --- Inside ------------------------------------------------------------

  async #spawn(
    module: URL | HandlerClass,
    options: SpawnOptions | undefined,
    parent: Cell | null,
  ): Promise<ActorRef> {
    requireSpawnable(module);
    const resolved = resolveSpawnOptions(options);
    if (resolved.export !== null && isHandlerClass(module)) {
      throw invalidValue('options.export', 'left out where a class is given', resolved.export);
    }
    this.#requireRunning();
    const { name } = resolved;
    if (name === null) return this.#construct(module, resolved, parent);
    if (this.#names.has(name)) throw nameTaken(name);
    // Taken before the import, in which others may ask for the same name.
    this.#names.set(name, null);
    try {
      const actor = await this.#construct(module, resolved, parent);
      // A name of an actor that has stopped by now is free again.
      if (this.#names.has(name)) this.#names.set(name, actor);
      return actor;
    } catch (error) {
      this.#names.delete(name);
      throw error;
    }
  }

  async #construct(
    module: URL | HandlerClass,
    options: ResolvedSpawnOptions,
    parent: Cell | null,
  ): Promise<ActorRef> {
    if (isHandlerClass(module)) {
      return this.#shard.spawn({ HandlerClass: module, options }, parent);
    }
    const HandlerClass = await importHandlerClass(module, options.export);
    // The system, or the parent, may have stopped during the import.
    this.#requireRunning();
    if (parent !== null && parent.state >= State.BACKOFF) throw actorStopped(parent.ref);
    return this.#shard.spawn({ HandlerClass, options }, parent);
  }

  #host(): ShardHost {
    return {
      id: `${this.#options.name}-${randomUUID()}`,
      spawn: (module, options, parent) => this.#spawn(module, options, parent),
      lookup: (name) => this.lookup(name),
      releaseName: (name) => void this.#names.delete(name),
      listens: (event) => this.#listeners.has(event),
      emit: (event, payload) => this.#listeners.emit(event, payload),
      guard: callSafely,
    };
  }

  async #stop(timeoutMs: number): Promise<void> {
    await this.#shard.stop(timeoutMs);
    this.#listeners.clear();
  }

  async #superviseShard(): Promise<void> {
    try {
      await this.#shard.run();
    } catch (error) {
      // The system refuses what the loop stands on; no callback's error comes here.
      this.#stopping ??= Promise.resolve();
      this.#listeners.emit('shardExit', { shard: this.#shard.number, code: null, error });
      this.#shard.abandon(error);
    }
  }

  #requireRunning(): void {
    if (this.#stopping !== null) {
      throw new MillraceError(
        'ERR_SYSTEM_STOPPED',
        `the actor system "${this.#options.name}" was stopped; start another one`,
      );
    }
  }
}

function requireEvent(event: unknown, listener: unknown): void {
  const known = EVENTS.map((each) => `'${each}'`).join(', ');
  if (typeof event !== 'string') throw invalidType('event', `one of ${known}`, event);
  if (!EVENTS.includes(event as SystemEventName)) {
    throw invalidValue('event', `one of ${known}`, event);
  }
  if (typeof listener !== 'function') throw invalidType('listener', 'a function', listener);
}

function nameTaken(name: string): MillraceError {
  return new MillraceError(
    'ERR_NAME_TAKEN',
    `another actor is called "${name}"; lookup() finds it, and its stop frees the name`,
  );
}
