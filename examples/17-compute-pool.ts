/**
 * Counts primes on other threads, with all four priorities.
 *
 * The tasks are submitted with the least urgent first, and begin with the most
 * urgent. A progress bar shows how far the long one is; without a terminal
 * there is a line for each quarter. All of this file but its end runs in the
 * threads, too.
 */
import { isMainThread } from 'node:worker_threads';
import { ComputePool, reportProgress, TaskPriority } from 'millrace';

const SELF = new URL(import.meta.url);

/** Primes below `limit`, by trial; reports each percent. */
export function countPrimes(limit: number): number {
  const step = Math.ceil(limit / 100);
  let count = 0;
  for (let candidate = 2; candidate < limit; candidate++) {
    if (isPrime(candidate)) count += 1;
    if (candidate % step === 0) reportProgress(candidate / limit);
  }
  reportProgress(1);
  return count;
}

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false;
  }
  return true;
}

/** Draws over its own line in a terminal. */
function progressBar(label: string): (share: number) => void {
  let quarters = 0;
  return (share) => {
    const percent = `${Math.floor(share * 100)} %`;
    if (process.stdout.isTTY) {
      const bar = '#'.repeat(Math.floor(share * 30)).padEnd(30, '.');
      process.stdout.write(`\r\x1b[2K${label} [${bar}] ${percent}${share === 1 ? '\n' : ''}`);
    } else if (Math.floor(share * 4) > quarters) {
      quarters = Math.floor(share * 4);
      console.log(`${label}: ${percent}`);
    }
  };
}

async function main(): Promise<void> {
  // Waiting makes tasks more urgent; here nothing is to wait that long.
  await using pool = new ComputePool({ threads: 1, agingMs: 60_000 });
  const primes = pool.module<typeof import('./17-compute-pool.js')>(SELF);

  // The only thread is busy with this one when the others are submitted.
  const first = primes.with({ onProgress: progressBar('primes below 300,000') });
  const long = first.countPrimes(300_000);
  while (pool.metrics().activeWorkers === 0) await new Promise(setImmediate);

  const limits = { Low: 1000, Normal: 2000, High: 3000, Critical: 4000 } as const;
  const others = Object.entries(limits).map(async ([name, limit]) => {
    const priority = TaskPriority[name as keyof typeof limits];
    const count = await primes.with({ priority }).countPrimes(limit);
    console.log(`${name}: ${count} primes below ${limit}`);
  });
  console.log(`${await long} of them`);
  await Promise.all(others);

  const { tasksCompleted, runTime } = pool.metrics();
  console.log(`${tasksCompleted} tasks, the longest took ${Math.ceil(runTime.max / 1e6)} ms`);
}

if (isMainThread) await main();
