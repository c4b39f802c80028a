/**
 * What a shard counts, and a copy of it in memory that outlives its thread. One
 * that is started in the place of a dead one counts on from there: no count of
 * a system ever goes back. The copy is made at the end of each tick and when
 * the thread ends, so that counting itself costs what it always did. The thread
 * of the shard alone writes it; between two of them, home does.
 */

/** What a shard has counted since its system started, over all its threads. */
export interface ActorCounters {
  /** Actors that were spawned; those that live again after a death of their shard anew. */
  spawned: number;
  /** Of these, those that stopped, or ended with the thread of their shard. */
  stopped: number;
  /** Messages that were handed to `notify()`, asks included. */
  messages: number;
  /** Of these, the asks. */
  asks: number;
  /** Calls of methods through `proxy()`, which are no messages. */
  calls: number;
  /** Crashes, whatever was decided. */
  crashes: number;
  /** New instances that were made after one. */
  restarts: number;
  /** Messages for a full mailbox. With the next three: all the dead letters. */
  refusedFull: number;
  /** Messages for actors that had stopped, or whose shard had ended. */
  refusedStopped: number;
  /** Messages that made room for a later one. */
  droppedOldest: number;
  /** Messages that came when there was no room. */
  droppedNewest: number;
}

export function createCounters(): ActorCounters {
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

export const COUNTERS = Object.keys(createCounters()) as readonly (keyof ActorCounters)[];

/** In the order of {@link COUNTERS}. Floating-point: exact up to 2^53, and read whole. */
export type SharedCounters = Float64Array<SharedArrayBuffer>;

export function createSharedCounters(): SharedCounters {
  const bytes = COUNTERS.length * Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(new SharedArrayBuffer(bytes));
}

export function readCounters(shared: SharedCounters): ActorCounters {
  const counters = createCounters();
  for (const [at, name] of COUNTERS.entries()) counters[name] = shared[at];
  return counters;
}

/** With every tick: no loop over names. */
export function writeCounters(shared: SharedCounters, counters: ActorCounters): void {
  shared[0] = counters.spawned;
  shared[1] = counters.stopped;
  shared[2] = counters.messages;
  shared[3] = counters.asks;
  shared[4] = counters.calls;
  shared[5] = counters.crashes;
  shared[6] = counters.restarts;
  shared[7] = counters.refusedFull;
  shared[8] = counters.refusedStopped;
  shared[9] = counters.droppedOldest;
  shared[10] = counters.droppedNewest;
}
