/** The actor of docs/how-to/use-the-compute-pool.md does what the guide says. */
import { inflateSync } from 'node:zlib';
import { expect } from 'chai';
import { type ActorRef, ActorSystem } from '../../src/index.js';
import type { Command, SnapshotStore } from '../docs/snapshot-store.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { Gate, TASKS } from '../support/pools.js';

leavesNothingBehind();

const MODULE = new URL('../docs/snapshot-store.js', import.meta.url);

/** For threads of a machine that is busy with something else. */
const DEADLINE_MS = 30_000;

type Snapshot = Uint8Array[] | null;

for (const shards of [0, 1]) {
  describe(`a store with snapshots, shards: ${shards}`, function () {
    this.timeout(60_000);

    let system: ActorSystem;
    let store: ActorRef<Command>;
    let crashes: unknown[];

    async function start(queueCapacity: number): Promise<void> {
      crashes = [];
      system = await ActorSystem.start({ shards, compute: { threads: 1, queueCapacity } });
      system.on('crash', ({ error }) => crashes.push(error));
      store = await system.spawn<Command>(MODULE);
      // The thread of the pool is up from here on.
      await system.compute.run(TASKS, 'noop');
    }

    function ask<R>(command: Command): Promise<R> {
      return store.ask<R>(command, { timeoutMs: DEADLINE_MS });
    }

    afterEach(async () => {
      await system.stop();
      expect(crashes).to.deep.equal([]);
    });

    function entriesOf(snapshot: Snapshot): unknown {
      const chunks = (snapshot ?? []).map((chunk) => inflateSync(chunk));
      return JSON.parse(Buffer.concat(chunks).toString());
    }

    it('compresses its state elsewhere, tells how far it is, and goes on meanwhile', async () => {
      await start(10);
      const value = 'x'.repeat(300_000);
      await ask({ key: 'a', value });
      const snapshot = ask<Snapshot>('snapshot');
      expect(await ask<number>({ key: 'b', value })).to.equal(2);
      // What came later is not in it.
      expect(entriesOf(await snapshot)).to.deep.equal([['a', value]]);
      expect(await store.proxy<SnapshotStore>().share()).to.equal(1);
    });

    it('gives up the one before when another is asked for', async () => {
      await start(10);
      await ask({ key: 'a', value: '1' });
      const gate = await Gate.shut(system.compute);
      const [first, second, third] = [1, 2, 3].map(() => ask<Snapshot>('snapshot'));
      expect(await Promise.all([first, second])).to.deep.equal([null, null]);
      gate.open();
      expect(entriesOf(await third)).to.deep.equal([['a', '1']]);
    });

    it('does without one when the queue is full', async () => {
      await start(0);
      await ask({ key: 'a', value: '1' });
      const gate = await Gate.shut(system.compute);
      expect(await ask<Snapshot>('snapshot')).to.equal(null);
      gate.open();
      await gate.done;
      expect(entriesOf(await ask<Snapshot>('snapshot'))).to.deep.equal([['a', '1']]);
    });
  });
}
