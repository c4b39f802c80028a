/** What the kernel tells of a process in `/proc`: descriptors, threads, memory. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ThreadState {
  name: string;
  /** Times that it was given, or lost, a processor: 0 more means that it slept on. */
  switches: number;
}

/**
 * Sockets, pollers, timers, pipes and the like that are open; not files. The
 * runtime loses a file when a worker thread is terminated while it reads a
 * module from it, and Millrace opens none.
 */
export function descriptorCount(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOrNothing(`/proc/${pid}/fd/${fd}`));
  return links.filter((link) => link !== '' && !link.startsWith('/')).length;
}

/** By thread id. A thread that ends while it is looked at is left out. */
export function threadStates(pid: number): Map<number, ThreadState> {
  const threads = new Map<number, ThreadState>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readOrNothing(`/proc/${pid}/task/${thread}/status`);
    if (status === '') continue;
    const switches =
      numberOf(status, 'voluntary_ctxt_switches') + numberOf(status, 'nonvoluntary_ctxt_switches');
    const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? '';
    threads.set(Number(thread), { name, switches });
  }
  return threads;
}

/** Counted page by page at this moment, unlike VmRSS, which lags behind on many processors. */
export function residentBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Rss: +(\d+) kB$/m.exec(rollup)?.[1]) * 1024;
}

export function threadCount(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length;
}

function numberOf(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\t(\\d+)$`, 'm').exec(status)?.[1]);
}

/** The descriptor by which a directory is read is in the list of it, and gone afterwards. */
function linkOrNothing(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
