/** What an actor has of its loop: sources, timers, signals, and their end with the instance. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect } from 'chai';
import {
  type ActorContext,
  EventLoop,
  type EventSet,
  Interest,
  pipe,
  Poll,
  PollOpt,
  type Timeout,
  UdpSocket,
} from '../../src/index.js';
import { deferred, QUICK, Scripted, stagesAfterEach } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { bytes, closingAfterEach } from '../support/sockets.js';
import { rejectionOf, thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const LOCAL = '127.0.0.1:0';

const fail = () => {
  throw new Error('mine');
};

describe('contexts of actors', () => {
  const start = stagesAfterEach();
  const own = closingAfterEach();

  it('is an EventLoop to whoever asks, with every member its own', async () => {
    const loop = await contextOf({});
    expect(loop).to.be.instanceOf(EventLoop);
    const members = Reflect.ownKeys(EventLoop.prototype).filter((key) => key !== 'constructor');
    const prototype = Object.getPrototypeOf(loop) as object;
    expect(members.filter((key) => !Object.hasOwn(prototype, key))).to.deep.equal([]);
  });

  it('run, runSync, runOnce, shutdown, close, ref and unref are ERR_NOT_IN_ACTOR', async () => {
    const loop = await contextOf({});
    expect((await rejectionOf(loop.run({}))).code).to.equal('ERR_NOT_IN_ACTOR');
    const calls = [
      () => loop.runSync({}),
      () => loop.runOnce({}),
      () => loop.shutdown(),
      () => loop.close(),
      () => loop.ref(),
      () => loop.unref(),
      () => loop[Symbol.dispose](),
    ];
    expect(calls.map((call) => thrownBy(call).code)).to.deep.equal(
      new Array(calls.length).fill('ERR_NOT_IN_ACTOR'),
    );
  });

  it('self is its reference, channel() its sender, lookup() finds others', async () => {
    const stage = await start();
    const other = await stage.play({}, { name: 'other' });
    const got: unknown[] = [];
    const actor = await stage.play({
      notify: async (loop, message) => {
        got.push(message);
        if (message !== 'begin') return;
        expect(loop.self).to.equal(actor);
        expect(await loop.lookup('other')).to.equal(other);
        expect(loop.isRunning).to.equal(true);
        loop.channel().send('second');
      },
    });
    await actor.ask('begin');
    await eventually(() => expect(got).to.deep.equal(['begin', 'second']));
  });

  it('L3: what an actor sends to itself arrives in later ticks, bounded in each', async () => {
    const stage = await start({ loop: { messagesPerTick: 10 } });
    const ticks: number[] = [];
    let tick = 0;
    const notify = (loop: ActorContext, message: string) => {
      if (message === 'begin') for (let count = 0; count < 25; count++) loop.self.send(tick);
      else ticks.push(tick - (message as unknown as number));
    };
    const actor = await stage.play({ notify, tick: () => void (tick += 1) });
    actor.send('begin');
    await eventually(() => expect(ticks).to.have.length(25));
    expect(Math.min(...ticks)).to.be.at.least(1);
    for (const later of new Set(ticks)) {
      expect(ticks.filter((each) => each === later).length).to.be.at.most(10);
    }
  });

  it('L2: messages that came before a deadline are delivered before its timeout', async () => {
    const stage = await start();
    const order: string[] = [];
    const actor = await stage.play({
      started: (loop) => void loop.timeout('election', 10),
      notify: (_, message: string) => {
        order.push(message);
        if (message === 'stall') stall(60);
      },
      timeout: (_, payload) => order.push(payload),
    });
    await actor.ask('ready');
    actor.send('stall');
    for (let count = 0; count < 300; count++) actor.send('beat');
    await eventually(() => expect(order).to.include('election'));
    expect(order.indexOf('election')).to.equal(302);
  });

  it('A3: timers die with the instance; a late one cannot reach the next', async () => {
    const stage = await start();
    const fired: unknown[] = [];
    let instances = 0;
    const actor = await stage.play(
      {
        construct: () => void (instances += 1),
        notify: (loop, message: string) => {
          if (message === 'crash') {
            loop.timeout('one-shot', 0);
            loop.interval('interval', 1);
            stall(5);
            fail();
          }
          loop.timeout('next', 20);
        },
        timeout: (_, payload) => fired.push([payload, instances]),
      },
      { supervision: QUICK },
    );
    actor.send('crash');
    await actor.ask('m');
    await eventually(() => expect(fired).to.deep.equal([['next', 2]]));
    expect((await stage.system.metrics()).shards[0]?.loop.pendingTimers).to.equal(0);
  });

  it('T2: clearTimeout() is true once, and false for timeouts of other actors', async () => {
    const loop = await contextOf({});
    const other = await contextOf({});
    const timeout = loop.timeout(null, 1000);
    expect(other.clearTimeout(timeout)).to.equal(false);
    expect(loop.clearTimeout(timeout)).to.equal(true);
    expect(loop.clearTimeout(timeout)).to.equal(false);
    expect(thrownBy(() => loop.clearTimeout({} as never)).code).to.equal('ERR_INVALID_ARG_TYPE');
    const foreign = own(new EventLoop()).timeout(null, 1000);
    expect(loop.clearTimeout(foreign)).to.equal(false);
  });

  it('T4: intervals go on until they are cleared', async () => {
    const stage = await start();
    let fired = 0;
    const actor = await stage.play({
      notify: (loop) => void loop.interval('i', 2),
      timeout: () => void (fired += 1),
    });
    await actor.ask(1);
    await eventually(() => expect(fired).to.be.at.least(3));
  });

  it('tokens are the actor’s own: two may use the same', async () => {
    const stage = await start();
    const got: string[] = [];
    const sockets = [own(UdpSocket.bind(LOCAL)), own(UdpSocket.bind(LOCAL))];
    const buffer = new Uint8Array(16);
    for (const [index, socket] of sockets.entries()) {
      await stage.play({
        started: (loop) => loop.register(socket, 7),
        readable: (_, token) => {
          while (socket.recvFrom(buffer) !== null) got.push(`${index} ${token}`);
        },
      });
    }
    await stage.play({}).then((actor) => actor.ask(1));
    for (const socket of sockets) sockets[0]?.sendTo(bytes('x'), socket.localAddress);
    await eventually(() => expect(got.toSorted()).to.deep.equal(['0 7', '1 7']));
  });

  it('S2: ready() replaces the others; without it readable() comes before writable()', async () => {
    const stage = await start();
    const socket = own(UdpSocket.bind(LOCAL));
    socket.sendTo(bytes('x'), socket.localAddress);
    const calls: string[] = [];
    await stage.play({
      started: (loop) => loop.register(socket, 1, Interest.READABLE | Interest.WRITABLE),
      readable: () => void calls.push('readable'),
      writable: (loop) => {
        calls.push('writable');
        loop.deregister(socket);
      },
    });
    await eventually(() => expect(calls.slice(0, 2)).to.deep.equal(['readable', 'writable']));
    const sets: string[] = [];
    await stage.play({
      started: (loop) => loop.register(socket, 1, Interest.READABLE | Interest.WRITABLE),
      ready: ((loop: ActorContext, token: number, events: EventSet) => {
        sets.push(`${token} ${events.isReadable} ${events.isWritable}`);
        loop.deregister(socket);
      }) as never,
    });
    await eventually(() => expect(sets).to.deep.equal(['1 true true']));
  });

  it('S2: writable() is skipped when readable() took the interest back', async () => {
    const stage = await start();
    const socket = own(UdpSocket.bind(LOCAL));
    socket.sendTo(bytes('x'), socket.localAddress);
    const calls: string[] = [];
    await stage.play({
      started: (loop) => loop.register(socket, 1, Interest.READABLE | Interest.WRITABLE),
      readable: (loop) => {
        calls.push('readable');
        loop.reregister(socket, 2, Interest.READABLE);
        socket.recvFrom(new Uint8Array(4));
      },
      writable: () => void calls.push('writable'),
    });
    await eventually(() => expect(calls).to.deep.equal(['readable']));
  });

  it('S5: reregister() in readable() drops the other half: EDGE hears of it once', async () => {
    const stage = await start();
    const socket = own(UdpSocket.bind(LOCAL));
    socket.sendTo(bytes('x'), socket.localAddress);
    const calls: string[] = [];
    const both = Interest.READABLE | Interest.WRITABLE;
    const actor = await stage.play({
      started: (loop) => loop.register(socket, 1, both, PollOpt.EDGE),
      readable: (loop) => {
        calls.push('readable');
        socket.recvFrom(new Uint8Array(4));
        loop.reregister(socket, 2, both, PollOpt.EDGE);
      },
      writable: (loop, token) => {
        calls.push(`writable ${token}`);
        loop.timeout('silence', 20);
      },
      timeout: () => void calls.push('timeout'),
    });
    await eventually(() => expect(calls).to.include('timeout'));
    expect(calls).to.deep.equal(['readable', 'writable 2', 'timeout']);
    await actor.stop();
  });

  it('L2, S5: a half that reregister() dropped comes before a timeout that was due', async () => {
    const stage = await start();
    const socket = own(UdpSocket.bind(LOCAL));
    socket.sendTo(bytes('x'), socket.localAddress);
    const calls: string[] = [];
    let late: Timeout;
    await stage.play({
      started: (loop) => {
        loop.register(socket, 1, Interest.READABLE | Interest.WRITABLE);
        late = loop.timeout('stale', 0);
      },
      readable: (loop) => {
        calls.push('readable');
        loop.reregister(socket, 2, Interest.WRITABLE, PollOpt.ONESHOT);
      },
      writable: (loop) => void calls.push(`writable, cleared: ${loop.clearTimeout(late)}`),
      timeout: () => void calls.push('timeout'),
    });
    await eventually(() => expect(calls).to.have.length(2));
    expect(calls).to.deep.equal(['readable', 'writable, cleared: true']);
  });

  it('A3: sources are detached with the instance and stay open', async () => {
    const stage = await start();
    const socket = own(UdpSocket.bind(LOCAL));
    const tokens: number[] = [];
    const actor = await stage.play(
      {
        started: (loop) => loop.register(socket, loop.nextToken()),
        notify: fail,
        readable: (_, token) => {
          tokens.push(token);
          socket.recvFrom(new Uint8Array(4));
        },
      },
      { supervision: QUICK },
    );
    await rejectionOf(actor.ask('crash'));
    await eventually(() => expect(stage.restarts).to.have.length(1));
    socket.sendTo(bytes('x'), socket.localAddress);
    await eventually(() => expect(tokens).to.have.length(1));
    await actor.stop();
    expect(socket.closed).to.equal(false);
    own(new Poll()).register(socket, 1);
  });

  it('S4: a source of another actor is not registered here', async () => {
    const [loop, other] = [await contextOf({}), await contextOf({})];
    const socket = own(UdpSocket.bind(LOCAL));
    loop.register(socket, 1);
    expect(thrownBy(() => other.register(socket, 1)).code).to.equal('ERR_SOURCE_REGISTERED');
    expect(thrownBy(() => other.deregister(socket)).code).to.equal('ERR_SOURCE_NOT_REGISTERED');
    const reregister = () => other.reregister(socket, 1, Interest.READABLE);
    expect(thrownBy(reregister).code).to.equal('ERR_SOURCE_NOT_REGISTERED');
    expect(thrownBy(() => other.deregister(null as never)).code).to.equal('ERR_INVALID_ARG_TYPE');
    expect(thrownBy(() => loop.register(socket, 1.5)).code).to.be.a('string');
    loop.deregister(socket);
    other.register(socket, 1);
  });

  it('closed sources leave no trace, however many', async () => {
    const stage = await start();
    const loop = await contextOf({}, stage);
    for (let count = 0; count < 2000; count++) {
      const [reader, writer] = pipe();
      loop.register(reader, count);
      reader.close();
      writer.close();
    }
    expect((await stage.system.metrics()).shards[0]?.loop.sources).to.equal(0);
  });

  it('what is asked of the context of a stopped instance is ERR_ACTOR_STOPPED', async () => {
    const stage = await start();
    const gone = deferred<ActorContext>();
    const actor = await stage.play({ notify: (loop) => gone.resolve(loop) });
    await actor.ask(1);
    const loop = await gone.promise;
    const timeout = loop.timeout(null, 1000);
    await actor.stop();
    const socket = own(UdpSocket.bind(LOCAL));
    const calls = [
      () => loop.timeout(null, 1),
      () => loop.interval(null, 1),
      () => loop.register(socket, 1),
      () => loop.deregister(socket),
      () => loop.registerSignal('SIGUSR2'),
      () => loop.watch(actor, () => {}),
    ];
    for (const call of calls) expect(thrownBy(call).code).to.equal('ERR_ACTOR_STOPPED');
    expect(loop.clearTimeout(timeout)).to.equal(false);
    expect(loop.closed).to.equal(true);
    expect(loop.isRunning).to.equal(false);
    expect(loop.now()).to.be.a('number');
    expect(loop.random()).to.be.within(0, 1);
    expect(loop.metrics()).to.be.an('object');
  });

  it('L9: a signal reaches the actors that asked for it, and no others', async () => {
    const stage = await start();
    const got: string[] = [];
    const script = (name: string, wants: boolean) => ({
      notify: (loop: ActorContext) => wants && loop.registerSignal('SIGUSR2'),
      signal: (_: unknown, { signal }: { signal: string }) => void got.push(`${name} ${signal}`),
    });
    const actors = [
      await stage.play(script('a', true)),
      await stage.play(script('b', true)),
      await stage.play(script('c', false)),
    ];
    for (const actor of actors) await actor.ask(1);
    process.kill(process.pid, 'SIGUSR2');
    await eventually(() => expect(got).to.deep.equal(['a SIGUSR2', 'b SIGUSR2']));
    await actors[0]?.stop();
    got.length = 0;
    process.kill(process.pid, 'SIGUSR2');
    await eventually(() => expect(got).to.deep.equal(['b SIGUSR2']));
  });

  it('millrace:spawn, stop, crash, restart and slow-handler are published', async () => {
    const names = ['spawn', 'stop', 'crash', 'restart', 'slow-handler'];
    const published: [string, unknown][] = [];
    const notes = names.map((name) => (message: unknown) => published.push([name, message]));
    for (const [index, name] of names.entries()) subscribe(`millrace:${name}`, notes[index]);
    const stage = await start({ slowHandlerMs: 10 });
    const notify = (_: unknown, message: string) => {
      if (message === 'slow') stall(15);
      else fail();
    };
    const actor = await stage.play({ notify }, { supervision: QUICK });
    actor.send('slow');
    actor.send('crash');
    await eventually(() => expect(stage.restarts).to.have.length(1));
    await actor.stop();
    for (const [index, name] of names.entries()) unsubscribe(`millrace:${name}`, notes[index]);
    const order = published.map(([name]) => name);
    expect(order).to.deep.equal(['spawn', 'slow-handler', 'crash', 'restart', 'stop']);
    const slow = published[1]?.[1] as { durationMs: number };
    expect(slow).to.include({ actor, kind: 'notify' });
    expect(slow.durationMs).to.be.at.least(15);
  });

  it('listeners: once, off, and one that throws disturbs neither actors nor others', async () => {
    const { system } = await start();
    const got: string[] = [];
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    const twice = () => void got.push('twice');
    system.on('spawn', twice).on('spawn', twice).off('spawn', twice);
    system.on('spawn', fail).once('spawn', () => got.push('once'));
    system.on('spawn', ({ actor }) => got.push(actor.name ?? ''));
    await system.spawn(Scripted, { args: [{}], name: 'first' });
    await system.spawn(Scripted, { args: [{}], name: 'second' });
    await eventually(() => expect(warnings).to.have.length(2));
    process.off('warning', note);
    expect(got).to.deep.equal(['once', 'first', 'second']);
  });

  it('metrics() counts, over all shards and for each', async () => {
    const stage = await start({ name: 'counted' });
    const actor = await stage.play({ notify: (_, message) => message === 'crash' && fail() });
    await actor.ask(1);
    actor.send(2);
    await rejectionOf(actor.ask('crash'));
    await rejectionOf(actor.proxy<{ missing(): void }>().missing());
    await actor.stop();
    actor.send(3);
    const metrics = await stage.system.metrics();
    const expected = { spawned: 1, stopped: 1, messages: 3, asks: 2, calls: 1, crashes: 1 };
    expect(metrics).to.include({ name: 'counted', actors: 0, pendingMessages: 0, ...expected });
    expect(metrics).to.include({ refusedStopped: 1, refusedFull: 0, restarts: 1 });
    expect(metrics.shards).to.have.length(1);
    expect(metrics.shards[0]).to.include({ shard: 0, ...expected });
    expect(metrics.lateness.count).to.equal(metrics.shards[0]?.loop.lateness.count);
  });

  async function contextOf(script: object, stage?: Awaited<ReturnType<typeof start>>) {
    const found = deferred<ActorContext>();
    const notify = (loop: ActorContext) => found.resolve(loop);
    const actor = await (stage ?? (await start())).play({ ...script, notify });
    await actor.ask(null);
    return found.promise;
  }
});

function stall(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}
