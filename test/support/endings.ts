/** How threads and processes under load come to their end in the teardown scenario. */
import type { LoadLoop, LoadOptions } from './load.js';

/**
 * By themselves, from a callback:
 *   return    the run is shut down, and the sockets are left open
 *   unref     the run goes on, and nothing else keeps the thread alive
 *   exit      process.exit()
 *   throw     out of the callback, and nobody catches it
 * From outside:
 *   stop      worker.terminate(), or SIGTERM, while the loop runs
 *   early     worker.terminate() at any moment from the start of the thread
 */
export const WORKER_ENDINGS = ['return', 'unref', 'exit', 'throw', 'stop', 'early'] as const;
export const PROCESS_ENDINGS = ['return', 'unref', 'exit', 'throw', 'stop'] as const;
export type Ending = (typeof WORKER_ENDINGS)[number];

/** Ends come after a random part of this. */
export const DELAY_MAX_MS = 20;

/** What takes longer than this after it was told to end hangs. */
export const WATCHDOG_MS = 2_000;

export const EXIT_CODE = 7;
export const THROWN = 'thrown to end it';

export interface EndingOptions extends LoadOptions {
  ending: Ending;
}

/**
 * The codes with which a thread may exit, or a process, for which `stop` is a
 * signal. A thread that is terminated before it runs any code exits with 0.
 */
export const EXIT_CODES: Readonly<Record<Ending, readonly number[]>> = {
  return: [0],
  unref: [0],
  exit: [EXIT_CODE],
  throw: [1],
  stop: [1],
  early: [0, 1],
};

export function endFromInside(loop: LoadLoop, ending: Ending): void {
  if (ending === 'return') loop.shutdown();
  if (ending === 'unref') loop.unref();
  if (ending === 'exit') process.exit(EXIT_CODE);
  if (ending === 'throw') throw new Error(THROWN);
}

/**
 * So many ways to run and to end: each of them once before any comes again, in
 * random order, after random delays.
 */
export function drawEndings(
  count: number,
  endings: readonly Ending[],
  next: () => number,
): EndingOptions[] {
  const ways = endings.flatMap(waysOf);
  const drawn: EndingOptions[] = [];
  while (drawn.length < count) {
    for (const way of shuffled(ways, next)) drawn.push({ ...way, delayMs: next() * DELAY_MAX_MS });
  }
  return drawn.slice(0, count);
}

type Way = Omit<EndingOptions, 'delayMs'>;

function waysOf(ending: Ending): Way[] {
  const isFromOutside = ending === 'stop' || ending === 'early';
  const ways: Way[] = [];
  for (const poller of ['thread', 'inline'] as const) {
    for (const sync of [false, true]) {
      // runSync() does not end because of unref().
      if (sync && ending === 'unref') continue;
      ways.push({ ending, poller, sync, quiet: false });
      // A thread that sleeps is ended by nobody but those outside.
      if (isFromOutside) ways.push({ ending, poller, sync, quiet: true });
    }
  }
  return ways;
}

function shuffled<T>(items: readonly T[], next: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(next() * (last + 1));
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}
