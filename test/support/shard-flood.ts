/**
 * Goal: an actor that is far too slow harms nobody (rules A4, A10): memory
 * stays within what its mailbox may hold, and every message that it does not
 * get is known, to its sender and in the reports, to the last one.
 *
 * Method: actors of all shards, its own and home included, send to it without
 * a pause, messages that would fill gigabytes; what they were refused, what it
 * received, what events and what metrics say must add up.
 */
import { type ActorRef, ActorSystem, type RefusedEvent } from '../../src/index.js';
import type { Drop, Pour, Slow } from '../fixtures/actors/flooded.js';
import { eventually } from './eventually.js';

const FLOODED = new URL('../fixtures/actors/flooded.js', import.meta.url);

const SHARDS = 3;
const CAPACITY = 1024;
const MESSAGE_BYTES = 2048;

/** A sender takes about a microsecond for a message. */
const SPIN_MS = 0.1;

/** Where senders wait it is the slow one that sets the pace. */
const WAITING_PART = 1 / 20;

/** For all senders to be done, and for what is on its way then. */
const POUR_MS = 600_000;
const DRAIN_MS = 120_000;

/** Beside messages: what all threads have thrown away and nobody has collected yet. */
const GARBAGE_MAX_BYTES = 128 * 2 ** 20;

/** What may be under way to a mailbox that drops, beside what waits in it. */
const IN_FLIGHT_MAX = 2 ** 16;

type Print = (line: string) => void;

interface Flow {
  readonly name: string;
  readonly overflow: 'refuse' | 'dropOldest' | 'dropNewest';
  /** Whether senders wait for room. */
  readonly waits: boolean;
}

const FLOWS: readonly Flow[] = [
  { name: 'refuse', overflow: 'refuse', waits: false },
  { name: 'dropOldest', overflow: 'dropOldest', waits: false },
  { name: 'dropNewest', overflow: 'dropNewest', waits: false },
  { name: 'sendAsync', overflow: 'refuse', waits: true },
];

/** Returns what was wrong. */
export async function flood(messages: number, print: Print): Promise<string[]> {
  const wrong: string[] = [];
  for (const flow of FLOWS) {
    const system = await ActorSystem.start({ shards: SHARDS });
    try {
      const count = messages * (flow.waits ? WAITING_PART : 1);
      const tally = await tallyOf(system, flow, Math.ceil(count / (SHARDS + 1)));
      print(`${flow.name}: ${describe(tally)}`);
      wrong.push(...judge(flow, tally).map((text) => `${flow.name}: ${text}`));
    } finally {
      await system.stop();
    }
  }
  return wrong;
}

interface Tally {
  sent: number;
  received: number;
  disordered: number;
  /** To senders. */
  refused: number;
  inMetrics: number;
  inEvents: number;
  /** Memory of the whole process, at its most. */
  grownBytes: number;
}

/** Each of the senders, one in each shard, sends so many. */
async function tallyOf(
  system: ActorSystem,
  { overflow, waits }: Flow,
  count: number,
): Promise<Tally> {
  let inEvents = 0;
  system.on('refused', (event: RefusedEvent) => {
    inEvents += event.count;
  });
  const mailbox = { capacity: CAPACITY, overflow };
  const target = { export: 'Slow', shard: 0, args: [SPIN_MS], mailbox };
  const other = await system.spawn<Drop>(FLOODED, target);
  const senders: ActorRef<Pour>[] = await Promise.all(
    Array.from({ length: SHARDS + 1 }, (_, shard) =>
      system.spawn<Pour>(FLOODED, { export: 'Flood', shard }),
    ),
  );
  const memory = watchMemory();
  const refusals = await Promise.all(
    senders.map((ref, sender) => {
      const pour: Pour = { other, sender, count, size: MESSAGE_BYTES, waits };
      return ref.ask<number>(pour, { timeoutMs: POUR_MS });
    }),
  );
  await eventually(async () => {
    const { pendingMessages } = await system.metrics();
    if (pendingMessages > 0) throw new Error(`${pendingMessages} are left`);
  }, DRAIN_MS);
  const grownBytes = memory.stop();
  const { received, disordered } = await other.proxy<Slow>().seen();
  const { refusedFull, droppedOldest, droppedNewest } = await system.metrics();
  const inMetrics = refusedFull + droppedOldest + droppedNewest;
  // Events come with the end of a tick elsewhere; too few of them are found by judge().
  await eventually(() => {
    if (inEvents < inMetrics) throw new Error('events are missing');
  }).catch(() => {});
  const refused = refusals.reduce((sum, each) => sum + each, 0);
  const sent = count * senders.length;
  return { sent, received, disordered, refused, inMetrics, inEvents, grownBytes };
}

function describe({ sent, received, refused, inMetrics, grownBytes }: Tally): string {
  const grown = `memory grew by ${(grownBytes / 2 ** 20).toFixed(0)} MiB at most`;
  return `${sent} sent, ${received} received, ${refused} refused, ${inMetrics} counted; ${grown}`;
}

function judge({ overflow, waits }: Flow, tally: Tally): string[] {
  const { sent, received, disordered, refused, inMetrics, inEvents, grownBytes } = tally;
  const wrong: string[] = [];
  const isRefusing = overflow === 'refuse';
  const heldMax = CAPACITY + (isRefusing ? 0 : IN_FLIGHT_MAX);
  const grownMax = heldMax * MESSAGE_BYTES + GARBAGE_MAX_BYTES;
  const lost = sent - received - inMetrics;
  if (lost !== 0) wrong.push(`${lost} messages are lost`);
  if (disordered > 0) wrong.push(`${disordered} messages came twice, or out of order`);
  if (inEvents !== inMetrics) wrong.push(`${inEvents} in events, ${inMetrics} in metrics`);
  if (refused !== (isRefusing ? inMetrics : 0)) wrong.push(`${refused} refused to senders`);
  if (waits && refused > 0) wrong.push(`${refused} refused, although senders wait`);
  if (grownBytes > grownMax) wrong.push(`memory grew by ${grownBytes}, of ${grownMax} allowed`);
  return wrong;
}

/** Of the whole process, with all its threads. */
function watchMemory(): { stop(): number } {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  return {
    stop: () => {
      clearInterval(timer);
      return most - before;
    },
  };
}
