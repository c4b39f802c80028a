import type { ComputePool } from '../compute/compute-pool.js';
import type { EventLoop } from '../loop/event-loop.js';
import type { Sender } from '../loop/sender.js';
import type { ActorRef } from './actor-ref.js';
import type { HandlerClass } from './handler-class.js';
import type { SpawnOptions } from './options.js';
import type { StopReason } from './stop-reason.js';

/**
 * What the callbacks of an actor get as their loop: all of it, for this actor
 * alone, and what only actors have. Tokens, timeouts, sources and signals are
 * this instance's own and end with it; sources are detached and stay open.
 *
 * `run`, `runSync`, `runOnce`, `shutdown`, `close`, `ref` and `unref` throw
 * ERR_NOT_IN_ACTOR: the loop belongs to all actors of the shard. After the
 * instance has stopped, what would act for it throws ERR_ACTOR_STOPPED.
 *
 * `ActorContext` alone fits the callbacks of every handler: it says more than
 * the `EventLoop` of their signatures, so that with `unknown` for the messages
 * neither would be assignable to the other.
 *
 * @typeParam M messages of this actor
 * @typeParam T payloads of its timeouts
 */
// oxlint-disable-next-line typescript/no-explicit-any
export interface ActorContext<M = any, T = any> extends EventLoop<M, T> {
  /** This actor's own reference. */
  readonly self: ActorRef<M>;

  /** `self`, as the sending end of this actor's channel. */
  channel(): Sender<M>;

  /**
   * As `system.spawn()`; the new actor is a child of this one. It stops with
   * this instance, before the actor stops or is restarted, and may escalate to it.
   *
   * @throws (rejects) as `system.spawn()`, and MillraceError ERR_ACTOR_STOPPED
   */
  spawn<N = unknown>(module: URL | HandlerClass<N>, options?: SpawnOptions): Promise<ActorRef<N>>;

  /** As `system.lookup()`. */
  lookup<N = unknown>(name: string): Promise<ActorRef<N> | null>;

  /**
   * As `ref.watch()`, with `stopped` called as a callback of this actor: in a
   * tick, and what it throws is a crash. Ends with this instance.
   *
   * @throws MillraceError ERR_ACTOR_STOPPED; TypeError ERR_INVALID_ARG_TYPE
   */
  watch(actor: ActorRef, stopped: (reason: StopReason) => unknown): () => void;

  /**
   * The pool of the system, the same for all actors on all shards. Tasks that
   * an instance has begun go on when it stops, crashes or is restarted; to give
   * them up, pass a signal. `close()` rejects with ERR_NOT_IN_ACTOR.
   *
   * @throws MillraceError ERR_ACTOR_STOPPED
   */
  readonly compute: ComputePool;

  /** Begins to stop this actor, as `self.stop()` does, and does not wait for it. */
  stop(): void;
}
