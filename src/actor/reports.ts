/**
 * What a system tells the world: events for `system.on()`, and the channels of
 * `node:diagnostics_channel`. Neither costs anything while nobody listens.
 */
import { channel } from 'node:diagnostics_channel';
import type { ActorRef } from './actor-ref.js';
import type { StopReason } from './stop-reason.js';
import type { CrashAction } from './supervision.js';

/** What ran when something happened: a callback of the handler, or what is named here. */
export type CallbackKind =
  | 'readable'
  | 'writable'
  | 'ready'
  | 'notify'
  | 'timeout'
  | 'signal'
  | 'interrupted'
  | 'tick'
  | 'started'
  | 'stopped'
  /** The constructor, at a restart. */
  | 'constructor'
  /** A method called through `proxy()`. */
  | 'call'
  /** A function given to `context.watch()`. */
  | 'watch'
  /** A child that crashed and escalates. */
  | 'child'
  /** A library that lives on the actor's context, and let an error escape. */
  | 'guest';

/** An actor crashed. Emitted once for each crash. */
export interface CrashEvent {
  actor: ActorRef;
  /** In which it crashed. */
  shard: number;
  /** The callback that threw, or whose promise was rejected. */
  kind: CallbackKind;
  /** What was thrown, or rejected with: the very value, or a whole copy from another thread. */
  error: unknown;
  /** What supervision has decided: 'stop' also when the budget of restarts is used up. */
  decision: CrashAction;
}

/** A new instance was made after a crash; `started()` comes next. */
export interface RestartEvent {
  actor: ActorRef;
  /** Counts the restarts with no quiet window between them, from 1. */
  attempt: number;
  /** The back-off that preceded it, in milliseconds. */
  delayMs: number;
}

/**
 * Why a message was not delivered. 'full', 'dropOldest', 'dropNewest': there was
 * no room; 'stopped': the actor stops or has stopped; 'shardExit': its shard has
 * ended.
 */
export type RefusalReason = 'full' | 'dropOldest' | 'dropNewest' | 'stopped' | 'shardExit';

/** Messages of one actor that came to nothing for one reason, summed up over a tick. */
export interface RefusedEvent {
  actor: ActorRef;
  reason: RefusalReason;
  count: number;
}

/** A message that will not be delivered. Emitted for each, while somebody listens. */
export interface DeadLetterEvent {
  actor: ActorRef;
  reason: RefusalReason;
  message: unknown;
}

/** The thread of a shard has ended without having been stopped. */
export interface ShardExitEvent {
  shard: number;
  /** Exit code of the thread; null where none has ended. */
  code: number | null;
  /** What it died of, where that is known. */
  error: unknown;
}

/** An actor was spawned. */
export interface SpawnEvent {
  actor: ActorRef;
}

/** An actor has stopped for good. */
export interface StoppedEvent {
  actor: ActorRef;
  reason: StopReason;
}

/** The events of `system.on()`, with what their listeners are called with. */
export interface SystemEvents {
  spawn: [SpawnEvent];
  stopped: [StoppedEvent];
  crash: [CrashEvent];
  restart: [RestartEvent];
  refused: [RefusedEvent];
  deadLetter: [DeadLetterEvent];
  shardExit: [ShardExitEvent];
}

/** What `system.on()` takes. */
export type SystemEventName = keyof SystemEvents;

/** Their order gives each a bit, by which shards know what is listened for. */
export const SYSTEM_EVENTS: readonly SystemEventName[] = [
  'spawn',
  'stopped',
  'crash',
  'restart',
  'refused',
  'deadLetter',
  'shardExit',
];

/** Published on `millrace:slow-handler`; the time in milliseconds. */
export interface SlowHandlerReport {
  actor: ActorRef;
  kind: CallbackKind;
  durationMs: number;
}

export const spawnChannel = channel('millrace:spawn');
export const stopChannel = channel('millrace:stop');
export const crashChannel = channel('millrace:crash');
export const restartChannel = channel('millrace:restart');
/** Shared with the channels of loops; what is published for an actor has `actor` as well. */
export const refusedChannel = channel('millrace:refused');
export const slowHandlerChannel = channel('millrace:slow-handler');
