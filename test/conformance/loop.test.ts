/** The loop as a whole: rules L4, L5, L7, L9 and L10. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { EventLoop, Handler, Interest, type Sender, type TcpStream } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays, UNHURRIED_MS } from '../support/loops.js';
import { within } from '../support/processes.js';
import { random } from '../support/random.js';
import { bytes, readText, tcpPair, udpPair } from '../support/sockets.js';
import { rejectionOf, thrownBy } from '../support/thrown.js';

leavesNothingBehind();

function busyFor(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

/** As the promise, unless it takes too long. */
function soon<R>(promise: Promise<R>, what: string): Promise<R> {
  return within(5000, promise, () => new Error(`${what} takes too long`));
}

/** Resolves when the loop has gone to sleep: no tick within some milliseconds. */
async function asleep<M, T>(loop: EventLoop<M, T>): Promise<void> {
  for (let ticks = -1; ticks !== loop.metrics().ticks; ) {
    ({ ticks } = loop.metrics());
    await delay(5);
  }
}

/** As users write them: state that nobody else sees, and callbacks that use it. */
class Teller extends Handler<string, string> {
  readonly #source: TcpStream;
  readonly #log: string[] = [];
  #ticks = 0;

  constructor(source: TcpStream) {
    super();
    this.#source = source;
  }

