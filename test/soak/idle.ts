/**
 * Goal: an idle loop costs nothing at all (rule L6): not one of its threads is
 * woken.
 *
 * Method: a process with an idle loop is watched from outside. The kernel
 * counts how often each thread was given or lost a processor; over some
 * seconds the counts must stand still. The threads of Node itself (libuv, V8)
 * are held to the same, since nothing in the process gives them work.
 */
import type { PollerMode } from 'millrace';
import { type ThreadState, threadStates } from '../support/proc.js';
import { Fixture, inParallel } from '../support/processes.js';
import { type Outcome, type Print, type Scenario } from './scenario.js';

export interface IdleSize {
  observeMs: number;
}

/** V8 compiles and collects for a while after the start. Settled: no switches in so long. */
const SETTLED_MS = 500;
const SETTLE_DEADLINE_MS = 15_000;

const START_MS = 20_000;

interface Ground {
  poller: PollerMode;
  backend: 'epoll' | 'poll';
}

/** With the poll backend the poll thread serves inline loops as well. */
const GROUNDS: readonly Ground[] = [
  { poller: 'thread', backend: 'epoll' },
  { poller: 'inline', backend: 'epoll' },
  { poller: 'thread', backend: 'poll' },
];

/** All loops have it here, at least for the signal that they wait for. */
const POLL_THREAD = 'millrace-poll';

export const idleScenario: Scenario = {
  summary: 'an idle loop is not woken at all (some 10 seconds)',
  run: (print) => idle({ observeMs: 5_000 }, print),
};

export async function idle({ observeMs }: IdleSize, print: Print): Promise<Outcome> {
  const failures = await inParallel(GROUNDS, GROUNDS.length, async (ground) => {
    const name = `${ground.poller}, ${ground.backend}`;
    const found = await observe(ground, observeMs, (line) => print(`${name}: ${line}`));
    return found.map((failure) => `${name}: ${failure}`);
  });
  return { failures: failures.flat() };
}

async function observe(ground: Ground, observeMs: number, print: Print): Promise<string[]> {
  const { poller, backend } = ground;
  const env = { MILLRACE_POLL_BACKEND: backend };
  await using program = new Fixture('idle-loop', { poller }, { env });
  await program.report(START_MS);
  const before = await settledThreads(program.pid);
  if (before === null) return [`not idle within ${SETTLE_DEADLINE_MS} ms`];
  await elapse(observeMs);
  const after = threadStates(program.pid);
  const names = [...after.values()].map((thread) => thread.name);
  if (!names.includes(POLL_THREAD)) return [`there is no thread ${POLL_THREAD}: ${names.join()}`];
  const switches = switchesBetween(before, after);
  const total = switches.reduce((sum, each) => sum + each.count, 0);
  const list = switches
    .filter(({ count }) => count > 0)
    .map((each) => `${each.name} ${each.count}`);
  print(`${total} context switches of ${after.size} threads in ${observeMs} ms ${list.join(', ')}`);
  return list.map((text) => `context switches: ${text}`);
}

/** The counts, once they stand still; null if they never do. */
async function settledThreads(pid: number): Promise<Map<number, ThreadState> | null> {
  const endMs = performance.now() + SETTLE_DEADLINE_MS;
  let before = threadStates(pid);
  while (performance.now() < endMs) {
    await elapse(SETTLED_MS);
    const after = threadStates(pid);
    if (switchesBetween(before, after).every(({ count }) => count === 0)) return after;
    before = after;
  }
  return null;
}

/** By thread; a new one with all that it has done. */
function switchesBetween(
  before: ReadonlyMap<number, ThreadState>,
  after: ReadonlyMap<number, ThreadState>,
): { name: string; count: number }[] {
  return [...after].map(([thread, { name, switches }]) => {
    return { name, count: switches - (before.get(thread)?.switches ?? 0) };
  });
}

/** Time that passes while nothing happens is what this scenario is about. */
function elapse(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
