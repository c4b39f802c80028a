/** Worker threads: their start, calls to them, and their end, in every way: rules A1, A5 to A8. */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { expect } from 'chai';
import { EventLoop, MillraceError } from '../../src/index.js';
import { transfer } from '../../src/thread/parcel.js';
import { WorkerThread } from '../../src/thread/worker-thread.js';
import { EXIT_CODE, richError, type ThreadStart } from '../fixtures/thread-main.js';
import type { ThreadForgottenOptions } from '../fixtures/thread-forgotten.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { Fixture, inParallel } from '../support/processes.js';
import { random } from '../support/random.js';
import { ENTRY, MODULE, startShard } from '../support/threads.js';
import { rejectionOf, type Thrown } from '../support/thrown.js';

leavesNothingBehind();

/** Small enough to be exhausted soon. */
const LIMITS = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 };

/** For a process that starts a thread, on a busy machine. */
const PROCESS_MS = 15_000;

/** As `richError()` makes it, in spite of the threads in between. */
function expectRichError(error: unknown): void {
  expect(error).to.be.instanceOf(MillraceError);
  const { code, message, cause, ...fields } = error as Thrown & { detail: unknown };
  expect([code, message]).to.deep.equal(['ERR_LOOP_CLOSED', richError().message]);
  expect(fields).to.deep.equal({ detail: new Map([['deep', [1n]]]) });
  expect(cause).to.be.instanceOf(RangeError).and.include({ errno: -2, syscall: 'open' });
  expect((error as Error).stack).to.include('richError');
}

describe('worker threads: calls', () => {
  it('1,000 calls arrive in order, and the thread ends by itself when it is stopped', async () => {
    const thread = await startShard();
    const calls = Array.from({ length: 1000 }, (_, index) => thread.remote.collect(index));
    await Promise.all(calls);
    expect(await thread.remote.collected()).to.deep.equal(calls.map((_, index) => index));
    expect(await thread.stop()).to.equal('exited');
    expect(await thread.exited).to.deep.equal({ code: 0, error: null });
  });

  it('A8: errors cross whole, both ways, as rejections, in arguments and in data', async () => {
    const data = { parcel: { errors: [richError()] } };
    const thread = await startShard(data, {
      ownerApi: {
        refuse: () => {
          throw richError();
        },
      },
    });
    expectRichError(await rejectionOf(thread.remote.fail()));
    expectRichError(await rejectionOf(thread.remote.refusedByOwner()));
    expectRichError(await thread.remote.echo(richError()));
    expectRichError(((await thread.remote.given()) as typeof data.parcel).errors[0]);
    await thread.stop();
  });

  it('the thread calls what its owner serves', async () => {
    const thread = await startShard({}, { ownerApi: { double: (value: number) => 2 * value } });
    expect(await thread.remote.doubledByOwner(21)).to.equal(42);
    expect(await rejectionOf(thread.remote.refusedByOwner())).to.include({
      code: 'ERR_UNKNOWN_METHOD',
    });
    await thread.stop();
  });

  it('moves what is marked with transfer(), also in the data', async () => {
    const bytes = new Uint8Array(1000).fill(7);
    const parcel = { bytes };
    const shardData = transfer({ module: MODULE.href, data: { parcel } }, [bytes.buffer]);
    const thread = await WorkerThread.start<{ given(): typeof parcel }>(ENTRY, shardData);
    expect(bytes.length).to.equal(0);
    expect((await thread.remote.given()).bytes).to.deep.equal(new Uint8Array(1000).fill(7));
    await thread.stop();
  });

  it('C4: a message to a loop of the owner moves a port', async () => {
    const thread = await startShard();
    const loop = new EventLoop<{ port: MessagePort }>();
    let got: unknown;
    const run = loop.run({
      notify: (_, { port }) => {
        got = receiveMessageOnPort(port);
        port.close();
        loop.shutdown();
      },
    });
    await thread.remote.sendPort(loop.channel().transfer(), 'moved');
    await run;
    loop.close();
    expect(got).to.deep.equal({ message: 'moved' });
    expect(await thread.stop()).to.equal('exited');
  });

  it('A5: a call that is not answered rejects at its limit, and the thread lives on', async () => {
    const thread = await startShard({}, { callTimeoutMs: 20 });
    const patient = thread.within(10_000);
    expect(await rejectionOf(thread.remote.never())).to.include({ code: 'ERR_CALL_TIMEOUT' });
    expect(await patient.echo(1)).to.equal(1);
    await thread.stop();
  });

  it('A5: stop() in mid-call rejects the call', async () => {
    const thread = await startShard();
    const call = rejectionOf(thread.remote.never());
    expect(await thread.stop()).to.equal('exited');
    expect(await call).to.include({ code: 'ERR_THREAD_EXITED' });
    expect(await rejectionOf(thread.remote.echo(1))).to.include({ code: 'ERR_THREAD_EXITED' });
  });
});

