/** Actors in several shards that all send to all: none lost, none twice, each pair in order. */
import { ActorSystem, type Remote } from '../../src/index.js';
import type { Weaver, Woven } from '../fixtures/actors/weaver.js';
import { eventually } from './eventually.js';

const WEAVER = new URL('../fixtures/actors/weaver.js', import.meta.url);

/** For all messages to arrive. */
const WEAVE_MS = 1_100_000;

/** Small enough that senders have to wait for room all the time. */
const MAILBOX = { capacity: 256 };

export interface WeaveOptions {
  shards: number;
  /** Evenly over the shards; each receives as well. */
  senders: number;
  /** In all, at least; each pair has the same. */
  messages: number;
  seed: number;
  print?: (line: string) => void;
}

/** Returns what was wrong. */
export async function weave(options: WeaveOptions): Promise<string[]> {
  const { shards, senders, messages, seed, print } = options;
  const system = await ActorSystem.start({ shards });
  const count = Math.ceil(messages / (senders * (senders - 1)));
  const expected = count * (senders - 1);
  try {
    const weavers = await Promise.all(
      Array.from({ length: senders }, (_, sender) =>
        system.spawn(WEAVER, { shard: sender % shards, mailbox: MAILBOX }),
      ),
    );
    const calls = weavers.map((weaver) => weaver.proxy<Weaver>());
    const beganMs = performance.now();
    await Promise.all(
      calls.map((call, sender) => {
        const others = weavers.filter((other) => other !== weavers[sender]);
        return call.begin(sender, others, count, seed + sender);
      }),
    );
    const woven = await arrival(calls, expected);
    const seconds = (performance.now() - beganMs) / 1000;
    const total = expected * senders;
    print?.(
      `${total} messages in ${seconds.toFixed(1)} s, ${Math.round(total / seconds)} a second`,
    );
    const { refusedStopped, refusedFull } = await system.metrics();
    print?.(`${refusedFull} were refused and sent again`);
    return [
      ...woven.flatMap(({ received, wrong }, sender) => [
        ...wrong.map((text) => `weaver ${sender}: ${text}`),
        ...(received === expected ? [] : [`weaver ${sender}: ${received} of ${expected}`]),
      ]),
      ...(refusedStopped === 0 ? [] : [`${refusedStopped} went to nobody`]),
    ];
  } finally {
    await system.stop();
  }
}

/** Once all have received what they should; or what they have when the time is over. */
async function arrival(calls: readonly Remote<Weaver>[], expected: number): Promise<Woven[]> {
  const endMs = performance.now() + WEAVE_MS;
  return eventually(async () => {
    const woven: Woven[] = [];
    for (const call of calls) woven.push(await call.woven());
    const isWhole = woven.every(({ received }) => received >= expected);
    if (!isWhole && performance.now() < endMs) throw new Error('on their way');
    return woven;
  }, 2 * WEAVE_MS);
}
