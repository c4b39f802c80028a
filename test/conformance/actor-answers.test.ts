/** Answers of actors: asks, promises of callbacks, methods. Rules A5, A9 and the last of A11. */
import { expect } from 'chai';
import { type ActorContext, Handler } from '../../src/index.js';
import { deferred, QUICK, stagesAfterEach, stopOf } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { rejectionOf, thrownBy } from '../support/thrown.js';

leavesNothingBehind();

describe('answers of actors', () => {
  const start = stagesAfterEach();

  describe('ask', () => {
    it('A5: settles with what notify() returns, whatever that is', async () => {
      const stage = await start();
      const actor = await stage.play({ notify: (_, message) => message });
      const object = {};
      for (const value of [undefined, null, 0, '', false, object, Symbol.iterator]) {
        expect(await actor.ask(value)).to.equal(value);
      }
      const silent = await stage.play({});
      expect(await silent.ask('no notify() at all')).to.equal(undefined);
    });

    it('A5: rejects with the very error that notify() throws, which is a crash too', async () => {
      const stage = await start();
      const error = new RangeError('mine');
      const notify = () => {
        throw error;
      };
      const actor = await stage.play({ notify }, { supervision: QUICK });
      expect(await rejectionOf(actor.ask(null))).to.equal(error);
      expect(stage.crashes).to.have.length(1);
      expect(stage.crashes[0]).to.include({ kind: 'notify', error });
    });

    it('A5: rejects ERR_ASK_TIMEOUT, in time; a late answer is for nobody', async () => {
      const stage = await start();
      const gate = deferred<string>();
      const actor = await stage.play({ notify: () => gate.promise });
      const beginMs = performance.now();
      const error = await rejectionOf(actor.ask(null, { timeoutMs: 30 }));
      expect(error.code).to.equal('ERR_ASK_TIMEOUT');
      expect(performance.now() - beginMs).to.be.at.least(30);
      gate.resolve('late');
      expect(await actor.ask(null)).to.equal('late');
      expect(stage.crashes).to.deep.equal([]);
    });

    it('A5: thousands of deadlines at once, each in its time', async () => {
      const stage = await start();
      const actor = await stage.play({ notify: () => new Promise(() => {}) });
      const lateMs = await Promise.all(
        Array.from({ length: 4000 }, async (_, index) => {
          const timeoutMs = 10 + (index % 40);
          const beginMs = performance.now();
          const error = await rejectionOf(actor.ask(index, { timeoutMs }));
          expect(error.code).to.equal('ERR_ASK_TIMEOUT');
          return performance.now() - beginMs - timeoutMs;
        }),
      );
      expect(Math.min(...lateMs)).to.be.at.least(0);
    });

    it('A5: an answer that had arrived by the deadline wins, after a stall as well', async () => {
      const stage = await start();
      const actor = await stage.play({ notify: (_, message) => message });
      const answer = actor.ask('in time', { timeoutMs: 5 });
      const endMs = performance.now() + 50;
      while (performance.now() < endMs);
      expect(await answer).to.equal('in time');
    });

    it('A5: the runtime’s deadlines do not take the places of actors’ timers', async () => {
      const stage = await start({ loop: { timerCapacity: 2 } });
      const codes: unknown[] = [];
      const actor = await stage.play({
        notify: (loop) => {
          loop.timeout(null, 1000);
          loop.timeout(null, 1000);
          codes.push(thrownBy(() => loop.timeout(null, 1000)).code);
          return new Promise(() => {});
        },
      });
      const asks = Array.from({ length: 20 }, () => rejectionOf(actor.ask(1, { timeoutMs: 20 })));
      for (const error of await Promise.all(asks)) expect(error.message).to.be.a('string');
      expect(codes[0]).to.equal('ERR_TIMER_OVERFLOW');
      expect((await stage.system.metrics()).shards[0]?.loop.pendingTimers).to.equal(0);
    });

    it('A5: gives up with its signal, before and while it waits', async () => {
      const stage = await start();
      const actor = await stage.play({ notify: () => new Promise(() => {}) });
      const reason = new Error('mine');
      const ended = AbortSignal.abort(reason);
      expect(await rejectionOf(actor.ask(1, { signal: ended }))).to.equal(reason);
      const abort = new AbortController();
      const waiting = rejectionOf(actor.ask(1, { signal: abort.signal }));
      abort.abort(reason);
      expect(await waiting).to.equal(reason);
    });

    it('A5: rejects ERR_ACTOR_STOPPED at once when it has stopped', async () => {
      const stage = await start();
      const actor = await stage.play({});
      await actor.stop();
      expect((await rejectionOf(actor.ask(1))).code).to.equal('ERR_ACTOR_STOPPED');
    });

    it('A5: a restart while the answer is pending rejects ERR_ACTOR_STOPPED', async () => {
      const stage = await start();
      const notify = (_: unknown, message: string) => {
        if (message === 'crash') throw new Error('mine');
        return message === 'wait' ? new Promise(() => {}) : message;
      };
      const actor = await stage.play({ notify }, { supervision: QUICK });
      const pending = rejectionOf(actor.ask('wait'));
      actor.send('crash');
      // Asked before the restart, and still in the mailbox: the new instance answers.
      const queued = actor.ask('queued');
      expect((await pending).code).to.equal('ERR_ACTOR_STOPPED');
      expect(await queued).to.equal('queued');
    });

    it('A5: a stop rejects what is in the mailbox when supervision stops the actor', async () => {
      const stage = await start();
      const notify = () => {
        throw new Error('mine');
      };
      const actor = await stage.play({ notify }, { supervision: { onCrash: 'stop' } });
      actor.send(1);
      expect((await rejectionOf(actor.ask(2))).code).to.equal('ERR_ACTOR_STOPPED');
    });

    it('A5: wrong arguments reject', async () => {
      const stage = await start();
      const actor = await stage.play({});
      const wrong = [{ timeoutMs: -1 }, { timeoutMs: Infinity }, { signal: 1 }, { timeout: 1 }];
      const codes = await Promise.all(
        wrong.map(async (options) => (await rejectionOf(actor.ask(1, options as never))).code),
      );
      expect(codes).to.deep.equal([
        'ERR_OUT_OF_RANGE',
        'ERR_OUT_OF_RANGE',
        'ERR_INVALID_ARG_TYPE',
        'ERR_UNKNOWN_OPTION',
      ]);
    });
  });

  describe('promises of callbacks', () => {
    it('A9: the value answers an ask, and the mailbox goes on meanwhile', async () => {
      const stage = await start();
      const gates = [deferred<string>(), deferred<string>()];
      let next = 0;
      const actor = await stage.play({ notify: () => gates[next++]?.promise });
      const answers = [actor.ask(0), actor.ask(1)];
      await eventually(() => expect(next).to.equal(2));
      gates[1]?.resolve('second');
      expect(await answers[1]).to.equal('second');
      gates[0]?.resolve('first');
      expect(await answers[0]).to.equal('first');
    });

    it('A9: any thenable will do', async () => {
      const stage = await start();
      const notify = () => ({ then: (resolve: (value: number) => void) => resolve(7) });
      const actor = await stage.play({ notify });
      expect(await actor.ask(1)).to.equal(7);
    });

    for (const kind of ['notify', 'started', 'timeout', 'tick', 'watch'] as const) {
      it(`A9: a rejection is a crash: ${kind}`, async () => {
        const stage = await start();
        const error = new Error('mine');
        let calls = 0;
        const failing = async () => {
          calls += 1;
          if (calls === 1) throw error;
        };
        const gone = await stage.play({});
        const actor = await stage.play(
          {
            started: (loop) => {
              if (kind === 'started') return failing();
              if (kind === 'timeout') loop.timeout(null, 0);
              if (kind === 'watch') loop.watch(gone, failing);
              return undefined;
            },
            ...(kind === 'started' || kind === 'watch' ? {} : { [kind]: failing }),
          },
          { supervision: { onCrash: 'resume' } },
        );
        actor.send('m');
        await gone.stop();
        await eventually(() => expect(stage.crashes).to.have.length(1));
        expect(stage.crashes[0]).to.include({ actor, kind, error, decision: 'resume' });
      });
    }

    it('A9: a promise of an instance of the past cannot crash the new one', async () => {
      const stage = await start();
      const gate = deferred();
      const notify = (_: unknown, message: string) => {
        if (message === 'crash') throw new Error('mine');
        return message === 'wait' ? gate.promise : message;
      };
      const actor = await stage.play({ notify }, { supervision: QUICK });
      actor.send('wait');
      actor.send('crash');
      expect(await actor.ask('alive')).to.equal('alive');
      gate.reject(new Error('of the past'));
      expect(await actor.ask('alive')).to.equal('alive');
      expect(stage.crashes).to.have.length(1);
    });

    it('A9: serial holds messages until the promise has settled, whichever way', async () => {
      const stage = await start();
      let under = 0;
      const order: number[] = [];
      const notify = async (_: unknown, message: number) => {
        under += 1;
        expect(under).to.equal(1);
        await Promise.resolve();
        under -= 1;
        order.push(message);
        if (message % 7 === 3) throw new Error('rejected');
      };
      const actor = await stage.play(
        { notify },
        { mailbox: { serial: true }, supervision: { onCrash: 'resume' } },
      );
      for (let message = 0; message < 100; message++) actor.send(message);
      await actor.ask(100);
      expect(order).to.deep.equal(Array.from({ length: 101 }, (_, index) => index));
      expect(stage.crashes).to.have.length(14);
    });

    it('A9: serial goes on after a restart that a held promise did not live to see', async () => {
      const stage = await start();
      const notify = (_: unknown, message: string) =>
        message === 'wait' ? new Promise(() => {}) : message;
      const timeout = () => {
        throw new Error('mine');
      };
      const actor = await stage.play(
        { notify, timeout, started: (loop) => void loop.timeout(null, 5) },
        { mailbox: { serial: true }, supervision: { ...QUICK, maxRestarts: 1 } },
      );
      actor.send('wait');
      expect(await actor.ask('next')).to.equal('next');
    });

    it('A9: serial holds neither timers nor I/O', async () => {
      const stage = await start();
      let fired = 0;
      const gate = deferred();
      const actor = await stage.play(
        {
          notify: (loop) => {
            loop.timeout(null, 0);
            return gate.promise;
          },
          timeout: () => void (fired += 1),
        },
        { mailbox: { serial: true } },
      );
      actor.send(1);
      actor.send(2);
      await eventually(() => expect(fired).to.equal(1));
      gate.resolve();
      await eventually(() => expect(fired).to.equal(2));
    });
  });

  describe('proxy', () => {
    class Account extends Handler<number> {
      #balance = 0;
      readonly field = 1;

      override notify(_loop: ActorContext<number>, amount: number): void {
        this.#balance += amount;
      }

      deposit(amount: number, times = 1): number {
        this.#balance += amount * times;
        return this.#balance;
      }

      async slow(): Promise<number> {
        await Promise.resolve();
        return this.#balance;
      }

      fail(error: Error): never {
        throw error;
      }

      _private(): number {
        return this.#balance;
      }
    }

    it('A11: calls the handler’s own methods, in order with messages', async () => {
      const { system } = await start();
      const actor = await system.spawn(Account);
      const account = actor.proxy<Account>();
      actor.send(1);
      const first = account.deposit(10);
      actor.send(100);
      expect(await first).to.equal(11);
      expect(await account.deposit(1000, 2)).to.equal(2111);
      expect(await account.slow()).to.equal(2111);
    });

    it('A11: an error of a method goes to its caller and is no crash', async () => {
      const stage = await start();
      const account = (await stage.system.spawn(Account)).proxy<Account>();
      const error = new Error('mine');
      expect(await rejectionOf(account.fail(error))).to.equal(error);
      expect(await account.deposit(1)).to.equal(1);
      expect(stage.crashes).to.deep.equal([]);
    });

    it('what is no public method is ERR_NO_SUCH_METHOD', async () => {
      const stage = await start();
      const actor = await stage.system.spawn(Account);
      const anything = actor.proxy<Record<string, () => void>>();
      const names = [
        'missing',
        'field',
        '_private',
        'constructor',
        'toString',
        'notify',
        'stopped',
      ];
      for (const name of [...names, '__proto__', 'hasOwnProperty']) {
        const error = await rejectionOf(anything[name]());
        expect(error.code, name).to.equal('ERR_NO_SUCH_METHOD');
      }
      expect(stage.crashes).to.deep.equal([]);
    });

    it('is not thenable, and can be returned from an async function', async () => {
      const { system } = await start();
      const actor = await system.spawn(Account);
      const account = await (async () => actor.proxy<Account>())();
      expect(await account.deposit(5)).to.equal(5);
      expect((account as { then?: unknown }).then).to.equal(undefined);
      expect(Object.prototype.toString.call(account)).to.equal('[object Object]');
    });

    it('A5: a call ends with the actor', async () => {
      const { system } = await start();
      const actor = await system.spawn(Account);
      await actor.stop();
      const error = await rejectionOf(actor.proxy<Account>().deposit(1));
      expect(error.code).to.equal('ERR_ACTOR_STOPPED');
      expect(await stopOf(actor)).to.deep.equal({ kind: 'stopped' });
    });
  });
});
