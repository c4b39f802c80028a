/**
 * Nothing is left behind: descriptors, threads, and what the addon counts are
 * the same after each test as before it.
 *
 * Some things are opened once a process and stay: the poll thread, libuv's
 * pool. A warm-up before the first test makes them part of what was there.
 */
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { EventLoop } from '../../src/index.js';
import { binding } from '../../src/poll/binding.js';
import { eventually } from './eventually.js';

let areHooksIn = false;

/** Called at the top of a test file: from then on every test of the run is looked at. */
export function leavesNothingBehind(): void {
  if (areHooksIn) return;
  areHooksIn = true;
  let before: Belongings | null = null;

  beforeEach('notes what is open', async () => {
    if (before === null) await warmUp();
    before = belongings();
  });

  afterEach('finds everything closed', async function () {
    // A test that failed half-way may well leave something; one report of it will do.
    if (this.currentTest?.state === 'failed') return;
    // Node closes some of its own a turn later, and child processes end in their time.
    await eventually(() => {
      const after = belongings();
      expect(after.counts).to.deep.equal(before?.counts);
      expect(after.descriptors).to.deep.equal(before?.descriptors);
      expect(after.threads).to.be.at.most(before?.threads ?? 0);
    });
  });
}

interface Belongings {
  /** By what they are, since numbers are given away again. */
  descriptors: string[];
  threads: number;
  counts: { handles: number; pollers: number };
}

/** What this process holds open at this moment. Linux only: elsewhere just the addon's counts. */
function belongings(): Belongings {
  const counts = binding.openCounts();
  if (process.platform !== 'linux') return { descriptors: [], threads: 0, counts };
  const threads = readdirSync('/proc/self/task').length;
  return { descriptors: openDescriptors(), threads, counts };
}

/** The descriptors that are open, without the one that lists them. */
function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .map(descriptorName)
    .filter((name) => name !== null)
    .toSorted();
}

/** Opens what is opened once a process. */
async function warmUp(): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, () => stat('/')));
  const loop = new EventLoop();
  loop.registerSignal('SIGUSR2');
  loop.shutdown();
  await loop.run({});
  loop.close();
  // With the first stream of a loop libuv opens a descriptor in reserve.
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

function descriptorName(fd: string): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}