describe('worker threads: death in mid-call', () => {
  it('A6: an error that nobody caught arrives whole', async () => {
    for (const way of ['die', 'dieUnhandled'] as const) {
      const thread = await startShard();
      const rejection = await rejectionOf(thread.remote[way]());
      expect(rejection).to.include({ code: 'ERR_THREAD_EXITED' });
      expectRichError(rejection.cause);
      const { code, error } = await thread.exited;
      expect(code).to.equal(1);
      expectRichError(error);
    }
  });

  it('A6: process.exit() arrives with its code', async () => {
    const thread = await startShard();
    expect(await rejectionOf(thread.remote.exit())).to.include({ code: 'ERR_THREAD_EXITED' });
    expect(await thread.exited).to.deep.equal({ code: EXIT_CODE, error: null });
  });

  it('A6: out of memory arrives as such, also after an error that was survived', async () => {
    const thread = await startShard({}, { resourceLimits: LIMITS });
    await thread.remote.survive();
    const rejection = await rejectionOf(thread.within(0).exhaust());
    expect(rejection.cause).to.include({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
    const { code, error } = await thread.exited;
    expect(code).to.equal(1);
    expect(error).to.include({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
  });

  it('A6: a thread that is busy for ever is terminated, and its calls reject', async () => {
    const thread = await startShard();
    const call = rejectionOf(thread.within(0).busy());
    expect(await thread.stop({ timeoutMs: 50 })).to.equal('terminated');
    expect(await call).to.include({ code: 'ERR_THREAD_EXITED' });
    expect(await thread.exited).to.deep.equal({ code: 1, error: null });
  });

  it('A6: calls reject with the error that the owner supplies', async () => {
    const exitError = ({ code }: { code: number }): Error => new RangeError(`shard: ${code}`);
    const thread = await startShard({}, { exitError });
    const calls = [thread.remote.never(), thread.remote.exit()].map(rejectionOf);
    for (const rejection of await Promise.all(calls)) {
      expect(rejection).to.be.instanceOf(RangeError).with.property('message', 'shard: 7');
    }
  });
});

describe('worker threads: start', () => {
  const failing: [ThreadStart, (error: unknown) => void][] = [
    ['throws', expectRichError],
    ['exits', (error) => expect(error).to.include({ code: 'ERR_THREAD_EXITED' })],
    ['hangs', (error) => expect(error).to.include({ code: 'ERR_THREAD_START_TIMEOUT' })],
    ['is busy', (error) => expect(error).to.include({ code: 'ERR_THREAD_START_TIMEOUT' })],
    [
      'runs out of memory',
      (error) => expect(error).to.include({ code: 'ERR_WORKER_OUT_OF_MEMORY' }),
    ],
  ];
  for (const [start, check] of failing) {
    it(`A1: of one that ${start} rejects, and leaves nothing behind`, async () => {
      const isLate = start === 'hangs' || start === 'is busy';
      const startTimeoutMs = isLate ? 300 : 10_000;
      check(await rejectionOf(startShard({ start }, { startTimeoutMs, resourceLimits: LIMITS })));
    });
  }

  it('A1: of a module that is missing, broken, or serves nothing, rejects', async () => {
    const start = (source: string): Promise<Thrown> =>
      rejectionOf(WorkerThread.start(new URL(source, import.meta.url), {}));
    expect((await start('missing.js')).code).to.match(/^(ERR_)?MODULE_NOT_FOUND$/);
    expect(await start('data:text/javascript,(')).to.be.instanceOf(SyntaxError);
    expect(await start('data:text/javascript,0')).to.include({ code: 'ERR_THREAD_EXITED' });
    expect(await start('data:text/javascript,throw new RangeError()')).to.be.instanceOf(RangeError);
    expect(await start('https://example.org/')).to.include({ code: 'ERR_INVALID_URL_SCHEME' });
  });

  it('A1: with data or options that cannot be used rejects', async () => {
    const start = (data: unknown, options: object = {}, entry: unknown = ENTRY): Promise<Thrown> =>
      rejectionOf(WorkerThread.start(entry as URL, data, options));
    expect(await start(() => {})).to.have.property('name', 'DataCloneError');
    expect(await start({}, { startTimeout: 1 })).to.include({ code: 'ERR_UNKNOWN_OPTION' });
    expect(await start({}, { startTimeoutMs: -1 })).to.include({ code: 'ERR_OUT_OF_RANGE' });
    expect(await start({}, { callTimeoutMs: 'x' })).to.include({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(await start({}, { resourceLimits: 3 })).to.include({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(await start({}, {}, 'entry.js')).to.include({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(await start({}, { signal: AbortSignal.abort(5) })).to.equal(5);
  });

  for (const flags of [
    ['--expose-gc', '--title=millrace', '--stack-trace-limit=20', '--max-http-header-size=9000'],
    ['--input-type=module', '--expose-gc', '--eval', 'await import(process.argv[1])'],
  ]) {
    it(`works in a process with ${flags.join(' ')}`, async () => {
      await using child = new Fixture('thread-forgotten', { how: 'stop' }, { nodeArgs: flags });
      expect(await child.report(PROCESS_MS)).to.equal('printed');
      expect(await child.end(PROCESS_MS)).to.include({ code: 0, stderr: '' });
    });
  }
});

describe('worker threads: stop', () => {
  it('A7: is joined by further calls, and is nothing for a thread that has gone', async () => {
    const thread = await startShard();
    const both = [thread.stop(), thread.stop()];
    expect(await Promise.all(both)).to.deep.equal(['exited', 'exited']);
    expect(await thread.stop()).to.equal('exited');
    expect(await rejectionOf(thread.stop({ timeoutMs: -1 }))).to.include({
      code: 'ERR_OUT_OF_RANGE',
    });
  });

  it('A7: comes after the calls made before', async () => {
    const thread = await startShard();
    const calls = [1, 2, 3].map((value) => thread.remote.collect(value));
    await thread.stop();
    expect(await Promise.all(calls)).to.deep.equal([1, 2, 3]);
  });

  it('A7: what the thread has left open is cut off from inside', async () => {
    const thread = await startShard({ stop: 'leaves a timer' });
    const beginMs = performance.now();
    expect(await thread.stop({ timeoutMs: 8000 })).to.equal('exited');
    expect(await thread.exited).to.deep.equal({ code: 0, error: null });
    // Soon after it has closed the rest, and not only towards the deadline.
    expect(performance.now() - beginMs).to.be.below(6000);
  });

  it('A7: a thread that does not come to an end is made to at the deadline', async () => {
    const thread = await startShard({ stop: 'hangs' });
    expect(await thread.stop({ timeoutMs: 400 })).to.equal('exited');
  });

  it('A7: an error on the way out is in the exit', async () => {
    const thread = await startShard({ stop: 'throws' });
    expect(await thread.stop()).to.equal('exited');
    const { code, error } = await thread.exited;
    expect(code).to.equal(1);
    expectRichError(error);
  });

  it('A7: 200 threads with loops stopped at random moments, many before they are up', async () => {
    const { seed, next } = random();
    // How long a start takes here and now says which moments are worth a try.
    const beginMs = performance.now();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const thread = await startShard({ withLoop: true });
        await thread.stop();
      }),
    );
    const longestMs = 2 * (performance.now() - beginMs);
    const counts = { stopped: 0, abandoned: 0 };
    await inParallel(Array.from({ length: 200 }), 8, async () => {
      const signal = AbortSignal.timeout(Math.floor(next() * longestMs));
      const thread = await startShard({ withLoop: true }, { signal }).catch((error: unknown) => {
        expect(error, `seed ${seed}`).to.equal(signal.reason);
        return null;
      });
      if (thread === null) {
        counts.abandoned += 1;
        return;
      }
      expect(await thread.stop({ timeoutMs: 10_000 }), `seed ${seed}`).to.equal('exited');
      expect(await thread.exited, `seed ${seed}`).to.deep.equal({ code: 0, error: null });
      counts.stopped += 1;
    });
    expect(Math.min(counts.stopped, counts.abandoned), `seed ${seed}`).to.be.above(10);
  }).timeout(90_000);
});

describe('worker threads: the process around them', () => {
  const outputs = { idle: 'idle', stop: 'printed', 'call in flight': 'replied' } as const;
  for (const how of ['idle', 'stop', 'call in flight'] as const) {
    it(`ends although a thread was started and forgotten: ${how}`, async () => {
      const options: ThreadForgottenOptions = { how };
      await using child = new Fixture('thread-forgotten', options);
      expect(await child.report(PROCESS_MS)).to.equal(outputs[how]);
      expect(await child.end(PROCESS_MS)).to.include({ code: 0, stderr: '' });
    });
  }
});
