/**
 * CPU time of another process, all of its threads together, in nanoseconds.
 *
 * Read from `/proc/PID/task/TID/schedstat`, whose first number is the time
 * that the thread has run. The better-known `/proc/PID/stat` counts in ticks
 * of 10 ms, too coarse for a slice of a second. The catch of summing threads:
 * a thread that ends takes its time with it, so endings are counted and told.
 *
 * The kernel brings the figure of a running thread up to date only at its
 * ticks; read it while the process sleeps.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** For a process to go back to sleep once it has nothing to do. */
const SETTLE_MS = 5;

/** USER_HZ, the unit of `/proc/stat`, is 100 wherever Node runs on Linux. */
const NS_PER_USER_TICK = 10_000_000;

/** Nanoseconds run, by thread id. */
export type ThreadTimes = ReadonlyMap<string, number>;

export interface CpuUse {
  readonly ns: number;
  /** Threads that ended in between; what they used since is missing from `ns`. */
  readonly endedThreads: number;
}

/** To be awaited before the times of a process are read, so that they are up to date. */
export async function settle(): Promise<void> {
  await delay(SETTLE_MS);
}

export function readThreadTimes(pid: number): ThreadTimes {
  const directory = `/proc/${pid}/task`;
  const times = new Map<string, number>();
  for (const thread of readdirSync(directory)) {
    const ns = readScheduledNs(`${directory}/${thread}/schedstat`);
    if (ns !== null) times.set(thread, ns);
  }
  return times;
}

export function cpuUseBetween(before: ThreadTimes, after: ThreadTimes): CpuUse {
  let ns = 0;
  let endedThreads = 0;
  for (const [thread, time] of after) ns += time - (before.get(thread) ?? 0);
  for (const thread of before.keys()) {
    if (!after.has(thread)) endedThreads++;
  }
  return { ns, endedThreads };
}

/**
 * Time that all processors together have worked since boot, in nanoseconds,
 * steps of 10 ms. What a hypervisor took for others counts as work.
 */
export function readMachineBusyNs(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * NS_PER_USER_TICK;
}

/** Null for a thread that has ended since the directory was listed. */
function readScheduledNs(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8').split(' ', 1)[0]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH' || code === 'ENOENT') return null;
    throw error;
  }
}
