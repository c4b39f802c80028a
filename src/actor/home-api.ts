/**
 * What the shards of a system say to each other about the system itself. All
 * of it travels in mail, so that references in it work and errors are whole.
 */
import type { MessagePort } from 'node:worker_threads';
import type { TaskPriority } from '../compute/task-priority.js';
import type { ActorRef } from './actor-ref.js';
import type { PeerAddress } from './link.js';
import type { ShardMetrics } from './metrics.js';
import type { ResolvedSpawnOptions } from './options.js';
import type { ParentAddress } from './parent.js';
import type { SystemEventName } from './reports.js';

/** What the thread that started the system serves. */
export interface HomeApi {
  spawn(
    href: string,
    options: ResolvedSpawnOptions,
    parent: ParentAddress | null,
  ): Promise<ActorRef>;
  lookup(name: string): ActorRef | null;
  /** Names of actors that a shard spawns by itself, of a class. */
  reserve(name: string): void;
  release(name: string): void;
  named(name: string, actor: ActorRef): void;
  gone(actor: ActorRef): void;
  event(name: SystemEventName, payload: unknown): void;
  /** A task whose arguments could not be sent is counted all the same. */
  taskUnsent(): void;
}

/** A task for the pool of the system, as a shard asks home for it. */
export interface TaskCall {
  readonly href: string;
  readonly name: string;
  readonly priority: TaskPriority;
  readonly timeoutMs: number | null;
  /** On the clock that all threads share. */
  readonly calledMs: number;
  readonly reports: boolean;
  /** Whether somebody wants the result. */
  readonly isAwaited: boolean;
  /** What of the arguments moves. */
  readonly transfer: readonly object[] | null;
  readonly args: readonly unknown[];
}

/** What every other shard serves. */
export interface ShardApi {
  spawn(
    href: string,
    options: ResolvedSpawnOptions,
    parent: ParentAddress | null,
  ): Promise<ActorRef>;
  /** Actors of the shard in whose place this one was started. They wait for {@link revive}. */
  restore(actors: readonly Restored[]): void;
  /** `args` of each, which come now that all are there whom references in them may mean. */
  revive(args: readonly (readonly unknown[])[]): void;
}

/** An actor that is to live again. Its arguments come with {@link ShardApi.revive}. */
export interface Restored {
  readonly slot: number;
  readonly generation: number;
  readonly href: string;
  readonly options: ResolvedSpawnOptions;
  readonly parent: ParentAddress | null;
  readonly attempt: number;
  readonly delayMs: number;
}

/** Another shard, as home makes it known. */
export interface Neighbour {
  readonly address: PeerAddress;
  /** This thread's end of a port between the two; null if they have one. */
  readonly port: MessagePort | null;
}

/** What the thread of a shard serves to home on the control plane. */
export interface ShardControl {
  address(): PeerAddress;
  connect(neighbours: readonly Neighbour[]): void;
  up(shards: readonly number[]): void;
  down(shard: number, error: unknown): void;
  /** It will not come again. */
  giveUp(shard: number, error: unknown): void;
  drain(timeoutMs: number): Promise<void>;
  metrics(): ShardMetrics;
}
