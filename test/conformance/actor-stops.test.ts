/** How actors and systems end: stop, watch, children, escalation. Rules A7 and A11. */
import { expect } from 'chai';
import { type ActorContext, type ActorRef, ActorSystem, type StopReason } from '../../src/index.js';
import {
  deferred,
  QUICK,
  type Script,
  Scripted,
  stagesAfterEach,
  stopOf,
} from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const fail = () => {
  throw new Error('mine');
};

describe('ends of actors', () => {
  const start = stagesAfterEach();

  describe('ref.stop()', () => {
    it('A7: takes no more, delivers what is in the mailbox, then calls stopped()', async () => {
      const { play } = await playing();
      const order: unknown[] = [];
      const actor = await play({
        notify: (_, message) => order.push(message),
        stopped: (_, reason) => order.push(reason),
      });
      for (let message = 0; message < 600; message++) actor.send(message);
      const stopping = actor.stop();
      expect(actor.closed).to.equal(true);
      expect(actor.send('late')).to.equal(false);
      await stopping;
      expect(order).to.have.length(601);
      expect(order.at(-2)).to.equal(599);
      expect(order.at(-1)).to.deep.equal({ kind: 'stopped' });
    });

    it('A7: waits for the promises of callbacks, and for that of stopped()', async () => {
      const { play } = await playing();
      const gates = [deferred<string>(), deferred()];
      let isStopped = false;
      const actor = await play({
        notify: () => gates[0]?.promise,
        stopped: () => gates[1]?.promise,
      });
      const answer = actor.ask(null);
      const stopping = actor.stop().then(() => {
        isStopped = true;
        return isStopped;
      });
      await turns();
      gates[0]?.resolve('answer' as never);
      expect(await answer).to.equal('answer');
      await turns();
      expect(isStopped).to.equal(false);
      gates[1]?.resolve(undefined as never);
      await stopping;
    });

    it('A7: a serial mailbox is drained as well', async () => {
      const { play } = await playing();
      let done = 0;
      const notify = async () => {
        await turns();
        done += 1;
      };
      const actor = await play({ notify }, { mailbox: { serial: true } });
      for (let count = 0; count < 10; count++) actor.send(count);
      await actor.stop();
      expect(done).to.equal(10);
    });

    it('A7: a back-off is waited for while messages are left, and not without', async () => {
      const { stage, play } = await playing();
      const got: unknown[] = [];
      const notify = (_: unknown, message: string) => {
        got.push(message);
        if (message === 'crash') fail();
      };
      const actor = await play({ notify });
      actor.send('crash');
      actor.send('left');
      await actor.stop();
      expect(got).to.deep.equal(['crash', 'left']);
      const idle = await play({ notify }, { supervision: { backoffMs: 60_000 } });
      idle.send('crash');
      await eventually(() => expect(stage.crashes).to.have.length(2));
      await idle.stop();
    });

    it('A7: after timeoutMs what is pending is given up, and asks reject', async () => {
      const { play } = await playing();
      const reasons: unknown[] = [];
      const actor = await play(
        { notify: () => new Promise(() => {}), stopped: (_, reason) => void reasons.push(reason) },
        { mailbox: { serial: true } },
      );
      const asks = [rejectionOf(actor.ask(1)), rejectionOf(actor.ask(2))];
      await actor.stop({ timeoutMs: 20 });
      for (const ask of asks) expect((await ask).code).to.equal('ERR_ACTOR_STOPPED');
      expect(reasons).to.deep.equal([{ kind: 'stopped' }]);
    });

    it('A7: is idempotent, and an earlier deadline counts', async () => {
      const { play } = await playing();
      let stops = 0;
      const notify = () => new Promise(() => {});
      const actor = await play({ notify, stopped: () => void (stops += 1) });
      actor.send(1);
      await turns();
      await Promise.all([actor.stop(), actor.stop({ timeoutMs: 10 }), actor.stop()]);
      await actor.stop();
      expect(stops).to.equal(1);
    });

    it('a throw of stopped() is reported, and the actor stops all the same', async () => {
      for (const stopped of [fail, async () => fail()]) {
        const { stage, play } = await playing();
        const actor = await play({ stopped });
        await actor.stop();
        expect(stage.crashes.map(({ kind }) => kind)).to.deep.equal(['stopped']);
        expect(stage.stops).to.have.length(1);
      }
    });

    it('context.stop() ends the actor after what is in its mailbox', async () => {
      const { play } = await playing();
      const got: unknown[] = [];
      const actor = await play({
        notify: (loop, message) => {
          got.push(message);
          if (message === 1) loop.stop();
        },
      });
      for (const message of [1, 2, 3]) actor.send(message);
      expect(await stopOf(actor)).to.deep.equal({ kind: 'stopped' });
      expect(got).to.deep.equal([1, 2, 3]);
    });
  });

  describe('watch', () => {
    it('fires once, when it has stopped; at once if it has already; not for restarts', async () => {
      const { play } = await playing();
      const reasons: StopReason[] = [];
      const actor = await play({ notify: fail }, { supervision: { ...QUICK, maxRestarts: 1 } });
      actor.watch((reason) => reasons.push(reason));
      actor.send(1);
      await rejectionOf(actor.ask(2));
      await stopOf(actor);
      expect(reasons).to.have.length(1);
      expect(reasons[0]).to.include({ kind: 'crashed' });
      expect(await stopOf(actor)).to.equal(reasons[0]);
    });

    it('is taken back by what it returns, before and after the stop', async () => {
      const { play } = await playing();
      let calls = 0;
      const count = () => void (calls += 1);
      const actor = await play({});
      actor.watch(count)();
      await actor.stop();
      actor.watch(count)();
      await turns();
      expect(calls).to.equal(0);
    });

    it('a watcher that throws becomes a warning, and the others are called', async () => {
      const { play } = await playing();
      const warnings: Error[] = [];
      const note = (warning: Error) => warnings.push(warning);
      process.on('warning', note);
      const actor = await play({});
      actor.watch(fail);
      const other = stopOf(actor);
      await actor.stop();
      await other;
      await eventually(() => expect(warnings).to.have.length(1));
      process.off('warning', note);
      expect(warnings[0]?.message).to.include('mine');
    });

    it('context.watch() calls back in a tick, and ends with the instance', async () => {
      const { play } = await playing();
      const order: string[] = [];
      const gone = await play({});
      const watcher = await play(
        {
          started: (loop) => void loop.watch(gone, ({ kind }) => order.push(kind)),
          notify: (_, message) => {
            if (message === 'crash') fail();
            void gone.stop();
            order.push('asked');
          },
        },
        { supervision: QUICK },
      );
      watcher.send('crash');
      await watcher.ask('stop');
      await eventually(() => expect(order).to.deep.equal(['asked', 'stopped']));
    });
  });

  describe('children', () => {
    it('stop before their parent, and with each of its instances', async () => {
      const { stage, play } = await playing();
      const order: string[] = [];
      const named = (name: string): Script => ({ stopped: () => void order.push(name) });
      const notify = async (loop: ActorContext, message: string) => {
        if (message === 'crash') fail();
        const child = await loop.spawn(Scripted, { args: [named('child')], name: 'only' });
        await child.ask(1);
      };
      const parent = await play({ ...named('parent'), notify }, { supervision: QUICK });
      await parent.ask('spawn');
      await rejectionOf(parent.ask('crash'));
      // The name is free: the child of the instance before has stopped.
      await parent.ask('spawn');
      await parent.stop();
      expect(order).to.deep.equal(['parent', 'child', 'child', 'parent']);
      const kinds = stage.stops.map(({ reason }) => reason.kind);
      expect(kinds).to.deep.equal(['parent', 'parent', 'stopped']);
    });

    it('A7: are not spawned in stopped(), where nobody would stop them', async () => {
      const { stage, play } = await playing();
      const codes: unknown[] = [];
      const stopped = async (loop: ActorContext) => {
        codes.push((await rejectionOf(loop.spawn(Scripted, { args: [{}] }))).code);
      };
      const notify = fail;
      const restarted = await play({ stopped, notify }, { supervision: QUICK });
      await rejectionOf(restarted.ask('crash'));
      await eventually(() => expect(stage.restarts).to.have.length(1));
      await restarted.stop();
      expect(codes).to.deep.equal(['ERR_ACTOR_STOPPED', 'ERR_ACTOR_STOPPED']);
      expect((await stage.system.metrics()).actors).to.equal(0);
    });

    it('A11: escalate crashes the parent with the child’s error', async () => {
      const { stage, play } = await playing();
      const error = new Error('of the child');
      const parent = await play(parentOf(error), { supervision: QUICK });
      const child = await parent.ask<ActorRef>('child');
      child.send('crash');
      expect(await stopOf(child)).to.deep.equal({ kind: 'crashed', error });
      await eventually(() => expect(stage.restarts).to.have.length(1));
      expect(stage.crashes.map(({ kind, decision }) => [kind, decision])).to.deep.equal([
        ['notify', 'escalate'],
        ['child', 'restart'],
      ]);
      expect(stage.crashes.every((crash) => crash.error === error)).to.equal(true);
      const next = await parent.ask<ActorRef>('child');
      expect(next.id).not.to.equal(child.id);
    });

    it('A11: two that escalate at once crash the parent once', async () => {
      const { stage, play } = await playing();
      const children: ActorRef[] = [];
      const parent = await play(
        {
          started: async (loop) => {
            for (let count = 0; count < 2; count++) {
              const options = { supervision: { onCrash: 'escalate' as const } };
              children.push(await loop.spawn(Scripted, { args: [{ notify: fail }], ...options }));
            }
          },
        },
        { supervision: QUICK },
      );
      await parent.ask('started');
      for (const child of children) child.send('crash');
      await eventually(() => expect(stage.restarts).to.have.length(1));
      await parent.ask('alive');
      expect(stage.restarts).to.have.length(1);
      const kinds = stage.crashes.map(({ kind }) => kind);
      expect(kinds).to.deep.equal(['notify', 'notify', 'child']);
    });

    it('A11: at the top escalate reports and stops the actor', async () => {
      const { stage, play } = await playing();
      const actor = await play({ notify: fail }, { supervision: { onCrash: 'escalate' } });
      actor.send(1);
      expect(await stopOf(actor)).to.include({ kind: 'crashed' });
      expect(stage.crashes.map(({ decision }) => decision)).to.deep.equal(['escalate']);
    });

    it('an instance that has gone spawns nobody', async () => {
      const { stage, play } = await playing();
      let stale: ActorContext | null = null;
      const actor = await play({ notify: (loop) => void (stale = loop) });
      await actor.ask(1);
      await actor.stop();
      const error = await rejectionOf(stale!.spawn(Scripted, { args: [{}] }));
      expect(error.code).to.equal('ERR_ACTOR_STOPPED');
      expect((await stage.system.metrics()).spawned).to.equal(1);
    });

    function parentOf(error: Error): Script {
      let child: Promise<ActorRef> | null = null;
      const notify = () => {
        throw error;
      };
      return {
        started: (loop) => {
          const options = { supervision: { onCrash: 'escalate' as const }, name: 'child' };
          child = loop.spawn(Scripted, { args: [{ notify }], ...options });
          return child;
        },
        notify: () => child,
      };
    }
  });

  describe('system.stop()', () => {
    it('A7: drains all mailboxes, and spawn rejects from then on', async () => {
      const system = await ActorSystem.start({ shards: 0 });
      let received = 0;
      const script: Script = { notify: () => void (received += 1) };
      const actors = await Promise.all(
        Array.from({ length: 100 }, () => system.spawn(Scripted, { args: [script] })),
      );
      for (const actor of actors) for (let count = 0; count < 50; count++) actor.send(count);
      const stopping = system.stop();
      const error = await rejectionOf(system.spawn(Scripted, { args: [script] }));
      expect(error.code).to.equal('ERR_SYSTEM_STOPPED');
      expect(actors[0]?.send(1)).to.equal(false);
      await stopping;
      expect(received).to.equal(5000);
      expect(await system.metrics()).to.include({ actors: 0, spawned: 100, stopped: 100 });
    });

    it('A7: children, then parents, with their hooks; asks left over reject', async () => {
      const system = await ActorSystem.start({ shards: 0 });
      const order: string[] = [];
      const stopped =
        (name: string) =>
        (_: unknown, { kind }: StopReason) =>
          void order.push(`${name} ${kind}`);
      const parent = await system.spawn(Scripted, {
        args: [
          {
            stopped: stopped('parent'),
            started: (loop: ActorContext) =>
              loop.spawn(Scripted, { args: [{ stopped: stopped('child') }] }),
            notify: () => new Promise(() => {}),
          } satisfies Script,
        ],
      });
      const ask = rejectionOf(parent.ask(1));
      await turns();
      await system.stop({ timeoutMs: 30 });
      expect((await ask).code).to.equal('ERR_ACTOR_STOPPED');
      expect(order).to.deep.equal(['child system', 'parent system']);
    });

    it('A7: at the latest after timeoutMs, whatever hangs; once for all calls', async () => {
      const system = await ActorSystem.start({ shards: 0 });
      const hang = () => new Promise(() => {});
      const script = { started: hang, notify: hang, stopped: hang };
      for (let count = 0; count < 10; count++) await system.spawn(Scripted, { args: [script] });
      const beginMs = performance.now();
      await Promise.all([system.stop({ timeoutMs: 50 }), system.stop(), system.stop()]);
      expect(performance.now() - beginMs).to.be.within(50, 1000);
      await system.stop();
    });

    it('A7: may be called from a callback', async () => {
      const system = await ActorSystem.start({ shards: 0 });
      const ended = deferred();
      const notify = () => {
        void system.stop().then(ended.resolve);
      };
      const actor = await system.spawn(Scripted, { args: [{ notify }] });
      actor.send(1);
      await ended.promise;
    });

    it('A7: crashes and restarts while it drains do not hold it up', async () => {
      const system = await ActorSystem.start({ shards: 0 });
      let calls = 0;
      const notify = () => {
        calls += 1;
        fail();
      };
      const supervision = { backoffMs: 1, maxRestarts: 100 };
      const actor = await system.spawn(Scripted, { args: [{ notify }], supervision });
      for (let count = 0; count < 5; count++) actor.send(count);
      await system.stop();
      expect(calls).to.equal(5);
    });

    it('await using stops it', async () => {
      const system = await ActorSystem.start({ shards: 0 });
      await system[Symbol.asyncDispose]();
      const error = await rejectionOf(system.spawn(Scripted));
      expect(error.code).to.equal('ERR_SYSTEM_STOPPED');
    });
  });

  async function playing() {
    const stage = await start();
    return { stage, play: stage.play.bind(stage) };
  }
});

/** Lets the loop take some ticks. */
async function turns(): Promise<void> {
  for (let count = 0; count < 5; count++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
