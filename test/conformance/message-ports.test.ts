/**
 * What only a MessagePort can carry, in messages between the threads of a
 * system (rule C4): any two of them, home included, and both ways.
 */
import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type ActorSystem, type SpawnOptions, transfer } from '../../src/index.js';
import {
  handOver,
  openPorts,
  type Errand,
  type Porter,
  type PorterRef,
  WAYS,
} from '../fixtures/actors/porter.js';
import { QUICK } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { threadStagesAfterEach } from '../support/shards.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const PORTER = new URL('../fixtures/actors/porter.js', import.meta.url);
const SHARDS = 2;
/** The number of this thread's own shard. */
const HOME = SHARDS;
const REPLY = ['there', 'and back'];

describe('ports in messages between threads', function () {
  this.timeout(30_000);
  const start = threadStagesAfterEach();
  let system: ActorSystem;

  beforeEach(async () => {
    system = (await start({ shards: SHARDS })).system;
  });

  function spawn(options: SpawnOptions): Promise<PorterRef> {
    return system.spawn<Errand>(PORTER, { export: 'Porter', ...options });
  }

  for (const way of WAYS) {
    it(`C4: by ${way}, between any two threads, in its place among other messages`, async () => {
      const porters = await Promise.all([0, 1, HOME].map((shard) => spawn({ shard })));
      for (const to of porters.slice(0, HOME)) {
        expect(await handOver(to, way)).to.deep.equal(REPLY);
        if (way !== 'answer') {
          expect(await to.ask(['notes'])).to.deep.equal(['before', 'port', 'after']);
        }
      }
      for (const from of porters.slice(0, HOME)) {
        for (const to of porters.filter((porter) => porter !== from)) {
          expect(await from.ask(['handTo', to, way])).to.deep.equal(REPLY);
          if (way !== 'answer') {
            expect(await to.ask(['notes'])).to.deep.equal(['before', 'port', 'after']);
          }
        }
      }
    });
  }

  it('C4: in the arguments of an actor, from any thread', async () => {
    const { port1, port2 } = new MessageChannel();
    await spawn({ shard: 0, args: transfer([{ port: port2 }], [port2]) });
    port1.postMessage('there');
    expect(await once(port1, 'message')).to.deep.equal([REPLY]);
    port1.close();
    const porter = await spawn({ shard: 0 });
    for (const shard of [1, HOME]) {
      expect(await porter.ask(['spawnWithPort', shard])).to.deep.equal(REPLY);
    }
  });

  it('A1: of a constructor that throws, the ports it was given are closed', async () => {
    const { port1, port2 } = new MessageChannel();
    const closed = once(port1, 'close');
    const args = transfer(['throw', port2], [port2]);
    expect((await rejectionOf(spawn({ shard: 1, args }))).message).to.equal(
      'not with a MessagePort',
    );
    await closed;
  });

  it('A6: arguments that were moved died with the thread, and so does the actor', async () => {
    const { port1, port2 } = new MessageChannel();
    const closed = once(port1, 'close');
    const other = await spawn({ shard: 0, supervision: QUICK });
    const args = transfer([{ port: port2 }], [port2]);
    const porter = await spawn({ shard: 0, args, supervision: QUICK });
    const stopped = new Promise((resolve) => porter.watch(resolve));
    porter.send(['exit']);
    await closed;
    expect(await stopped).to.include({ kind: 'shardExit' });
    await eventually(async () => expect(await other.ask(['echo', 1])).to.equal(1));
  });

  it('C4: many, through all threads at once, and each arrives at its place', async () => {
    const porters = await Promise.all([0, 1, HOME].map((shard) => spawn({ shard })));
    const rounds = porters.flatMap((from) =>
      porters
        .filter((to) => to !== from)
        .flatMap((to) => Array.from({ length: 50 }, () => from.ask(['handTo', to, 'send']))),
    );
    for (const reply of await Promise.all(rounds)) expect(reply).to.deep.equal(REPLY);
    for (const porter of porters) {
      const notes = await porter.ask<string[]>(['notes']);
      // Of each round and pair three notes, which nothing of the same sender comes between.
      expect(notes).to.have.length(300);
    }
  });

  it('C4: an ArrayBuffer moves there and back', async () => {
    const porter = await spawn({ shard: 0 });
    const { buffer } = new Uint8Array(2 ** 20).fill(7);
    const asked = porter.ask<[ArrayBuffer]>(transfer<Errand>(['swap', buffer, true], [buffer]));
    expect(buffer.byteLength).to.equal(0);
    const bytes = new Uint8Array((await asked)[0]);
    expect([bytes.length, bytes[0], bytes.at(-1)]).to.deep.equal([2 ** 20, 7, 7]);
  });

  it('C4: a port that is not listed, or not here, is refused at the sender', async () => {
    const porter = await spawn({ shard: 0, mailbox: { capacity: 1 } });
    const { port1, port2 } = new MessageChannel();
    for (const message of [['keep', { port: port2 }], transfer(['keep', {}], [{}])] as Errand[]) {
      expect(() => porter.send(message))
        .to.throw(DOMException)
        .with.property('name', 'DataCloneError');
    }
    expect(await porter.proxy<Porter>().keep(transfer({ port: port2 }, [port2]))).to.equal(
      undefined,
    );
    const again = await rejectionOf(
      porter.proxy<Porter>().keep(transfer({ port: port2 }, [port2])),
    );
    expect(again.name).to.equal('DataCloneError');
    port1.close();
  });

  it('C4: what is listed and not in the message moves as well, to nobody', async () => {
    const porter = await spawn({ shard: 0 });
    const [one, other] = [new MessageChannel(), new MessageChannel()];
    const closed = [once(one.port1, 'close'), once(other.port1, 'close')];
    porter.send(transfer(['note', 'without'], [one.port2]));
    const key = createSecretKey(Buffer.from('key'));
    porter.send(transfer(['note', key], [other.port2]));
    expect(await porter.ask(['notes'])).to.have.length(2);
    await Promise.all(closed);
  });

  it('A6: what is on its way to a thread that dies is lost, and its other end told', async () => {
    const porter = await spawn({ shard: 0, supervision: QUICK });
    const { port1, port2 } = new MessageChannel();
    const closed = once(port1, 'close');
    const dead = rejectionOf(porter.ask(['exit']));
    while (!porter.send(transfer(['keep', { port: port2 }], [port2])));
    await Promise.all([closed, dead]);
    // The next thread has a port of its own.
    const other = await spawn({ shard: 1 });
    await eventually(async () => expect(await porter.ask(['echo', 1])).to.equal(1));
    expect(await handOver(porter, 'send')).to.deep.equal(REPLY);
    expect(await other.ask(['handTo', porter, 'ask'])).to.deep.equal(REPLY);
    expect(await porter.ask(['handTo', other, 'ask'])).to.deep.equal(REPLY);
  });

  it('no port is left of threads that died, and of a system that was stopped', async () => {
    const porter = await spawn({ shard: 0, supervision: QUICK });
    const other = await spawn({ shard: 1 });
    await porter.ask(['handTo', other, 'ask']);
    const [here, there] = [openPorts(), await other.ask<{ open: number }>(['ports'])];
    for (let death = 0; death < 3; death++) {
      await rejectionOf(porter.ask(['exit']));
      await eventually(async () => expect(await porter.ask(['echo', 1])).to.equal(1));
      await porter.ask(['handTo', other, 'ask']);
    }
    await eventually(async () => {
      expect(openPorts()).to.be.at.most(here);
      expect(await other.ask(['ports'])).to.deep.equal(there);
    });
    await system.stop();
    const left = openPorts();
    const next = (await start({ shards: SHARDS })).system;
    await next.stop();
    await eventually(() => expect(openPorts()).to.be.at.most(left));
  });

  it('a port keeps no thread alive', async () => {
    const porter = await spawn({ shard: 0 });
    await handOver(porter, 'ask');
    // The one of the control plane, which has to.
    expect(await porter.ask<{ active: number }>(['ports'])).to.include({ active: 1 });
  });
});
