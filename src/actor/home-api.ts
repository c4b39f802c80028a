/**
 * What the shards of a system say to each other about the system itself. All
 * of it travels in mail, so that references in it work and errors are whole.
 */
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
  revive(): void;
}

/** An actor that is to live again. */
export interface Restored {
  readonly slot: number;
  readonly generation: number;
  readonly href: string;
  readonly options: ResolvedSpawnOptions;
  readonly parent: ParentAddress | null;
  readonly attempt: number;
  readonly delayMs: number;
}

/** What the thread of a shard serves to home on the control plane. */
export interface ShardControl {
  address(): PeerAddress;
  connect(addresses: readonly PeerAddress[]): void;
  up(shards: readonly number[]): void;
  down(shard: number, error: unknown): void;
  /** It will not come again. */
  giveUp(shard: number, error: unknown): void;
  drain(timeoutMs: number): Promise<void>;
  metrics(): ShardMetrics;
}