  get told(): string[] {
    return [...this.#log, this.#ticks > 0 ? 'ticks' : 'no tick'];
  }

  override readable(loop: EventLoop<string, string>): void {
    this.#tell(`readable: ${readText(this.#source)}`);
    loop.channel().send('a message');
  }

  override notify(loop: EventLoop<string, string>, message: string): void {
    this.#tell(`notify: ${message}`);
    loop.timeout('a timeout', 1);
  }

  override timeout(loop: EventLoop<string, string>, payload: string): void {
    this.#tell(`timeout: ${payload}`);
    loop.reregister(this.#source, 1, Interest.WRITABLE);
  }

  override writable(loop: EventLoop<string, string>): void {
    this.#tell('writable');
    loop.shutdown();
  }

  override tick(): void {
    this.#ticks += 1;
  }

  #tell(what: string): void {
    this.#log.push(what);
  }
}

describeWays('the loop', (way, own) => {
  it('a handler may be of a class with private fields and methods', async () => {
    const loop = way.open<string, string>();
    const [client, server] = tcpPair(own);
    client.write(bytes('a text'));
    loop.register(server, 1);
    const teller = new Teller(server);
    await way.drive(loop, teller);
    expect(teller.told).to.deep.equal([
      'readable: a text',
      'notify: a message',
      'timeout: a timeout',
      'writable',
      'ticks',
    ]);
  });

  it('a handler is asked for a method each time, also for one that it got in between', async () => {
    const loop = way.open<string>();
    const log: string[] = [];
    const handler: Handler<string> = {
      notify: (l, message) => {
        log.push(message);
        handler.notify = (l2, later) => {
          log.push(`changed, ${later}`);
          l2.shutdown();
        };
        l.channel().send('again');
      },
    };
    loop.channel().send('first');
    await way.drive(loop, handler);
    expect(log).to.deep.equal(['first', 'changed, again']);
  });

  it('L5: what a callback throws ends the run, and the next goes on after it', async () => {
    const loop = way.open<string, string>();
    const [left, right] = udpPair(own);
    loop.register(right, 1, Interest.READABLE);
    left.send(bytes('a'));
    loop.channel().send('first');
    loop.channel().send('second');
    loop.timeout('one', 0);
    loop.timeout('two', 0);
    busyFor(1);
    const log: string[] = [];
    const planned = new Error('planned');
    const fail = (what: string) => {
      log.push(what);
      throw planned;
    };
    const handler = {
      readable: () => {
        right.recv(Buffer.alloc(8));
        fail('readable');
      },
      notify: (_: unknown, message: string) => fail(message),
      timeout: (_: unknown, payload: string) => fail(payload),
    };
    for (let runs = 1; runs <= 5; runs++) {
      expect(await rejectionOf(way.drive(loop, handler))).to.equal(planned);
      expect(loop.isRunning).to.equal(false);
      expect(log.length).to.equal(runs);
    }
    expect(log).to.deep.equal(['readable', 'first', 'second', 'one', 'two']);
  });

  it('L5: whatever is thrown arrives as it is, undefined too', async () => {
    for (const thrown of [undefined, null, 0, 'text']) {
      const loop = way.open();
      loop.channel().send('m');
      const run = way.drive(loop, {
        notify: () => {
          throw thrown as unknown;
        },
      });
      const caught = await run.then(
        () => 'nothing',
        (error: unknown) => error,
      );
      expect(caught).to.equal(thrown);
    }
  });

  it('L5: a throw in tick() does not repeat the tick', async () => {
    const loop = way.open<string>();
    const log: string[] = [];
    loop.channel().send('m');
    const error = await rejectionOf(
      way.drive(loop, {
        notify: (_, message) => void log.push(message),
        tick: () => {
          throw new Error('planned');
        },
      }),
    );
    expect(error.message).to.equal('planned');
    loop.channel().wake();
    await way.drive(loop, {
      notify: () => expect.fail('the message came twice'),
      tick: (l) => l.shutdown(),
    });
    expect(log).to.deep.equal(['m']);
  });

  it('L9: now() stands still inside a tick, and never goes backwards', async () => {
    const loop = way.open<string>();
    const times: number[] = [loop.now()];
    let inTick: number[] = [];
    loop.channel().send('a');
    await way.drive(loop, {
      notify: (l, message) => {
        inTick = [l.now()];
        busyFor(2);
        inTick.push(l.now());
        times.push(...inTick);
        if (message === 'a') l.channel().send('b');
        else l.shutdown();
      },
    });
    times.push(loop.now());
    expect(inTick[0]).to.equal(inTick[1]);
    expect(times).to.deep.equal(times.toSorted((a, b) => a - b));
    expect(loop.now()).to.be.above(inTick[1]);
  });

  it('L10: a loop that runs cannot be run again, in no way', async () => {
    const loop = way.open();
    loop.channel().send('m');
    const errors: (string | undefined)[] = [];
    let rejection: Promise<{ code?: string }> | undefined;
    await way.drive(loop, {
      notify: (l) => {
        rejection = rejectionOf(l.run({}));
        errors.push(thrownBy(() => l.runSync({})).code);
        errors.push(thrownBy(() => l.runOnce({}, 0)).code);
        l.shutdown();
      },
    });
    errors.push((await rejection)?.code);
    expect(errors).to.deep.equal(Array.from({ length: 3 }, () => 'ERR_LOOP_RUNNING'));
  });

  it('L10: close() in a callback ends the run after it, and frees the sources', async () => {
    const loop = way.open<string, string>();
    const [left, right] = udpPair(own);
    loop.register(left, 1, Interest.WRITABLE);
    loop.register(right, 2, Interest.WRITABLE);
    loop.channel().send('undelivered');
    loop.timeout('never', 0);
    let calls = 0;
    const handler = {
      writable: (l: EventLoop<string, string>) => {
        calls += 1;
        expect(l.close()).to.deep.equal(['undelivered']);
      },
      notify: () => expect.fail('a message after close()'),
      timeout: () => expect.fail('a timeout after close()'),
      tick: () => expect.fail('a tick after close()'),
    };
    if (way.running === 'runOnce') loop.runOnce(handler);
    else if (way.running === 'runSync') loop.runSync(handler);
    else await loop.run(handler);
    expect(calls).to.equal(1);
    const other = way.open();
    other.register(left, 1);
    other.register(right, 2);
  });

  it('L10: a closed loop refuses by name', async () => {
    const loop = way.open();
    const [left] = udpPair(own);
    loop.close();
    expect(loop.closed).to.equal(true);
    expect(loop.isRunning).to.equal(false);
    expect((await rejectionOf(loop.run({}))).code).to.equal('ERR_LOOP_CLOSED');
    for (const action of [
      () => loop.runSync({}),
      () => loop.runOnce({}),
      () => loop.register(left, 1),
      () => loop.reregister(left, 1, 1),
      () => loop.deregister(left),
      () => loop.timeout('t', 1),
      () => loop.interval('t', 1),
      () => loop.registerSignal('SIGHUP'),
    ]) {
      expect(thrownBy(action).code).to.equal('ERR_LOOP_CLOSED');
    }
    loop.shutdown();
    loop.ref().unref().close();
  });

  it('L10: a loop inside a callback of another loop is a loop of its own', async () => {
    const outer = way.open<string>();
    const inner = way.open<string>();
    const log: string[] = [];
    outer.channel().send('outer');
    inner.channel().send('inner');
    await way.drive(outer, {
      notify: (l, message) => {
        log.push(`${message} begins`);
        inner.runOnce({ notify: (_, text) => void log.push(text) }, 0);
        log.push(`${message} ends`);
        l.shutdown();
      },
    });
    expect(log).to.deep.equal(['outer begins', 'inner', 'outer ends']);
  });
});

describeWays(
  'shutdown',
  (way) => {
    it('L4: finishes the tick under way, and the loop can be run again', async () => {
      const loop = way.open<string, string>({ messagesPerTick: 2, tickBudgetMs: UNHURRIED_MS });
      for (const message of ['a', 'b', 'c']) loop.channel().send(message);
      loop.timeout('t', 0);
      busyFor(1);
      const log: string[] = [];
      const handler = {
        notify: (l: EventLoop<string, string>, message: string) => {
          log.push(message);
          l.shutdown();
          expect(l.isRunning).to.equal(false);
        },
        timeout: (_: unknown, payload: string) => void log.push(payload),
        tick: () => void log.push('tick'),
      };
      await way.drive(loop, handler);
      const first = log.splice(0);
      expect(first.filter((entry) => entry !== 't')).to.deep.equal(['a', 'b', 'tick']);
      await way.drive(loop, handler);
      expect([...first, ...log].filter((entry) => entry !== 'tick').toSorted()).to.deep.equal([
        'a',
        'b',
        'c',
        't',
      ]);
    });

    it('L4: is sticky: called before, it lets the run take one tick', async () => {
      const loop = way.open<string>();
      let ticks = 0;
      loop.shutdown();
      loop.shutdown();
      await way.drive(loop, {
        tick: () => {
          ticks += 1;
        },
      });
      expect(ticks).to.equal(1);
      // It was used up: the next run goes on until it is asked again.
      loop.channel().wake();
      await way.drive(loop, {
        tick: (l) => {
          ticks += 1;
          if (ticks === 4) l.shutdown();
          else l.channel().wake();
        },
      });
      expect(ticks).to.equal(4);
    });
  },
  ['run', 'runSync'],
);

describeWays(
  'sharing the thread',
  (way, own) => {
    /** Runs the loop while `meanwhile` happens, then ends it. */
    async function during<M>(
      loop: EventLoop<M>,
      handler: Parameters<EventLoop<M>['run']>[0],
      meanwhile: () => Promise<void>,
    ): Promise<void> {
      const run = loop.run(handler);
      try {
        await soon(Promise.race([meanwhile(), run]), 'meanwhile');
      } finally {
        loop.shutdown();
        await run;
      }
    }

    /** Everything of Node's that must go on between ticks. */
    async function nodeGoesOn(): Promise<void> {
      for (let round = 0; round < 3; round++) {
        await Promise.resolve();
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        await delay(1);
        await readFile(new URL(import.meta.url));
        await new Promise<void>((resolve) => {
          process.nextTick(resolve);
        });
      }
    }

    it('L7: Node goes on while messages never end', async () => {
      const loop = way.open<number>();
      const sender: Sender<number> = loop.channel();
      for (let i = 0; i < 1000; i++) sender.send(i);
      const handler = { notify: (_: unknown, message: number) => void sender.send(message) };
      await during(loop, handler, nodeGoesOn);
      expect(loop.metrics().messages).to.be.above(1000);
    });

    it('L7: Node goes on while I/O never ends', async () => {
      const loop = way.open();
      for (let token = 0; token < 50; token++) {
        const [left, right] = udpPair(own);
        loop.register(left, token, Interest.WRITABLE);
        loop.register(right, token, Interest.WRITABLE);
      }
      await during(loop, {}, nodeGoesOn);
      expect(loop.metrics().events).to.be.above(100);
    });

    it('L7: Node goes on while timeouts of 0 never end', async () => {
      const loop = way.open();
      loop.timeout(null, 0);
      await during(loop, { timeout: (l) => void l.timeout(null, 0) }, nodeGoesOn);
      expect(loop.metrics().timers).to.be.above(1);
    });

    it('L7: a promise made in a callback settles before the next tick', async () => {
      const loop = way.open<number>();
      const log: string[] = [];
      loop.channel().send(0);
      await loop.run({
        notify: (l, count) => {
          log.push(`message ${count}`);
          void Promise.resolve().then(() => log.push(`promise ${count}`));
          if (count === 2) l.shutdown();
          else l.channel().send(count + 1);
        },
      });
      const expected = [0, 1, 2].flatMap((count) => [`message ${count}`, `promise ${count}`]);
      expect(log).to.deep.equal(expected);
    });

    for (const [tickBudgetMs, least, most] of [
      [1, 1, 2],
      [10, 1, 6],
      // As long as all of them take, over many ticks: Node waits until then.
      [60_000, 40, 40],
    ] as const) {
      it(`L7: of ${tickBudgetMs} ms: Node waits for ${least} to ${most} callbacks`, async () => {
        const loop = way.open<number>({ tickBudgetMs, messagesPerTick: 4 });
        const sender = loop.channel();
        for (let i = 0; i < 40; i++) sender.send(i);
        // Counted, not timed, so that a busy machine cannot spoil it: the
        // budget for a tick, the same for ticks in a row, and the last overrun.
        let callbacks = 0;
        let mostBetweenTurns = 0;
        const immediate = () => {
          mostBetweenTurns = Math.max(mostBetweenTurns, callbacks);
          callbacks = 0;
          if (loop.metrics().messages < 40) setImmediate(immediate);
          else loop.shutdown();
        };
        setImmediate(immediate);
        await loop.run({
          notify: () => {
            callbacks += 1;
            busyFor(5);
          },
        });
        expect(mostBetweenTurns).to.be.within(least, most);
      });
    }

    it('L6: an idle loop takes no ticks at all', async () => {
      const loop = way.open();
      const [left] = udpPair(own);
      loop.register(left, 1);
      loop.timeout(null, 60_000);
      await during(loop, {}, async () => {
        await asleep(loop);
        const { ticks } = loop.metrics();
        await delay(100);
        expect(loop.metrics().ticks).to.equal(ticks);
      });
    });

    it('L9: send() wakes a loop that sleeps, each time', async () => {
      const loop = way.open<() => void>();
      const numbers = random();
      const handler = { notify: (_: unknown, done: () => void) => done() };
      await during(loop, handler, async () => {
        await asleep(loop);
        for (let round = 0; round < 200; round++) {
          if (numbers.next() < 0.2) await delay(numbers.next() * 3);
          await new Promise<void>((resolve) => {
            expect(loop.channel().send(resolve)).to.equal(true);
          });
        }
      });
    });

    it('L9: timeout() cuts a sleep short, also one that has a later deadline', async () => {
      const loop = way.open<unknown, () => void>();
      const handler = { timeout: (_: unknown, done: () => void) => done() };
      const run = loop.run(handler);
      try {
        await asleep(loop);
        loop.timeout(() => expect.fail('an hour has not passed'), 3_600_000);
        await asleep(loop);
        for (const delayMs of [0, 1, 5, 0.5]) {
          const fired = new Promise<void>((resolve) => {
            loop.timeout(resolve, delayMs);
          });
          await soon(fired, `a timeout of ${delayMs} ms`);
          await asleep(loop);
        }
      } finally {
        loop.shutdown();
        await run;
      }
    });

    it('L9: register() of a source that is ready already wakes a loop that sleeps', async () => {
      const loop = way.open();
      const [left, right] = udpPair(own);
      left.send(bytes('a'));
      let told = 0;
      const handler = {
        readable: () => {
          told += right.recv(Buffer.alloc(8)) ?? 0;
        },
      };
      await during(loop, handler, async () => {
        await asleep(loop);
        loop.register(right, 1);
        await eventually(() => expect(told).to.equal(1));
        await asleep(loop);
        left.send(bytes('b'));
        await eventually(() => expect(told).to.equal(2));
        await asleep(loop);
        loop.reregister(right, 1, Interest.WRITABLE);
        loop.reregister(right, 1, Interest.READABLE);
        left.send(bytes('c'));
        await eventually(() => expect(told).to.equal(3));
      });
    });

    it('L9: a timeout from a promise between ticks is seen', async () => {
      const loop = way.open<string, string>();
      loop.channel().send('go');
      await loop.run({
        notify: (l) => {
          void Promise.resolve().then(() => l.timeout('t', 1));
        },
        timeout: (l) => l.shutdown(),
      });
    });

    it('L4, L10: shutdown() and close() from outside end a loop that sleeps', async () => {
      const loop = way.open();
      const first = loop.run({});
      expect(loop.isRunning).to.equal(true);
      await asleep(loop);
      loop.shutdown();
      expect(loop.isRunning).to.equal(false);
      await soon(first, 'shutdown()');
      const second = loop.run({});
      await asleep(loop);
      loop.close();
      await soon(second, 'close()');
    });

    it('L9: many loops on one thread run side by side', async () => {
      const loops = Array.from({ length: 8 }, () => way.open<number>());
      const got = loops.map(() => 0);
      await Promise.all(
        loops.map((loop, index) => {
          loop.channel().send(index);
          return loop.run({
            notify: (l, count) => {
              got[index] += 1;
              const next = loops[(index + 1) % loops.length];
              if (got[index] >= 20) l.shutdown();
              else next.channel().send(count + 1);
              next.channel().wake();
            },
            tick: (l) => {
              if (got[index] < 20) l.channel().send(0);
            },
          });
        }),
      );
      expect(Math.min(...got)).to.equal(20);
    });
  },
  ['run'],
);
