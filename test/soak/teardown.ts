/**
 * Goal: however a thread or a process with a running loop ends, at whatever
 * moment, it does end, crashes nothing, and leaves nothing behind.
 *
 * Method: loops under load (UDP, TCP, timers, messages), in worker threads of
 * a host process and in processes of their own, are ended after 0 to 20 ms in
 * all the ways of `test/support/endings.ts`. The host counts its descriptors
 * and threads before and after. A crash of it is seen in how it ends, a hang
 * by a watchdog. For both backends of the poller, and for each runtime that
 * MILLRACE_TEST_NODES names (paths, separated by commas).
 */
import type { TeardownHostReport } from '../fixtures/teardown-host.js';
import type { TeardownProcessOptions } from '../fixtures/teardown-process.js';
import {
  DELAY_MAX_MS,
  drawEndings,
  EXIT_CODES,
  PROCESS_ENDINGS,
  THROWN,
  WATCHDOG_MS,
} from '../support/endings.js';
import { Fixture, type FixtureSetting, inParallel } from '../support/processes.js';
import { random } from '../support/random.js';
import { type Outcome, type Print, type Scenario, table } from './scenario.js';

export interface TeardownSize {
  /** Worker threads of one host. */
  workers: number;
  /** Processes, for each backend. */
  processes: number;
}

interface Ground extends FixtureSetting {
  node: string;
  name: string;
  seed: number;
}

const BACKENDS = ['epoll', 'poll'] as const;

/** Processes at a time: more would have more moments to choose from, but start slower. */
const PARALLEL = 4;

/** For a process to come up on a busy machine. */
const START_MS = 20_000;

/** For one thread of a host; a hanging one ends the host by its own watchdog. */
const WORKER_MS = 1_000;

export const teardownScenario: Scenario = {
  summary: 'threads and processes end under load: no crash, no hang, no leak (about a minute)',
  run: (print) => teardown({ workers: 300, processes: 50 }, print),
};

export async function teardown(size: TeardownSize, print: Print): Promise<Outcome> {
  const { next, seed } = random();
  print(`seed ${seed}`);
  const failures: string[] = [];
  for (const node of testedNodes()) {
    const grounds = BACKENDS.map((backend) => ({
      node,
      name: `${node}, ${backend}`,
      env: { MILLRACE_POLL_BACKEND: backend },
      seed: Math.floor(next() * 2 ** 31),
    }));
    const ofHosts = await inParallel(grounds, BACKENDS.length, (ground) =>
      endWorkers(ground, size.workers, print),
    );
    failures.push(...ofHosts.flat());
    for (const ground of grounds) failures.push(...(await endProcesses(ground, size, print)));
  }
  return { failures };
}

function testedNodes(): string[] {
  const given = process.env.MILLRACE_TEST_NODES ?? '';
  return given === '' ? [process.execPath] : given.split(',');
}

async function endWorkers(ground: Ground, workers: number, print: Print): Promise<string[]> {
  const { name, seed } = ground;
  await using host = new Fixture('teardown-host', { workers, seed }, ground);
  // Waited for together: a host that crashes says nothing, and one that talks must still end well.
  const deadlineMs = START_MS + workers * WORKER_MS;
  const said = host.report<TeardownHostReport>(deadlineMs).catch(() => null);
  const ending = await host.end(deadlineMs).catch(String);
  const report = await said;
  const failures = (report?.failures ?? []).map((failure) => `${name}: ${failure}`);
  if (typeof ending === 'string') return [`${name} (seed ${seed}): ${ending}`, ...failures];
  const { code, signal, stderr } = ending;
  if (code !== 0 || report === null) {
    return [`${name}: the host (seed ${seed}) ended by ${code ?? signal} ${stderr}`, ...failures];
  }
  for (const line of stageTable(report)) print(`${name}: ${line}`);
  for (const stage of report.stages) {
    const { width, descriptorsBefore, descriptorsAfter, threadsBefore, threadsAfter } = stage;
    const place = `${name}, ${width} at a time (seed ${seed})`;
    if (descriptorsAfter > descriptorsBefore) failures.push(`${place}: descriptors leak`);
    if (threadsAfter > threadsBefore) failures.push(`${place}: threads are left`);
  }
  if (report.neighbourTicks === 0) failures.push(`${name}: the neighbour's loop stood still`);
  return failures;
}

function stageTable({ stages, neighbourTicks }: TeardownHostReport): string[] {
  const head = ['workers', 'at a time', 'descriptors', 'threads'];
  const rows = stages.map((stage) => [
    stage.workers,
    stage.width,
    `${stage.descriptorsBefore} -> ${stage.descriptorsAfter}`,
    `${stage.threadsBefore} -> ${stage.threadsAfter}`,
  ]);
  return [...table([head, ...rows]), `the neighbour's timer fired ${neighbourTicks} times`];
}

async function endProcesses(
  ground: Ground,
  { processes }: TeardownSize,
  print: Print,
): Promise<string[]> {
  const { next } = random(ground.seed);
  const wanted = drawEndings(processes, PROCESS_ENDINGS, next).map((options) => ({
    ...options,
    withWorker: next() < 0.5,
  }));
  const failures = await inParallel(wanted, PARALLEL, (options) => endOne(ground, options));
  const wrong = failures.flat().map((failure) => `${ground.name}: ${failure}`);
  print(`${ground.name}: ${processes} processes, ${wrong.length} ended wrongly`);
  return wrong;
}

async function endOne(ground: Ground, options: TeardownProcessOptions): Promise<string[]> {
  const { ending, delayMs } = options;
  await using child = new Fixture('teardown-process', options, ground);
  const name = JSON.stringify(options);
  try {
    await child.report(START_MS);
    if (ending === 'stop') {
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill('SIGTERM');
    }
    const { code, signal, stderr } = await child.end(DELAY_MAX_MS + WATCHDOG_MS);
    const isRight =
      ending === 'stop' ? signal === 'SIGTERM' : EXIT_CODES[ending].includes(code ?? -1);
    const hasThrown = stderr.includes(THROWN) === (ending === 'throw');
    return isRight && hasThrown ? [] : [`${name} ended with ${code ?? signal}: ${stderr}`];
  } catch (error) {
    return [`${name}: ${String(error)}`];
  }
}
