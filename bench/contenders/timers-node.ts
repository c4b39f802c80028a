/** Timers of Node: setTimeout and clearTimeout. */
import { seededRandom } from '../harness/statistics.js';
import {
  type LatenessesMs,
  type PairsRequest,
  pairDelays,
  pendingDelays,
  type Rate,
  type Request,
  rateOf,
  serve,
} from './protocol.js';

/** Handed to the callback, as a loop hands it to its handler. */
const PAYLOAD = 0;

const random = seededRandom(1);

serve((request: Request) => {
  if (request.measure === 'pairs') return pairs(request);
  if (request.measure === 'lateness') return lateness(request.delaysMs);
  throw new Error('Node cannot be asked for one turn of its loop');
});

function pairs({ ms, pending, delays }: PairsRequest): Rate {
  const waiting = pendingDelays(random, pending).map((delayMs) =>
    setTimeout(ignore, delayMs, PAYLOAD),
  );
  const batch = pairDelays(random, delays);
  const rate = rateOf(ms, () => {
    for (const delayMs of batch) clearTimeout(setTimeout(ignore, delayMs, PAYLOAD));
  });
  for (const timer of waiting) clearTimeout(timer);
  return rate;
}

function lateness(delaysMs: readonly number[]): Promise<LatenessesMs> {
  return new Promise((resolve) => {
    const latenesses: number[] = [];
    for (const delayMs of delaysMs) {
      const deadlineMs = performance.now() + delayMs;
      setTimeout(() => {
        latenesses.push(performance.now() - deadlineMs);
        if (latenesses.length === delaysMs.length) resolve(latenesses);
      }, delayMs);
    }
  });
}

function ignore(_payload: number): void {}
