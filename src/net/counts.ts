/** What servers and clients count, in words that other threads may read. */

/** What a server has counted since it was made; on shards, what all of them have. */
export interface ServerMetrics extends TrafficMetrics {
  /** Connections that were taken: those for which `onConnect` was called. */
  accepted: number;
  /** Connections that were closed at once, because `maxConnections` were open. */
  refused: number;
  /** Of those accepted, the ones that have ended, however they ended. */
  closed: number;
}

/** What a client has counted since it was made. */
export interface ClientMetrics extends TrafficMetrics {
  /** Connections that were established. */
  connected: number;
  /** Attempts to connect that have failed. */
  failed: number;
  /** Of those connected, the ones that have ended, however they ended. */
  closed: number;
}

/** What both count, over all their connections. */
export interface TrafficMetrics {
  /** Bytes handed to `onData`. */
  bytesRead: number;
  /** Bytes taken by the kernel. */
  bytesWritten: number;
  /** What callbacks threw, and what their promises rejected with; those of `onError` included. */
  callbackErrors: number;
}

/** Where each is found in {@link Counts}. */
export const Count = {
  /** Connections that began, */
  OPENED: 0,
  /** that came to nothing, */
  FAILED: 1,
  /** and that ended. */
  CLOSED: 2,
  BYTES_READ: 3,
  BYTES_WRITTEN: 4,
  CALLBACK_ERRORS: 5,
} as const;

export const COUNTS = Object.keys(Count).length;

/** Written by one thread. Floating-point: exact up to 2^53, and read whole. */
export type Counts = Float64Array;

export function createCounts(): Counts {
  return new Float64Array(COUNTS);
}

/** Of all parts of a server together. */
export function serverMetrics(parts: readonly Counts[]): ServerMetrics {
  const sums = createCounts();
  for (const counts of parts) for (let at = 0; at < COUNTS; at++) sums[at] += counts[at];
  const [accepted, refused, closed] = sums;
  return { accepted, refused, closed, ...trafficOf(sums) };
}

export function clientMetrics(counts: Counts): ClientMetrics {
  const [connected, failed, closed] = counts;
  return { connected, failed, closed, ...trafficOf(counts) };
}

function trafficOf(counts: Counts): TrafficMetrics {
  return {
    bytesRead: counts[Count.BYTES_READ],
    bytesWritten: counts[Count.BYTES_WRITTEN],
    callbackErrors: counts[Count.CALLBACK_ERRORS],
  };
}
