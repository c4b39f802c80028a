/** Actors on one thread: spawning, crashing, mailboxes. Rules A1 to A4 and A10. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect } from 'chai';
import { type ActorRef, ActorSystem, Handler, type SpawnOptions } from '../../src/index.js';
import { deferred, QUICK, Scripted, stagesAfterEach, stopOf } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const fixture = (name: string) => new URL(`../fixtures/actors/${name}.js`, import.meta.url);

describe('actors', () => {
  const start = stagesAfterEach();

  describe('spawn', () => {
    it('A1: resolves when the constructor has run, with a reference that can be used', async () => {
      const { system, play } = await playing();
      let constructed = 0;
      const actor = await play({ construct: () => void (constructed += 1), notify: (_, m) => m });
      expect(constructed).to.equal(1);
      expect(actor.shard).to.equal(0);
      expect(actor.closed).to.equal(false);
      expect(await actor.ask('m')).to.equal('m');
      expect((await system.metrics()).actors).to.equal(1);
    });

    it('A1: a throwing constructor rejects with that very error, and leaves nothing', async () => {
      const { system, play } = await playing();
      const error = new RangeError('mine');
      const construct = () => {
        throw error;
      };
      expect(await rejectionOf(play({ construct }, { name: 'n' }))).to.equal(error);
      expect((await system.metrics()).actors).to.equal(0);
      expect(await system.lookup('n')).to.equal(null);
      await play({}, { name: 'n' });
    });

    it('A1: started() comes after the constructor and before the first message', async () => {
      const { play } = await playing();
      const order: unknown[] = [];
      const gate = deferred();
      const actor = await play({
        construct: () => order.push('constructor'),
        started: async () => {
          order.push('started');
          await gate.promise;
          order.push('settled');
        },
        notify: (_, message) => order.push(message),
      });
      actor.send('first');
      const answer = actor.ask('second');
      await eventually(() => expect(order).to.include('started'));
      gate.resolve();
      await answer;
      expect(order).to.deep.equal(['constructor', 'started', 'settled', 'first', 'second']);
    });

    it('A11: spawn(module) takes the only Handler class, or the export that is named', async () => {
      const { system } = await playing();
      const counter = await system.spawn<number>(fixture('counter'), { args: [40] });
      expect(await counter.ask(2)).to.equal(42);
      const second = await system.spawn(fixture('several'), { export: 'Second' });
      expect(await second.ask(null)).to.equal('second');
    });

    const failures: [string, URL, SpawnOptions, string][] = [
      ['a module that is missing', fixture('missing'), {}, 'ERR_MODULE_NOT_FOUND'],
      ['a module that throws', fixture('throwing'), {}, 'ERR_MODULE_FAILED'],
      ['a module without a Handler', fixture('none'), {}, 'ERR_NO_HANDLER_CLASS'],
      ['a module with several', fixture('several'), {}, 'ERR_AMBIGUOUS_EXPORT'],
      [
        'an export that is missing',
        fixture('several'),
        { export: 'Third' },
        'ERR_NO_HANDLER_CLASS',
      ],
      ['no Handler', fixture('counter'), { export: 'NOT_A_HANDLER' }, 'ERR_NOT_A_HANDLER'],
      ['a class that is no Handler', fixture('none'), { export: 'Plain' }, 'ERR_NOT_A_HANDLER'],
    ];
    for (const [what, url, options, code] of failures) {
      it(`A1: ${what} rejects with ${code}`, async () => {
        const { system } = await playing();
        const error = await rejectionOf(system.spawn(url, { ...options, name: 'n' }));
        expect(error.code).to.equal(code);
        expect((await system.metrics()).spawned).to.equal(0);
        await system.spawn(Scripted, { args: [{}], name: 'n' });
      });
    }

    it('A1: of a module, the error of a constructor comes whole', async () => {
      const { system } = await playing();
      const error = await rejectionOf(system.spawn(fixture('counter'), { args: [-1] }));
      expect(error).to.be.instanceOf(RangeError);
      expect(error.message).to.equal('a total below 0');
    });

    it('names: one actor at a time, also during an import; free after a stop', async () => {
      const { system } = await playing();
      const first = system.spawn(fixture('counter'), { name: 'n' });
      const error = await rejectionOf(system.spawn(fixture('counter'), { name: 'n' }));
      expect(error.code).to.equal('ERR_NAME_TAKEN');
      const actor = await first;
      expect(actor.name).to.equal('n');
      expect(await system.lookup('n')).to.equal(actor);
      await actor.stop();
      expect(await system.lookup('n')).to.equal(null);
      expect(await system.spawn(fixture('counter'), { name: 'n' })).not.to.equal(actor);
    });

    it('ids are unique, also across systems', async () => {
      const stages = [await playing(), await playing()];
      const actors = await Promise.all(stages.flatMap(({ play }) => [play({}), play({})]));
      expect(new Set(actors.map(({ id }) => id)).size).to.equal(4);
    });

    it('a callback that is no function is refused', async () => {
      const { play } = await playing();
      const script = { started: 1 as never };
      expect((await rejectionOf(play(script))).code).to.equal('ERR_INVALID_ARG_TYPE');
    });
  });

  describe('a crash', () => {
    it('A2: is reported once, with actor, kind, error and decision; then it restarts', async () => {
      const { stage, play } = await playing();
      const error = new Error('mine');
      let instances = 0;
      const actor = await play({
        construct: () => void (instances += 1),
        notify: (_, message) => {
          if (message === 'crash') throw error;
          return instances;
        },
      });
      const { id } = actor;
      actor.send('crash');
      // The default back-off holds the message, and does not lose it.
      expect(await actor.ask('count')).to.equal(2);
      expect(stage.crashes).to.deep.equal([
        { actor, shard: 0, kind: 'notify', error, decision: 'restart' },
      ]);
      expect(stage.restarts).to.deep.equal([{ actor, attempt: 1, delayMs: 100 }]);
      expect(actor.id).to.equal(id);
    });

    it('A2: budget used up: it stops, and its messages become dead letters', async () => {
      const { system, stage, play } = await playing();
      const letters: unknown[] = [];
      system.on('deadLetter', ({ message, reason }) => letters.push([message, reason]));
      const crash = () => {
        throw new Error('again');
      };
      const supervision = { ...QUICK, maxRestarts: 2 };
      const actor = await play({ notify: crash }, { supervision, name: 'n' });
      for (let message = 1; message <= 5; message++) actor.send(message);
      const reason = await stopOf(actor);
      expect(reason).to.include({ kind: 'crashed' });
      const decisions = stage.crashes.map(({ decision }) => decision);
      expect(decisions).to.deep.equal(['restart', 'restart', 'stop']);
      expect(letters).to.deep.equal([
        [4, 'stopped'],
        [5, 'stopped'],
      ]);
      expect(actor.send(6)).to.equal(false);
      expect(await system.lookup('n')).to.equal(null);
    });

    it('A2: the budget is each actor’s own', async () => {
      const { play } = await playing();
      const notify = (_: unknown, message: string) => {
        if (message === 'crash') throw new Error('again');
        return 'alive';
      };
      const supervision = { ...QUICK, maxRestarts: 1 };
      const actors = [
        await play({ notify }, { supervision }),
        await play({ notify }, { supervision }),
      ];
      for (const actor of actors) actor.send('crash');
      for (const actor of actors) expect(await actor.ask('m')).to.equal('alive');
    });

    it('A2: in the constructor or in started() during a restart it counts as well', async () => {
      for (const where of ['construct', 'started'] as const) {
        const { stage, play } = await playing();
        let calls = 0;
        const failing = () => {
          calls += 1;
          if (calls > 1) throw new Error(where);
        };
        const notify = () => {
          throw new Error('first');
        };
        const actor = await play({ notify, [where]: failing }, { supervision: QUICK });
        actor.send('crash');
        await stopOf(actor);
        const kind = where === 'construct' ? 'constructor' : 'started';
        const kinds = stage.crashes.map((crash) => crash.kind);
        expect(kinds).to.deep.equal(['notify', kind, kind, kind]);
        expect(stage.crashes.at(-1)?.decision).to.equal('stop');
      }
    });

    it('A2: onCrash resume goes on with the same instance, stop stops it', async () => {
      const { stage, play } = await playing();
      let instances = 0;
      const script = {
        construct: () => void (instances += 1),
        notify: (_: unknown, message: string) => {
          if (message === 'crash') throw new Error('mine');
          return instances;
        },
      };
      const resumed = await play(script, { supervision: { onCrash: 'resume' } });
      for (let count = 0; count < 10; count++) resumed.send('crash');
      expect(await resumed.ask('count')).to.equal(1);
      const stopped = await play(script, { supervision: { onCrash: 'stop' } });
      stopped.send('crash');
      expect(await stopOf(stopped)).to.include({ kind: 'crashed' });
      expect(stage.restarts).to.deep.equal([]);
    });

    it('A3: the crashing message is not redelivered, the rest of the mailbox is', async () => {
      const { play } = await playing();
      const got: number[] = [];
      const notify = (_: unknown, message: number) => {
        got.push(message);
        if (message % 10 === 3) throw new Error('3');
      };
      const actor = await play({ notify }, { supervision: { ...QUICK, maxRestarts: 10 } });
      for (let message = 0; message < 50; message++) actor.send(message);
      await actor.ask(50);
      expect(got).to.deep.equal(Array.from({ length: 51 }, (_, index) => index));
    });

    it('A3: stopped() is the last call of the old instance, then started()', async () => {
      const order: string[] = [];
      let instance = 0;
      const error = new Error('mine');
      class Numbered extends Handler<string> {
        readonly #number = (instance += 1);

        override started() {
          order.push(`started ${this.#number}`);
        }

        override notify(_: never, message: string) {
          order.push(`${message} ${this.#number}`);
          if (message === 'crash') throw error;
        }

        override stopped(_: never, reason: unknown) {
          expect(reason).to.deep.equal({ kind: 'restart', error });
          order.push(`stopped ${this.#number}`);
        }
      }
      const { system } = await playing();
      const actor = await system.spawn(Numbered, { supervision: QUICK });
      actor.send('crash');
      await actor.ask('m');
      expect(order).to.deep.equal(['started 1', 'crash 1', 'stopped 1', 'started 2', 'm 2']);
    });

    it('A3: a restart waits for the promise of stopped()', async () => {
      const { play } = await playing();
      const gate = deferred();
      let instances = 0;
      const notify = (_: unknown, message: string) => {
        if (message === 'crash') throw new Error('mine');
        return instances;
      };
      const actor = await play(
        { construct: () => void (instances += 1), notify, stopped: () => gate.promise },
        { supervision: QUICK },
      );
      actor.send('crash');
      const answer = actor.ask('m');
      expect(await Promise.race([answer, after(20)])).to.equal('nothing');
      gate.resolve();
      expect(await answer).to.equal(2);
    });

    it('A2: neighbours of a crashing actor do not notice', async () => {
      const { stage, play } = await playing();
      const crash = () => {
        throw new Error('again');
      };
      const bad = await play({ notify: crash }, { supervision: { onCrash: 'resume' } });
      let received = 0;
      const good = await play({ notify: () => (received += 1) });
      for (let count = 0; count < 1000; count++) {
        bad.send(count);
        good.send(count);
      }
      expect(await good.ask(null)).to.equal(1001);
      expect(stage.crashes).to.have.length(1000);
    });
  });

  describe('a mailbox', () => {
    for (const capacity of [1, 2, 15, 16, 17, 1000]) {
      it(`A4, A10: a capacity of ${capacity} is exact; what is too much is refused`, async () => {
        const { system, play } = await playing();
        const letters: unknown[] = [];
        system.on('deadLetter', (letter) => letters.push(letter));
        const got: number[] = [];
        const notify = (_: unknown, message: number) => void got.push(message);
        const actor = await play({ notify }, { mailbox: { capacity } });
        for (let round = 0; round < 3; round++) {
          got.length = 0;
          letters.length = 0;
          for (let message = 0; message < capacity; message++) {
            expect(actor.send(message)).to.equal(true);
          }
          expect(actor.send(-1)).to.equal(false);
          expect((await rejectionOf(actor.ask(-2))).code).to.equal('ERR_MAILBOX_FULL');
          await eventually(() => expect(got).to.have.length(capacity));
          expect(got.every((message, index) => message === index)).to.equal(true);
          expect(letters).to.deep.equal([
            { actor, reason: 'full', message: -1 },
            { actor, reason: 'full', message: -2 },
          ]);
        }
        expect((await system.metrics()).refusedFull).to.equal(6);
      });
    }

    it('A4: an actor that sends to a full mailbox is not harmed', async () => {
      const { stage, play } = await playing();
      const full = await play({}, { mailbox: { capacity: 1 } });
      const sender = await play({ notify: () => [full.send(1), full.send(2)] });
      expect(await sender.ask(null)).to.deep.equal([true, false]);
      expect(stage.crashes).to.deep.equal([]);
    });

    it('A10: dropOldest takes the new message and drops the oldest', async () => {
      expect(await overflowing('dropOldest')).to.deep.equal({
        sent: [true, true, true, true, true],
        got: [3, 4, 5],
        dropped: [1, 2],
      });
    });

    it('A10: dropNewest drops the new message and says true', async () => {
      expect(await overflowing('dropNewest')).to.deep.equal({
        sent: [true, true, true, true, true],
        got: [1, 2, 3],
        dropped: [4, 5],
      });
    });

    it('A10: an ask that is dropped rejects ERR_MAILBOX_FULL at once', async () => {
      const { play } = await playing();
      const actor = await play({}, { mailbox: { capacity: 1, overflow: 'dropOldest' } });
      const first = rejectionOf(actor.ask(1));
      const second = actor.ask(2);
      expect((await first).code).to.equal('ERR_MAILBOX_FULL');
      expect(await second).to.equal(undefined);
    });

    it('A10: refusals of a tick are summed up by actor and reason', async () => {
      const { system, play } = await playing();
      const events: unknown[] = [];
      system.on('refused', (event) => events.push(event));
      const actor = await play({}, { mailbox: { capacity: 2 } });
      for (let count = 0; count < 10; count++) actor.send(count);
      await eventually(() => expect(events).to.have.length(1));
      expect(events).to.deep.equal([{ actor, reason: 'full', count: 8 }]);
    });

    it('A10: each refusal is published on millrace:refused', async () => {
      const { play } = await playing();
      const published: unknown[] = [];
      const note = (message: unknown) => published.push(message);
      subscribe('millrace:refused', note);
      const actor = await play({}, { mailbox: { capacity: 1 } });
      actor.send('taken');
      actor.send('refused');
      unsubscribe('millrace:refused', note);
      expect(published).to.deep.equal([{ actor, reason: 'full', message: 'refused' }]);
    });

    it('A5: sendAsync() waits for room, in turn, and no send() overtakes it', async () => {
      const { play } = await playing();
      const got: number[] = [];
      const notify = (_: unknown, message: number) => void got.push(message);
      const actor = await play({ notify }, { mailbox: { capacity: 2 } });
      const sent = [1, 2, 3, 4, 5].map((message) => actor.sendAsync(message));
      expect(actor.send(6)).to.equal(false);
      await sent[2];
      await Promise.all(sent);
      await actor.sendAsync(7);
      await eventually(() => expect(got).to.deep.equal([1, 2, 3, 4, 5, 7]));
    });

    it('A5: sendAsync() to an actor that stops rejects ERR_ACTOR_STOPPED', async () => {
      const { play } = await playing();
      const gate = deferred();
      const mailbox = { capacity: 1, serial: true };
      const actor = await play({ notify: () => gate.promise }, { mailbox });
      await actor.sendAsync(1);
      await actor.sendAsync(2);
      const waiting = rejectionOf(actor.sendAsync(3));
      const stopping = actor.stop();
      expect((await waiting).code).to.equal('ERR_ACTOR_STOPPED');
      expect((await rejectionOf(actor.sendAsync(4))).code).to.equal('ERR_ACTOR_STOPPED');
      gate.resolve();
      await stopping;
    });

    it('sendAsync() gives up with its signal', async () => {
      const { play } = await playing();
      const gate = deferred();
      const mailbox = { capacity: 1, serial: true };
      const actor = await play({ notify: () => gate.promise }, { mailbox });
      await actor.sendAsync(1);
      await actor.sendAsync(2);
      const abort = new AbortController();
      const waiting = rejectionOf(actor.sendAsync(3, { signal: abort.signal }));
      const reason = new Error('mine');
      abort.abort(reason);
      expect(await waiting).to.equal(reason);
      gate.resolve();
    });

    it('goes on filling during a back-off, up to its capacity', async () => {
      const { stage, play } = await playing();
      const got: unknown[] = [];
      const notify = (_: unknown, message: unknown) => {
        got.push(message);
        if (message === 'crash') throw new Error('mine');
      };
      const actor = await play({ notify }, { mailbox: { capacity: 3 } });
      actor.send('crash');
      await eventually(() => expect(stage.crashes).to.have.length(1));
      expect([1, 2, 3, 4].map((message) => actor.send(message))).to.deep.equal([
        true,
        true,
        true,
        false,
      ]);
      await eventually(() => expect(got).to.deep.equal(['crash', 1, 2, 3]));
    });

    async function overflowing(overflow: 'dropOldest' | 'dropNewest') {
      const { system, play } = await playing();
      const got: number[] = [];
      const dropped: unknown[] = [];
      system.on('deadLetter', ({ message, reason }) => {
        expect(reason).to.equal(overflow);
        dropped.push(message);
      });
      const notify = (_: unknown, message: number) => void got.push(message);
      const actor: ActorRef = await play({ notify }, { mailbox: { capacity: 3, overflow } });
      const sent = [1, 2, 3, 4, 5].map((message) => actor.send(message));
      await eventually(() => expect(got).to.have.length(3));
      return { sent, got, dropped };
    }
  });

  describe('order', () => {
    it('A4: 40,000 messages to four actors: first in, first out for each', async () => {
      const { play } = await playing();
      const next = new Map<number, number>();
      const notify = (_: unknown, [from, number]: [number, number]) => {
        if (number !== (next.get(from) ?? 0)) throw new Error(`${number} is out of turn`);
        next.set(from, number + 1);
      };
      const receivers = await Promise.all(
        Array.from({ length: 4 }, () => play({ notify }, { mailbox: { capacity: 2 ** 20 } })),
      );
      for (let number = 0; number < 10_000; number++) {
        for (const [from, receiver] of receivers.entries()) receiver.send([from, number]);
      }
      await eventually(() => expect([...next.values()]).to.deep.equal(new Array(4).fill(10_000)));
    });
  });

  it('A1: a system that was stopped spawns no more', async () => {
    const system = await ActorSystem.start({ shards: 0 });
    await system.stop();
    const error = await rejectionOf(system.spawn(Scripted, { args: [{}] }));
    expect(error.code).to.equal('ERR_SYSTEM_STOPPED');
  });

  async function playing() {
    const stage = await start();
    return { stage, system: stage.system, play: stage.play.bind(stage) };
  }
});

function after(delayMs: number): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs, 'nothing');
  });
}
