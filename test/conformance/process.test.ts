/**
 * What a loop means to its process: rules L6 (being alive), L8 (EINTR), L9
 * (signals) and S8 (SIGPIPE, descriptors of children). Most of it in child
 * processes, since it could end this one.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { expect } from 'chai';
import { EventLoop, type PollerMode, TcpListener, UdpSocket } from '../../src/index.js';
import { binding } from '../../src/poll/binding.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { Fixture } from '../support/processes.js';
import { bytes, closingAfterEach, reset, tcpPair } from '../support/sockets.js';
import { type Thrown, thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const DEADLINE_MS = 8000;

/** 'S' asleep, 'T' stopped, 'R' running, 'Z' ended, and '' gone; of the main thread. */
function stateOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2);
  } catch {
    return '';
  }
}

async function reaches(pid: number, ...states: string[]): Promise<void> {
  await eventually(() => expect(stateOf(pid)).to.be.oneOf(states));
}

describeWays('signals', ({ running, poller }) => {
  it('L9: reach the handler, each one by its name and number', async () => {
    const signals = ['SIGUSR2', 'SIGHUP', 'SIGUSR2', 'SIGTERM', 'SIGINT', 'SIGWINCH'] as const;
    await using child = new Fixture('signal-receiver', { running, poller, count: 1, signals });
    const got = await child.report<string[][]>(DEADLINE_MS);
    const expected = signals.map((signal) => `${signal} ${constants.signals[signal]}`);
    expect(got).to.deep.equal([expected]);
    expect(await child.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
  });

  it('L9: reach every loop that asked for them', async () => {
    const signals = ['SIGUSR2'];
    await using child = new Fixture('signal-receiver', { running, poller, count: 5, signals });
    const got = await child.report<string[][]>(DEADLINE_MS);
    const one = [`SIGUSR2 ${constants.signals.SIGUSR2}`];
    expect(got).to.deep.equal(Array.from({ length: 5 }, () => one));
    expect(await child.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
  });

  it('L9: reach loops of two threads that run at once, each with what it asked for', async () => {
    await using child = new Fixture('signals-of-threads', { running, poller });
    expect(await child.report(DEADLINE_MS)).to.deep.equal({
      main: ['SIGHUP', 'SIGHUP', 'SIGHUP', 'SIGUSR2'],
      worker: ['SIGTERM', 'SIGTERM', 'SIGTERM', 'SIGUSR2'],
    });
    expect(await child.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
  });
});

describe('interruptions', function () {
  this.timeout(20_000);

  /** Disturbs the child each time it sleeps, until it says that it was interrupted. */
  async function interrupt(child: Fixture, disturb: () => Promise<void> | void): Promise<void> {
    expect(await child.report(DEADLINE_MS)).to.equal('ready');
    const state = { isTold: false };
    const told = child.report<{ interrupted: number }>(DEADLINE_MS).finally(() => {
      state.isTold = true;
    });
    // It may sleep elsewhere than in the loop's wait; therefore again and again.
    while (!state.isTold) {
      await disturb();
      await eventually(() => expect(state.isTold || stateOf(child.pid) === 'S').to.equal(true));
    }
    expect((await told).interrupted).to.be.at.least(1);
    expect(await child.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
  }

  for (const running of ['runSync', 'runOnce'] as const) {
    for (const poller of ['thread', 'inline'] as const) {
      it(`L8: a signal interrupts a loop asleep in ${running} (${poller})`, async () => {
        await using child = new Fixture('interrupted-loop', { running, poller });
        await interrupt(child, () => child.kill('SIGWINCH'));
      });
    }
  }

  // Of the waits only epoll_wait(2) ends for a SIGCONT that nobody handles.
  const waysThatStop = [
    ['run', 'thread'],
    ['runSync', 'thread'],
    ['runOnce', 'inline'],
  ] as const;
  for (const [running, poller] of binding.backend === 'epoll' ? waysThatStop : []) {
    it(`L8: so does a SIGCONT, in ${running} (${poller})`, async () => {
      await using child = new Fixture('interrupted-loop', { running, poller });
      await interrupt(child, async () => {
        child.kill('SIGSTOP');
        // It may just have ended: the last SIGCONT did it, and the word of that is on its way.
        await reaches(child.pid, 'T', 'Z', '');
        child.kill('SIGCONT');
      });
    });
  }
});

describe('a run and its process', () => {
  // poll(2) has no descriptor that Node's own loop could wait for: there both have the thread.
  if (binding.backend === 'epoll') {
    for (const [poller, threads] of [
      ['thread', ['millrace-poll']],
      ['inline', []],
    ] as const) {
      it(`poller: '${poller}' runs with ${threads.length} threads of ours`, async () => {
        await using child = new Fixture('poller-in-use', { poller });
        expect(await child.report(DEADLINE_MS)).to.deep.equal(threads);
        expect(await child.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
      });
    }
  }

  for (const poller of ['thread', 'inline'] satisfies PollerMode[]) {
    const living = [
      { before: [], after: [] },
      { before: ['unref', 'ref'], after: [] },
      { before: ['unref'], after: ['ref'] },
      { before: [], after: ['unref', 'unref', 'ref'] },
    ];
    for (const { before, after } of living) {
      const calls = [...before, 'run', ...after].join(', ');
      it(`L6: lives on after ${calls} (${poller})`, async () => {
        await using child = new Fixture('life-of-a-run', { poller, before, after });
        expect(await child.report(DEADLINE_MS)).to.equal('running');
        await reaches(child.pid, 'S');
        child.kill('SIGUSR2');
        expect(await child.report(DEADLINE_MS)).to.equal('ended');
        expect(await child.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
      });
    }

    const ending = [
      { before: ['unref'], after: [] },
      { before: [], after: ['unref'] },
      { before: ['ref'], after: ['ref', 'unref'] },
    ];
    for (const { before, after } of ending) {
      const calls = [...before, 'run', ...after].join(', ');
      it(`L6: ends by itself after ${calls} (${poller})`, async () => {
        await using child = new Fixture('life-of-a-run', { poller, before, after });
        expect(await child.report(DEADLINE_MS)).to.equal('running');
        expect(await child.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
      });
    }
  }
});

describe('descriptors and pipes', () => {
  const own = closingAfterEach();

  it('S8: 10,000 writes to connections that were reset raise no SIGPIPE', () => {
    // Node ignores the signal by itself; the loop's handler would hear of it.
    const loop = own(new EventLoop());
    loop.registerSignal('SIGPIPE');
    const codes = new Map<string | undefined, number>();
    const count = ({ code }: Thrown) => codes.set(code, (codes.get(code) ?? 0) + 1);
    for (let connection = 0; connection < 10; connection++) {
      const [client, server] = tcpPair(own);
      reset(client);
      for (let write = 0; write < 500; write++) {
        count(thrownBy(() => server.write(bytes('a'))));
        count(thrownBy(() => server.writev([bytes('a'), bytes('b')])));
      }
    }
    loop.runOnce({ signal: (_, { signal }) => expect.fail(`${signal} was raised`) }, 0);
    expect(loop.metrics().signals).to.equal(0);
    expect([...codes.keys()].every((code) => code === 'EPIPE' || code === 'ECONNRESET')).to.equal(
      true,
    );
    expect([...codes.values()].reduce((sum, size) => sum + size)).to.equal(10_000);
  });

  it('S8: a child process inherits no descriptor of a loop or a socket', async () => {
    const list = () => execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
    const numbersIn = (text: string) =>
      [...text.matchAll(/ (\d+) -> /g)].map(([, fd]) => Number(fd));
    const before = numbersIn(list());
    const loops = (['thread', 'inline'] as const).map((poller) => own(new EventLoop({ poller })));
    const listener = own(TcpListener.bind('127.0.0.1:0'));
    const sockets = [...tcpPair(own), own(UdpSocket.bind('127.0.0.1:0')), listener];
    for (const [token, socket] of sockets.entries()) loops[0].register(socket, token);
    loops[0].registerSignal('SIGUSR2');
    for (const loop of loops) {
      loop.shutdown();
      await loop.run({});
    }
    const listed = list();
    expect(numbersIn(listed).length).to.equal(before.length);
    for (const { handle } of sockets) {
      expect(listed).not.to.include(readlinkSync(`/proc/self/fd/${handle}`));
    }
  });
});
