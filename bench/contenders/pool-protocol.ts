/**
 * What the pool contenders are asked for, on top of `protocol.ts`, and how the
 * calls are made, which is the same for all of them: a number of lanes, each
 * of which calls, waits for the result, looks at it, and calls again.
 */
import { ascending, percentile } from '../harness/statistics.js';
import { serve } from './protocol.js';

/** Calls for `ms`, so many of them under way at any time. */
export interface CallsRequest {
  readonly measure: 'empty' | 'spin' | 'transfer';
  readonly ms: number;
  readonly inFlight: number;
  /** Steps of one spin and what they lead to; the size of one transfer. */
  readonly spin: { readonly steps: number; readonly result: number };
  readonly transferBytes: number;
}

export interface Calls {
  readonly count: number;
  readonly elapsedMs: number;
  /** From the call to its result. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Results that are not what the task gives. */
  readonly wrong: number;
}

/** A pool, and how its users call the tasks. */
export interface Contender {
  next(value: number): PromiseLike<unknown>;
  spin(steps: number): PromiseLike<unknown>;
  /** There and back without a copy, where the pool has a way. */
  stamped(bytes: Uint8Array<ArrayBuffer>): PromiseLike<unknown>;
}

/** Makes a call and tells whether its result is right. */
type Call = (place: number) => Promise<boolean>;

export function servePool(pool: Contender): void {
  serve((request: CallsRequest) => callsFor(request, CALLS[request.measure](pool, request)));
}

const CALLS: Record<CallsRequest['measure'], (pool: Contender, request: CallsRequest) => Call> = {
  empty: (pool) => async (place) => (await pool.next(place)) === place + 1,
  spin: (pool, { spin }) => {
    return async () => (await pool.spin(spin.steps)) === spin.result;
  },
  transfer: (pool, { inFlight, transferBytes }) => {
    // What came back is what goes next: nobody measures the making of buffers.
    const idle = Array.from({ length: inFlight }, () => new Uint8Array(transferBytes));
    return async () => {
      const sent = idle.pop() ?? new Uint8Array(transferBytes);
      const expected = (sent[0] + 1) & 0xff;
      const back = await pool.stamped(sent);
      if (!(back instanceof Uint8Array) || back.length !== transferBytes) return false;
      idle.push(back as Uint8Array<ArrayBuffer>);
      return back[0] === expected && back[transferBytes - 1] === expected;
    };
  },
};

async function callsFor({ ms, inFlight }: CallsRequest, call: Call): Promise<Calls> {
  const timesMs: number[] = [];
  let wrong = 0;
  let place = 0;
  const beganMs = performance.now();
  const endMs = beganMs + ms;
  const lane = async (): Promise<void> => {
    for (let calledMs = performance.now(); calledMs < endMs; ) {
      if (!(await call(place++))) wrong += 1;
      const nowMs = performance.now();
      timesMs.push(nowMs - calledMs);
      calledMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const elapsedMs = performance.now() - beganMs;
  timesMs.sort(ascending);
  const [p50Us, p99Us] = [0.5, 0.99].map((part) => percentile(timesMs, part) * 1000);
  return { count: timesMs.length, elapsedMs, p50Us, p99Us, wrong };
}
