import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { LATENESS_NS_MAX } from '../limits.js';
import type { LoopMetrics } from '../loop/metrics.js';

/** What a shard has counted since it started. */
export interface ActorCounters {
  /** Actors that were spawned, and of these that stopped. */
  spawned: number;
  stopped: number;
  /** Messages that were handed to `notify()`, asks included. */
  messages: number;
  /** Of these the asks, and the calls of methods through `proxy()`, which are no messages. */
  asks: number;
  calls: number;
  crashes: number;
  restarts: number;
  /** Messages that were not delivered, by reason: these are all the dead letters. */
  refusedFull: number;
  refusedStopped: number;
  droppedOldest: number;
  droppedNewest: number;
}

export interface ShardMetrics extends ActorCounters {
  shard: number;
  /** Actors that live at this moment. */
  actors: number;
  /** What waits in mailboxes at this moment. */
  pendingMessages: number;
  /** Of the loop that the shard runs. */
  loop: LoopMetrics;
}

export interface SystemMetrics extends ActorCounters {
  name: string;
  actors: number;
  pendingMessages: number;
  /** How late timeouts of actors were delivered, over all shards, in nanoseconds; a copy. */
  lateness: RecordableHistogram;
  shards: ShardMetrics[];
}

export function createActorCounters(): ActorCounters {
  return {
    spawned: 0,
    stopped: 0,
    messages: 0,
    asks: 0,
    calls: 0,
    crashes: 0,
    restarts: 0,
    refusedFull: 0,
    refusedStopped: 0,
    droppedOldest: 0,
    droppedNewest: 0,
  };
}

/**
 * One picture of all shards. Everything in a shard's metrics can be cloned,
 * histograms as well, so that they may come from any thread.
 */
export function mergeMetrics(name: string, shards: ShardMetrics[]): SystemMetrics {
  const counters = createActorCounters();
  // With the bounds and digits that loops use: only such can be added up.
  const lateness = createHistogram({ lowest: 1, highest: LATENESS_NS_MAX, figures: 2 });
  let actors = 0;
  let pendingMessages = 0;
  for (const shard of shards) {
    for (const key of Object.keys(counters) as (keyof ActorCounters)[]) counters[key] += shard[key];
    actors += shard.actors;
    pendingMessages += shard.pendingMessages;
    lateness.add(shard.loop.lateness);
  }
  return { name, ...counters, actors, pendingMessages, lateness, shards };
}
