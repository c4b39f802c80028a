/** What becomes of sources that move to actors and are never taken (S9, A4, A6, A7). */
import { expect } from 'chai';
import { EventLoop, type SourceHandle, TcpStream } from '../../src/index.js';
import { QUICK } from '../support/actors.js';
import { type CourierRef, courierStagesAfterEach, Moving } from '../support/couriers.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { hold } from '../support/shards.js';
import { closingAfterEach, readText } from '../support/sockets.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const SERIAL = { mailbox: { serial: true } } as const;

function wordsOf(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Makes the thread of an actor do nothing at all; returns what lets it go on. */
async function stopThread(actor: CourierRef, what: 'block' | 'blockAndExit'): Promise<() => void> {
  const words = wordsOf();
  actor.send([what, words]);
  await eventually(() => expect(Atomics.load(words, 1)).to.equal(1));
  return () => {
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  };
}

describe('a source on its way to a shard that dies', function () {
  this.timeout(30_000);
  const own = closingAfterEach();
  const start = courierStagesAfterEach();

  for (const way of ['exit', 'throwOutside', 'exhaust']) {
    it(`A6: is closed, wherever it waits there: ${way}`, async () => {
      const stage = await start({
        shards: 2,
        resourceLimits: { maxOldGenerationSizeMb: 40, maxYoungGenerationSizeMb: 8 },
      });
      const moving = Array.from({ length: 5 }, () => new Moving(own));
      const [inMailbox, backingOff, delivered, givenAway, withChild] = moving;
      const on = { shard: 0, supervision: QUICK };
      const killer = await stage.spawnCourier(on);
      const held = await stage.spawnCourier({ ...on, ...SERIAL });
      await hold(held);
      held.send(['keep', inMailbox.handle]);
      const crashed = await stage.spawnCourier({ shard: 0, supervision: { backoffMs: 60_000 } });
      crashed.send(['crash', 'now']);
      await eventually(() => expect(stage.crashes).to.have.length(1));
      crashed.send(['keep', backingOff.handle]);
      await killer.ask(['keep', delivered.handle]);
      await killer.ask(['hide', givenAway.handle]);
      await killer.ask(['passToChild', withChild.handle, SERIAL]);
      for (const { peer } of moving) expect(readText(peer)).to.equal(null);
      killer.send([way, 1]);
      for (const each of moving) await each.ended();
    });
  }

  it('A6: is closed if nobody there has read it', async () => {
    const stage = await start({ shards: 2 });
    const actor = await stage.spawnCourier({ shard: 0, supervision: QUICK });
    const other = await stage.spawnCourier({ shard: 1 });
    const release = await stopThread(actor, 'blockAndExit');
    const fromHome = [new Moving(own), new Moving(own)];
    const fromShard = new Moving(own);
    expect(actor.send(['keep', fromHome[0].handle])).to.equal(true);
    const asked = rejectionOf(actor.ask(['keep', fromHome[1].handle]));
    await other.ask(['pass', fromShard.handle, actor, 'send']);
    for (const { peer } of [...fromHome, fromShard]) expect(readText(peer)).to.equal(null);
    release();
    for (const each of [...fromHome, fromShard]) await each.ended();
    expect((await asked).code).to.equal('ERR_SHARD_EXITED');
  });

  it('A6: is closed if it waits there for room elsewhere', async () => {
    const stage = await start({ shards: 2 });
    const sender = await stage.spawnCourier({ shard: 0, supervision: QUICK });
    const full = await stage.spawnCourier({ shard: 1, mailbox: { serial: true, capacity: 1 } });
    await hold(full);
    full.send(['noted']);
    const moving = new Moving(own);
    await sender.ask(['pass', moving.handle, full, 'sendAsync']);
    expect(readText(moving.peer)).to.equal(null);
    sender.send(['exit', 1]);
    await moving.ended();
  });

  it('A6: what was taken elsewhere, or is on its way to there, is not touched', async () => {
    const stage = await start({ shards: 2 });
    const giver = await stage.spawnCourier({ shard: 0, supervision: QUICK });
    const taker = await stage.spawnCourier({ shard: 1, ...SERIAL });
    const taken = new Moving(own);
    await taker.ask(['take', await giver.ask<SourceHandle>(['giveAway', taken.handle])]);
    const release = await hold(taker);
    const under = new Moving(own);
    const here = new Moving(own);
    const handle = await giver.ask<SourceHandle>(['giveAway', under.handle]);
    taker.send(['take', handle]);
    const answered = await giver.ask<SourceHandle>(['giveAway', here.handle]);
    const gone = rejectionOf(giver.ask(['never']));
    giver.send(['exit', 1]);
    expect((await gone).code).to.equal('ERR_SHARD_EXITED');
    release();
    await taker.ask(['write', ', and still here']);
    for (const { peer } of [taken, under]) {
      await eventually(() => expect(readText(peer)).to.match(/still here/));
    }
    own(TcpStream.from(answered)).write(Buffer.from('here'));
    await eventually(() => expect(readText(here.peer)).to.equal('here'));
  });

  it('S9: what was refused is for its sender to take back', async () => {
    const stage = await start({ shards: 1 });
    const full = await stage.spawnCourier({ shard: 0, mailbox: { serial: true, capacity: 1 } });
    const down = await stage.spawnCourier({ shard: 0, supervision: { onCrash: 'stop' } });
    await hold(full);
    full.send(['noted']);
    const moving = new Moving(own);
    expect(full.send(['keep', moving.handle])).to.equal(false);
    expect((await rejectionOf(full.ask(['keep', moving.handle]))).code).to.equal(
      'ERR_MAILBOX_FULL',
    );
    const stopped = down.ask(['never']).catch(() => undefined);
    down.send(['exit', 1]);
    await stopped;
    expect(down.send(['keep', moving.handle])).to.equal(false);
    moving.takeBack(own);
  });
});

for (const shards of [0, 1]) {
  const where = shards === 0 ? 'on the same thread' : 'on another thread';
  const on = { shard: 0 } as const;

  describe(`a source in a message that comes to nothing, ${where}`, function () {
    this.timeout(30_000);
    const own = closingAfterEach();
    const start = courierStagesAfterEach();

    for (const overflow of ['dropOldest', 'dropNewest'] as const) {
      it(`A4: is closed with what ${overflow} drops`, async () => {
        const stage = await start({ shards });
        const mailbox = { serial: true, capacity: 1, overflow } as const;
        const actor = await stage.spawnCourier({ ...on, mailbox });
        const release = await hold(actor);
        const [first, second] = [new Moving(own), new Moving(own)];
        expect(actor.send(['take', first.handle])).to.equal(true);
        expect(actor.send(['take', second.handle])).to.equal(true);
        const [dropped, kept] = overflow === 'dropOldest' ? [first, second] : [second, first];
        await dropped.ended();
        release();
        await eventually(() => expect(readText(kept.peer)).to.equal('taken'));
        await actor.stop();
        await kept.ended();
      });
    }

    it('A7: is closed with what an actor leaves in its mailbox', async () => {
      const stage = await start({ shards });
      const actor = await stage.spawnCourier({ ...on, ...SERIAL });
      await hold(actor);
      const moving = new Moving(own);
      const deep = new Moving(own);
      actor.send(['keep', moving.handle]);
      actor.send(['keep', new Map([[1, { list: [new Set([deep.handle])] }]])]);
      await actor.stop({ timeoutMs: 0 });
      await moving.ended();
      await deep.ended();
    });

    it('A2: is closed with what a crash leaves', async () => {
      const stage = await start({ shards });
      const supervision = { onCrash: 'stop' } as const;
      const actor = await stage.spawnCourier({ ...on, ...SERIAL, supervision });
      const release = await hold(actor);
      const moving = new Moving(own);
      actor.send(['crash', 'now']);
      actor.send(['keep', moving.handle]);
      expect(readText(moving.peer)).to.equal(null);
      release();
      await moving.ended();
    });

    it('A5: is closed with an answer that nobody waits for', async () => {
      const stage = await start({ shards });
      const actor = await stage.spawnCourier(on);
      const moving = new Moving(own);
      const asked = actor.ask(['answerWith', moving.handle], { timeoutMs: 1 });
      expect((await rejectionOf(asked)).code).to.equal('ERR_ASK_TIMEOUT');
      expect(readText(moving.peer)).to.equal(null);
      actor.send(['open']);
      await moving.ended();
    });

    it('A7: is closed when the system stops', async () => {
      const stage = await start({ shards });
      const actor = await stage.spawnCourier({ ...on, ...SERIAL });
      await hold(actor);
      const moving = [new Moving(own), new Moving(own)];
      actor.send(['keep', moving[0].handle]);
      const asked = actor.ask(['keep', moving[1].handle]).catch(() => undefined);
      await stage.system.stop({ timeoutMs: 0 });
      for (const each of moving) await each.ended();
      await asked;
    });
  });
}

describe('a source between two threads', function () {
  this.timeout(60_000);
  const own = closingAfterEach();
  const start = courierStagesAfterEach();

  it('A7: is closed if its actor is ending, or gone, when it arrives', async () => {
    const stage = await start({ shards: 1 });
    const blocked = await stage.spawnCourier({ shard: 0 });
    const supervision = { onCrash: 'stop' } as const;
    for (const args of [['lingers'], []]) {
      const actor = await stage.spawnCourier({ shard: 0, args, supervision });
      const release = await stopThread(blocked, 'block');
      const moving = new Moving(own);
      actor.send(['crash', 'now']);
      expect(actor.send(['keep', moving.handle])).to.equal(true);
      release();
      await moving.ended();
    }
  });

  it('A10: is closed if its sender drops it in the place of the receiver', async () => {
    const stage = await start({ shards: 1 });
    const mailbox = { capacity: 1, overflow: 'dropNewest' } as const;
    const actor = await stage.spawnCourier({ shard: 0, mailbox });
    const release = await stopThread(actor, 'block');
    const moving = new Moving(own);
    expect(actor.send(['note'])).to.equal(true);
    expect(actor.send(['keep', moving.handle])).to.equal(true);
    await moving.ended();
    release();
  });

  it('A6: is closed with an answer to a shard that has died', async () => {
    const stage = await start({ shards: 2 });
    const actor = await stage.spawnCourier({ shard: 0 });
    const asker = await stage.spawnCourier({ shard: 1, supervision: QUICK });
    const moving = new Moving(own);
    asker.send(['askOther', actor, ['answerWith', moving.handle]]);
    const gone = rejectionOf(asker.ask(['never']));
    asker.send(['exit', 1]);
    await gone;
    expect(readText(moving.peer)).to.equal(null);
    await actor.ask(['open']);
    await moving.ended();
  });

  it('L4: is in the messages that close() returns, and may be taken', async () => {
    const stage = await start({ shards: 1 });
    const loop = new EventLoop<{ handle: SourceHandle }>();
    const actor = await stage.spawnCourier({ shard: 0 });
    const moving = new Moving(own);
    expect(await actor.ask(['passToLoop', moving.handle, loop.channel()])).to.equal(true);
    const [message] = loop.close();
    // It outlives its giver, as in any channel.
    await stage.system.stop();
    expect(readText(moving.peer)).to.equal(null);
    own(TcpStream.from(message.handle)).write(Buffer.from('taken'));
    await eventually(() => expect(readText(moving.peer)).to.equal('taken'));
  });
});
