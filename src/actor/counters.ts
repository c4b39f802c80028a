/**
 * What a shard counts, and a copy of it in memory that outlives its thread. One
 * that is started in the place of a dead one counts on from there: no count of
 * a system ever goes back. The copy is made at the end of each tick and when
 * the thread ends, so that counting itself costs what it always did. The thread
 * of the shard alone writes it; between two of them, home does.
 */

/** What a shard has counted since its system started, over all its threads. */
export interface ActorCounters {
  /**
   * Actors that were spawned, and of these that stopped. Those that end with
   * the thread of their shard have stopped; those that live again were spawned.
   */
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
