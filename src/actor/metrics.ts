import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { LATENESS_NS_MAX } from '../limits.js';
import { emptyLoopMetrics, type LoopMetrics } from '../loop/metrics.js';
import { type ActorCounters, COUNTERS, createCounters } from './counters.js';

/** Of one shard, over all the threads that it has had. */
export interface ShardMetrics extends ActorCounters {
  /** Its number; the thread that started the system has the last one. */
  shard: number;
  /** Actors that live at this moment. */
  actors: number;
  /** What waits in mailboxes at this moment. */
  pendingMessages: number;
  /** Of the loop that the shard runs; one that was started again has a new one. */
  loop: LoopMetrics;
}

/** What `system.metrics()` resolves with: the sums over all shards, and each of these. */
export interface SystemMetrics extends ActorCounters {
  /** The `name` of the system. */
  name: string;
  /** Actors that live at this moment. */
  actors: number;
  /** What waits in mailboxes at this moment. */
  pendingMessages: number;
  /**
   * How late timeouts of actors were delivered, over all shards, in nanoseconds; a copy. Of a
   * shard that has died it has what was there when metrics were last asked for.
   */
  lateness: RecordableHistogram;
  /** By number. */
  shards: ShardMetrics[];
}

/** Of a shard whose thread has ended, and none was asked before it did. */
export function absentMetrics(shard: number): ShardMetrics {
  return { shard, ...createCounters(), actors: 0, pendingMessages: 0, loop: emptyLoopMetrics() };
}

/** With the bounds and digits that loops use: only such can be added up. */
export function createLateness(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: LATENESS_NS_MAX, figures: 2 });
}

/**
 * One picture of all shards. Everything in a shard's metrics can be cloned,
 * histograms as well, so that they may come from any thread. `past` is how late
 * timeouts were of loops that are no more.
 */
export function mergeMetrics(
  name: string,
  shards: ShardMetrics[],
  past: readonly RecordableHistogram[] = [],
): SystemMetrics {
  const counters = createCounters();
  const lateness = createLateness();
  for (const histogram of past) lateness.add(histogram);
  let actors = 0;
  let pendingMessages = 0;
  for (const shard of shards) {
    for (const counter of COUNTERS) counters[counter] += shard[counter];
    actors += shard.actors;
    pendingMessages += shard.pendingMessages;
    lateness.add(shard.loop.lateness);
  }
  return { name, ...counters, actors, pendingMessages, lateness, shards };
}
