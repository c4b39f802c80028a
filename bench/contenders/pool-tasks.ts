/** What the pools are given to do; the same functions for all of them. */

/** So many that a task takes a millisecond or so; the benchmark finds out how many that are. */
export function spin(steps: number): number {
  let state = 1;
  for (let step = 0; step < steps; step++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state;
}

/** As near to nothing as can be verified. */
export function next(value: number): number {
  return value + 1;
}

/** Shows that the bytes have been there. */
export function stamped(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  for (const place of [0, bytes.length - 1]) bytes[place] += 1;
  return bytes;
}

/** When it ran, by the clock that all threads share. */
export interface Stay {
  readonly startedUs: number;
  readonly endedUs: number;
}

/** Keeps a thread for so long, however fast the machine. */
export function stay(us: number): Stay {
  const startedUs = sharedNowUs();
  let endedUs = startedUs;
  while (endedUs < startedUs + us) endedUs = sharedNowUs();
  return { startedUs, endedUs };
}

/** `performance.now()` counts from another moment on each thread. */
export function sharedNowUs(): number {
  return Number(process.hrtime.bigint()) / 1e3;
}
