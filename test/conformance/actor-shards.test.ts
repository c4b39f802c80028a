/**
 * Actors by their module: the same on the thread of the system and in threads
 * of their own. One suite, run with `shards: 0` and with `shards: 2`.
 */
import { expect } from 'chai';
import { ActorRef, EventLoop, MillraceError } from '../../src/index.js';
import type { Player } from '../fixtures/actors/player.js';
import { QUICK, stopOf } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { block, hold, PLAYER, type PlayerRef, threadStagesAfterEach } from '../support/shards.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

for (const shards of [0, 2]) {
  describe(`actors of modules, with ${shards} shards`, function () {
    this.timeout(20_000);
    const start = threadStagesAfterEach();
    const stage = () => start({ shards, name: 'tested' });
    const isApart = shards > 0;

    describe('spawn', () => {
      it('A1: resolves when the constructor has run, in the shard that is named', async () => {
        const { system, spawnPlayer } = bound(await stage());
        for (let shard = 0; shard <= shards; shard++) {
          const actor = await spawnPlayer({ shard, args: ['a', shard] });
          expect(actor.shard).to.equal(shard);
          expect(await actor.ask(['givenArgs'])).to.deep.equal(['a', shard]);
          expect(await actor.ask(['where'])).to.include({ id: actor.id, shard });
        }
        expect((await system.metrics()).actors).to.equal(shards + 1);
      });

      it('A1: the error of the constructor comes whole, and leaves nothing behind', async () => {
        const { system, spawnPlayer } = bound(await stage());
        const error = await rejectionOf(spawnPlayer({ args: ['throw'], name: 'n' }));
        expect(error).to.be.instanceOf(RangeError);
        expect(error).to.include({ message: 'constructed', code: 'EMINE' });
        expect(error.stack).to.include('player.js');
        expect((await system.metrics()).actors).to.equal(0);
        expect(await system.lookup('n')).to.equal(null);
        await spawnPlayer({ name: 'n' });
      });

      it('A1: the errors of modules come with their codes', async () => {
        const { system } = await stage();
        const missing = new URL('missing.js', PLAYER);
        const error = await rejectionOf(system.spawn(missing, { name: 'n' }));
        expect(error).to.be.instanceOf(MillraceError);
        expect(error.code).to.equal('ERR_MODULE_NOT_FOUND');
        const other = await rejectionOf(system.spawn(PLAYER, { export: 'Missing', name: 'n' }));
        expect(other.code).to.equal('ERR_NO_HANDLER_CLASS');
      });

      it('A1: a shard that there is not is out of range', async () => {
        const { spawnPlayer } = bound(await stage());
        const error = await rejectionOf(spawnPlayer({ shard: shards + 1, name: 'n' }));
        expect(error).to.be.instanceOf(RangeError).and.include({ code: 'ERR_OUT_OF_RANGE' });
        await spawnPlayer({ name: 'n' });
      });

      it('A1: names are unique in the system, whoever spawns', async () => {
        const { system, spawnPlayer } = bound(await stage());
        const parent = await spawnPlayer({ name: 'parent', shard: 0 });
        const child = await parent.ask<PlayerRef>(['child', { name: 'child', shard: shards }]);
        expect(child).to.be.instanceOf(ActorRef);
        expect(child.shard).to.equal(shards);
        expect(await system.lookup('child')).to.equal(child);
        expect(await parent.ask(['find', 'child'])).to.equal(child);
        const own = await parent.ask<PlayerRef>(['ownChild', { name: 'own' }]);
        expect(await system.lookup('own')).to.equal(own);
        for (const name of ['parent', 'child', 'own']) {
          const errors = await Promise.all([
            rejectionOf(spawnPlayer({ name })),
            rejectionOf(parent.proxy<Player>().child({ name })),
            rejectionOf(parent.proxy<Player>().ownChild({ name })),
          ]);
          const codes = errors.map(({ code }) => code);
          expect(codes).to.deep.equal(Array(3).fill('ERR_NAME_TAKEN'));
        }
        await child.stop();
        expect(await system.lookup('child')).to.equal(null);
        await spawnPlayer({ name: 'child' });
      });

      it('references in arguments work, and come home as themselves', async () => {
        const { spawnPlayer } = bound(await stage());
        const first = await spawnPlayer({ shard: 0 });
        const second = await spawnPlayer({ shard: shards, args: [first] });
        expect(await second.ask(['givenArgs'])).to.deep.equal([first]);
        expect((await second.ask<unknown[]>(['givenArgs']))[0]).to.equal(first);
        expect(await second.ask(['askOther', first, ['echo', { deep: [second] }]])).to.deep.equal({
          deep: [second],
        });
      });
    });

    describe('ask', () => {
      it('A5: answers, with a value or a promise; errors come whole', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ supervision: { onCrash: 'resume' } });
        const value = { map: new Map([[1, new Set(['x'])]]), date: new Date(5), self: actor };
        expect(await actor.ask(['echo', value])).to.deep.equal(value);
        const answer = actor.ask(['gate']);
        actor.send(['open']);
        expect(await answer).to.equal(undefined);
        const error = await rejectionOf(actor.ask(['crashWith', 'MyError', 'mine']));
        expect(error).to.include({ name: 'MyError', message: 'mine', code: 'EMINE' });
        // A8: fields of errors as well, and references in them.
        expect((error as unknown as { detail: object }).detail).to.deep.equal({ self: actor });
      });

      it('A5: settles by deadline, signal, and stop', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer();
        const late = await rejectionOf(actor.ask(['never'], { timeoutMs: 20 }));
        expect(late.code).to.equal('ERR_ASK_TIMEOUT');
        const abort = new AbortController();
        const aborted = rejectionOf(actor.ask(['never'], { signal: abort.signal }));
        abort.abort(new Error('my reason'));
        expect((await aborted).message).to.equal('my reason');
        const left = rejectionOf(actor.ask(['never']));
        await actor.stop({ timeoutMs: 0 });
        expect((await left).code).to.equal('ERR_ACTOR_STOPPED');
        expect((await rejectionOf(actor.ask(['echo', 1]))).code).to.equal('ERR_ACTOR_STOPPED');
        expect((await rejectionOf(actor.sendAsync(['noted']))).code).to.equal('ERR_ACTOR_STOPPED');
      });

      it('A5: a restart while the answer is pending rejects ERR_ACTOR_STOPPED', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ supervision: QUICK });
        const pending = rejectionOf(actor.ask(['never']));
        actor.send(['crash', new Error('boom')]);
        expect((await pending).code).to.equal('ERR_ACTOR_STOPPED');
        expect(await actor.ask(['echo', 1])).to.equal(1);
      });

      it('A11: proxy() calls the methods; what they throw is no crash', async () => {
        const opened = await stage();
        const actor = await opened.spawnPlayer();
        const player = actor.proxy<Player>();
        expect(await player.echo([1, actor])).to.deep.equal([1, actor]);
        const error = await rejectionOf(player.crashWith('E', 'm'));
        expect(error).to.include({ name: 'E', code: 'EMINE' });
        const missing = actor.proxy<{ nowhere(): void }>().nowhere();
        expect((await rejectionOf(missing)).code).to.equal('ERR_NO_SUCH_METHOD');
        expect(opened.crashes).to.deep.equal([]);
      });
    });

    describe('a mailbox', () => {
      const mailbox = { serial: true } as const;

      for (const capacity of [1, 2, 17]) {
        it(`A4, A10: a capacity of ${capacity} is exact, for senders of all threads`, async () => {
          const { spawnPlayer } = bound(await stage());
          const actor = await spawnPlayer({ shard: 0, mailbox: { ...mailbox, capacity } });
          const senders = await Promise.all(
            Array.from({ length: shards + 1 }, (_, shard) => spawnPlayer({ shard })),
          );
          for (const sender of senders) await sender.ask(['tell', actor, ['note', 'warm']]);
          await eventually(() => actor.ask(['noted']));
          // What is delivered has left the mailbox.
          const open = await hold(actor);
          const floods = senders.map((sender) => sender.ask(['flood', actor, 0, 50]));
          const taken = (await Promise.all(floods)) as number[];
          expect(taken.reduce((sum, count) => sum + count)).to.equal(capacity);
          expect(actor.send(['note', 'too much'])).to.equal(false);
          const full = await rejectionOf(actor.ask(['echo', 1]));
          expect(full.code).to.equal('ERR_MAILBOX_FULL');
          open();
          await eventually(async () => {
            expect(await actor.ask(['numbers'])).to.have.length(capacity);
          });
        });
      }

      it('A4: has the notifyCapacity of the system unless spawn() says otherwise', async () => {
        const { spawnPlayer } = bound(await start({ shards, loop: { notifyCapacity: 3 } }));
        const parent = await spawnPlayer({ shard: 0 });
        const child = await parent.ask<PlayerRef>(['child', { mailbox }]);
        const wider = await spawnPlayer({ mailbox: { ...mailbox, capacity: 5 } });
        const actors: [PlayerRef, number][] = [
          [await spawnPlayer({ mailbox }), 3],
          [child, 3],
          [wider, 5],
        ];
        for (const [actor, capacity] of actors) {
          const open = await hold(actor);
          for (let sent = 0; sent < capacity; sent++) expect(actor.send(['note'])).to.equal(true);
          expect(actor.send(['note'])).to.equal(false);
          open();
        }
      });

      it('A10: dropOldest and dropNewest say true, and the receiver drops', async () => {
        for (const overflow of ['dropOldest', 'dropNewest'] as const) {
          const opened = await stage();
          const refused: unknown[] = [];
          opened.system.on('refused', ({ reason, count }) => refused.push([reason, count]));
          const capacity = 3;
          const actor = await opened.spawnPlayer({ mailbox: { ...mailbox, capacity, overflow } });
          const open = await hold(actor);
          for (let index = 0; index < 10; index++) {
            expect(actor.send(['number', 0, index])).to.equal(true);
          }
          await eventually(() => {
            expect(refused.reduce((sum: number, each) => sum + (each as number[])[1], 0)).to.equal(
              7,
            );
          });
          expect(new Set(refused.map((each) => (each as unknown[])[0]))).to.deep.equal(
            new Set([overflow]),
          );
          open();
          // An ask would drop one as well.
          await eventually(async () => {
            expect((await opened.system.metrics()).pendingMessages).to.equal(0);
          });
          const kept = overflow === 'dropOldest' ? [7, 8, 9] : [0, 1, 2];
          await eventually(async () => {
            const numbers = await actor.ask<number[][]>(['numbers']);
            expect(numbers.map(([, index]) => index)).to.deep.equal(kept);
          });
        }
      });

      it('A10: what a busy actor has not come to yet is in its mailbox', async () => {
        if (!isApart) return;
        for (const overflow of ['dropOldest', 'dropNewest'] as const) {
          const { system, spawnPlayer } = bound(await stage());
          const actor = await spawnPlayer({ shard: 0, mailbox: { capacity: 3, overflow } });
          const unblock = await block(actor);
          const asked = actor.ask(['number', 0, 'asked']).catch(({ code }) => code as unknown);
          for (let index = 0; index < 10; index++) {
            expect(actor.send(['number', 0, index])).to.equal(true);
          }
          unblock();
          const isOldest = overflow === 'dropOldest';
          expect(await asked).to.equal(isOldest ? 'ERR_MAILBOX_FULL' : undefined);
          // An ask might drop one as well.
          await eventually(async () => expect((await system.metrics()).messages).to.equal(4));
          const numbers = await actor.ask<unknown[][]>(['numbers']);
          const kept = isOldest ? [7, 8, 9] : ['asked', 0, 1];
          expect(numbers.map(([, index]) => index)).to.deep.equal(kept);
          const { droppedOldest, droppedNewest } = await system.metrics();
          expect([droppedOldest, droppedNewest]).to.deep.equal(isOldest ? [8, 0] : [0, 8]);
        }
      });

      it('A5, A10: sendAsync() waits for room also where messages are dropped', async () => {
        for (const overflow of ['dropOldest', 'dropNewest'] as const) {
          const { system, spawnPlayer } = bound(await stage());
          const one = { ...mailbox, capacity: 1, overflow };
          const actor = await spawnPlayer({ shard: 0, mailbox: one });
          const open = await hold(actor);
          expect(actor.send(['number', 0, 0])).to.equal(true);
          const waiting = actor.sendAsync(['number', 0, 1]);
          // It would overtake the one that waits.
          expect(actor.send(['number', 0, 2])).to.equal(true);
          open();
          await waiting;
          await eventually(async () => expect((await system.metrics()).messages).to.equal(3));
          const numbers = await actor.ask<number[][]>(['numbers']);
          expect(numbers.map(([, index]) => index)).to.deep.equal([0, 1]);
        }
      });

      it('C1: first in, first out, also after messages had to wait', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ shard: 0, mailbox });
        const other = await spawnPlayer({ shard: shards });
        const open = await hold(actor);
        // The second half comes while the first is being delivered.
        const first = other.ask(['flood', actor, 0, 700]);
        for (let index = 0; index < 700; index++) actor.send(['number', 'mine', index]);
        await first;
        open();
        const second = other.ask(['flood', actor, 700, 300]);
        for (let index = 700; index < 1000; index++) actor.send(['number', 'mine', index]);
        await second;
        await eventually(async () => expect(await actor.ask(['numbers'])).to.have.length(2000));
        const numbers = await actor.ask<[unknown, number][]>(['numbers']);
        for (const sender of ['mine', shards]) {
          const indices = numbers.filter(([from]) => from === sender).map(([, index]) => index);
          expect(indices).to.deep.equal([...Array(1000).keys()]);
        }
      });

      it('C4: what cannot be cloned throws at the sender, and takes no place', async function () {
        if (!isApart) return;
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ shard: 0, mailbox: { ...mailbox, capacity: 1 } });
        const open = await hold(actor);
        for (let round = 0; round < 3; round++) {
          expect(() => actor.send(['echo', () => {}])).to.throw(DOMException);
          const asked = await rejectionOf(actor.ask(['echo', () => {}]));
          expect(asked.name).to.equal('DataCloneError');
        }
        expect(actor.send(['noted'])).to.equal(true);
        expect(actor.send(['noted'])).to.equal(false);
        open();
        // An answer is no different.
        await eventually(async () => {
          const answer = await rejectionOf(actor.ask(['unclonable']));
          expect(answer.name).to.equal('DataCloneError');
        });
      });

      it('a reference of another system is refused at the sender', async () => {
        if (!isApart) return;
        const { spawnPlayer } = bound(await stage());
        const stranger = await (await start({ shards: 0 })).spawnPlayer();
        const actor = await spawnPlayer({ shard: 0 });
        const error = await rejectionOf(actor.ask(['echo', stranger]));
        expect(error.code).to.equal('ERR_NOT_TRANSFERABLE');
        expect(() => actor.transfer()).to.throw(MillraceError);
        expect(await actor.ask(['echo', 1])).to.equal(1);
      });

      it('a sender of a loop in a message works there', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ shard: 0 });
        const loop = new EventLoop();
        const got: unknown[] = [];
        const running = loop.run({
          notify: (_, message) => {
            got.push(message);
            loop.shutdown();
          },
        });
        await actor.ask(['tell', loop.channel(), ['hello']]);
        await running;
        loop.close();
        expect(got).to.deep.equal([['hello']]);
      });

      it('A5: sendAsync() waits for room, in turn, and no send() overtakes it', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ shard: 0, mailbox: { ...mailbox, capacity: 2 } });
        const open = await hold(actor);
        const order: number[] = [];
        const sent = [0, 1, 2, 3, 4].map(async (index) => {
          await actor.sendAsync(['number', 0, index]);
          order.push(index);
        });
        await eventually(() => expect(order).to.deep.equal([0, 1]));
        expect(actor.send(['number', 0, 99])).to.equal(false);
        open();
        await Promise.all(sent);
        await eventually(async () => expect(await actor.ask(['numbers'])).to.have.length(5));
        const numbers = await actor.ask<number[][]>(['numbers']);
        expect(numbers.map(([, index]) => index)).to.deep.equal([0, 1, 2, 3, 4]);
      });

      it('A5: sendAsync() to an actor that stops rejects ERR_ACTOR_STOPPED', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ shard: 0, mailbox: { ...mailbox, capacity: 1 } });
        await hold(actor);
        await actor.sendAsync(['noted']);
        const waiting = [1, 2].map((each) => rejectionOf(actor.sendAsync(['note', each])));
        const aborted = new AbortController();
        const gaveUp = rejectionOf(actor.sendAsync(['noted'], { signal: aborted.signal }));
        aborted.abort(new Error('enough'));
        expect((await gaveUp).message).to.equal('enough');
        await actor.stop({ timeoutMs: 0 });
        for (const error of await Promise.all(waiting)) {
          expect(error.code).to.equal('ERR_ACTOR_STOPPED');
        }
      });

      it('A4: dead letters tell the actor, the reason and the message', async () => {
        const { system, spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer();
        const letters: unknown[] = [];
        system.on('deadLetter', (letter) => letters.push(letter));
        await actor.stop();
        expect(actor.send(['echo', 1])).to.equal(false);
        expect(letters).to.deep.equal([{ actor, reason: 'stopped', message: ['echo', 1] }]);
        expect((await system.metrics()).refusedStopped).to.equal(1);
      });
    });

    describe('supervision', () => {
      it('A2: a crash is reported once, with the actor and the whole error', async () => {
        const opened = await stage();
        const actor = await opened.spawnPlayer({ supervision: QUICK });
        actor.send(['crashWith', 'MyError', 'mine']);
        await eventually(() => expect(opened.restarts).to.have.length(1));
        const { error, ...crash } = opened.crashes[0];
        expect(crash).to.deep.equal({
          actor,
          shard: actor.shard,
          kind: 'notify',
          decision: 'restart',
        });
        expect(error).to.include({ name: 'MyError', message: 'mine', code: 'EMINE' });
        expect(opened.restarts).to.deep.equal([{ actor, attempt: 1, delayMs: 0 }]);
        expect(opened.crashes).to.have.length(1);
      });

      it('A2: what cannot be cloned does not keep a crash from being reported', async () => {
        const opened = await stage();
        const actor = await opened.spawnPlayer({ supervision: { onCrash: 'stop' } });
        const reason = stopOf(actor);
        actor.send(['crashWithFunction']);
        const { kind } = await reason;
        expect(kind).to.equal('crashed');
        await eventually(() => expect(opened.crashes).to.have.length(1));
      });

      it('A11: a child in another thread escalates to its parent', async () => {
        const opened = await stage();
        const parent = await opened.spawnPlayer({ shard: 0, supervision: QUICK });
        const supervision = { onCrash: 'escalate' };
        const child = await parent.ask<PlayerRef>(['child', { shard: shards, supervision }]);
        const gone = stopOf(child);
        child.send(['crashWith', 'MyError', 'mine']);
        expect(await gone).to.include({ kind: 'crashed' });
        await eventually(() => expect(opened.restarts).to.have.length(1));
        const kinds = opened.crashes.map(({ actor, kind }) => [actor.id, kind]);
        expect(kinds).to.have.deep.members([
          [child.id, 'notify'],
          [parent.id, 'child'],
        ]);
        expect(opened.crashes.at(-1)?.error).to.include({ code: 'EMINE' });
      });

      it('A3: children in other threads stop with their parent, and with its restart', async () => {
        const { spawnPlayer } = bound(await stage());
        const parent = await spawnPlayer({ shard: 0, supervision: QUICK });
        const child = await parent.ask<PlayerRef>(['child', { shard: shards }]);
        const gone = stopOf(child);
        parent.send(['crash', new Error('mine')]);
        expect(await gone).to.deep.equal({ kind: 'parent' });
        const second = await parent.ask<PlayerRef>(['child', { shard: shards }]);
        const order: string[] = [];
        second.watch(() => order.push('child'));
        parent.watch(() => order.push('parent'));
        await parent.stop();
        await eventually(() => expect(order).to.have.members(['child', 'parent']));
        if (!isApart) expect(order).to.deep.equal(['child', 'parent']);
        expect(second.send(['noted'])).to.equal(false);
      });
    });

    describe('stop and watch', () => {
      it('A7: stop() drains the mailbox of all that was taken', async () => {
        const { spawnPlayer } = bound(await stage());
        const collector = await spawnPlayer({ shard: shards });
        const actor = await spawnPlayer({ shard: 0, args: [collector] });
        for (let index = 0; index < 1000; index++) {
          expect(actor.send(['tell', collector, ['number', 0, index]])).to.equal(true);
        }
        await actor.stop();
        await eventually(async () => {
          expect(await collector.ask(['noted'])).to.deep.equal([['stopped', 'stopped']]);
        });
        const numbers = await collector.ask<number[][]>(['numbers']);
        expect(numbers.map(([, index]) => index)).to.deep.equal([...Array(1000).keys()]);
      });

      it('A7: a message that was taken is delivered, also during a stop', async () => {
        const { system, spawnPlayer } = bound(await stage());
        // On a third thread: the stop comes from here, past what is under way from there.
        const sender = await spawnPlayer({ shard: Math.max(0, shards - 1) });
        const count = 20_000;
        let refused = 0;
        for (let round = 0; round < 10; round++) {
          const actor = await spawnPlayer({ shard: 0, mailbox: { capacity: 100_000 } });
          const flood = sender.ask<number>(['flood', actor, 0, count]);
          // In the middle of the flood.
          while ((await actor.ask<unknown[]>(['numbers'])).length === 0);
          await actor.stop();
          refused += count - (await flood);
          // Whatever was taken and not delivered would be a dead letter more.
          expect((await system.metrics()).refusedStopped).to.equal(refused);
        }
      });

      it('A7: nothing is sent after stop() was called, of an actor or of all', async () => {
        const { system, spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ shard: 0 });
        const other = await spawnPlayer({ shard: 0 });
        for (const [stop, stopping] of [
          [() => actor.stop(), actor],
          [() => system.stop(), other],
        ] as const) {
          expect(stopping.closed).to.equal(false);
          const stopped = stop();
          expect(stopping.closed).to.equal(true);
          expect(stopping.send(['noted'])).to.equal(false);
          const errors = [stopping.ask(['noted']), stopping.sendAsync(['noted'])].map(rejectionOf);
          for (const { code } of await Promise.all(errors)) {
            expect(code).to.equal('ERR_ACTOR_STOPPED');
          }
          await stopped;
        }
      });

      it('A7: watch() tells once, also afterwards; it can be taken back', async () => {
        const { spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer({ shard: 0 });
        const watcher = await spawnPlayer({ shard: shards });
        await watcher.ask(['watchOther', actor]);
        const reasons: unknown[] = [];
        const unwatch = actor.watch((reason) => reasons.push(['back', reason]));
        actor.watch((reason) => reasons.push(reason));
        unwatch();
        await watcher.ask(['stopOther', actor]);
        await eventually(() => expect(reasons).to.deep.equal([{ kind: 'stopped' }]));
        actor.watch((reason) => reasons.push(reason));
        await eventually(() => expect(reasons).to.have.length(2));
        expect(reasons[1]).to.deep.equal({ kind: 'stopped' });
        await eventually(async () => {
          expect(await watcher.ask(['noted'])).to.deep.equal(['stopped']);
        });
        await actor.stop();
      });

      it('A7: system.stop() rejects what is left, and spawn from then on', async () => {
        const { system, spawnPlayer } = bound(await stage());
        const actor = await spawnPlayer();
        const left = rejectionOf(actor.ask(['never']));
        const reason = stopOf(actor);
        const stopped = system.stop({ timeoutMs: 50 });
        expect((await rejectionOf(spawnPlayer())).code).to.equal('ERR_SYSTEM_STOPPED');
        await stopped;
        expect((await left).code).to.equal('ERR_ACTOR_STOPPED');
        expect(await reason).to.deep.equal({ kind: 'system' });
        expect(actor.send(['noted'])).to.equal(false);
        expect((await rejectionOf(actor.ask(['noted']))).code).to.equal('ERR_ACTOR_STOPPED');
        await actor.stop();
        await system.stop();
        expect((await system.metrics()).stopped).to.equal(1);
      });
    });

    it('events: spawn and stopped come from all threads, with working references', async () => {
      const opened = await stage();
      const spawned: ActorRef[] = [];
      opened.system.on('spawn', ({ actor }) => spawned.push(actor));
      const actor = await opened.spawnPlayer({ shard: 0 });
      const child = await actor.ask<PlayerRef>(['ownChild', {}]);
      await eventually(() => expect(spawned).to.have.members([actor, child]));
      expect(await (spawned[1] as PlayerRef).ask(['echo', 1])).to.equal(1);
      await actor.stop();
      await eventually(() => expect(opened.stops.map((stop) => stop.actor)).to.have.length(2));
      expect(opened.stops.map((stop) => [stop.actor, stop.reason.kind])).to.deep.equal([
        [child, 'parent'],
        [actor, 'stopped'],
      ]);
    });

    it('metrics() adds up all shards', async () => {
      const { system, spawnPlayer } = bound(await stage());
      const actors = await Promise.all(
        Array.from({ length: shards + 1 }, (_, shard) => spawnPlayer({ shard })),
      );
      for (const actor of actors) await actor.ask(['echo', 1]);
      const metrics = await system.metrics();
      expect(metrics).to.include({ name: 'tested', spawned: shards + 1, asks: shards + 1 });
      expect(metrics.shards.map(({ shard, actors: count }) => [shard, count])).to.deep.equal(
        Array.from({ length: shards + 1 }, (_, shard) => [shard, 1]),
      );
      const counts = metrics.shards.map(({ loop }) => loop.lateness.count);
      expect(metrics.lateness.count).to.equal(counts.reduce((sum, count) => sum + count));
    });
  });
}

/** Of a stage, so that they can be taken out of it. */
function bound(stage: Awaited<ReturnType<ReturnType<typeof threadStagesAfterEach>>>) {
  const { system } = stage;
  return { system, spawnPlayer: stage.spawnPlayer.bind(stage) };
}
