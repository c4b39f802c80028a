/**
 * What the system may refuse at any moment (design, section 5).
 *
 * Goal: whichever system call fails, at whichever point, the process lives,
 * the caller is told in Node's own shape, or the operation is done all the
 * same, and nothing is left open.
 *
 * Method: one child process for each kind of call. It lives through a scenario
 * while the first call of the kind fails, then the second, and so on until the
 * scenario makes fewer. A process of its own, because some calls are made once
 * a process, and because dying is one of the ways to fail.
 */
import { constants } from 'node:os';
import { expect } from 'chai';
import { EventLoop } from '../../src/index.js';
import { binding } from '../../src/poll/binding.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { Fixture, within } from '../support/processes.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const DEADLINE_MS = 15_000;

interface Report {
  errors: ({ code?: string; syscall?: string; message?: string } | null)[];
  lastError: unknown;
  descriptors: number;
  counts: { handles: number; pollers: number; inFlight: number };
}

/** Calls that the scenario makes with any backend; a fault there must be met. */
const ALWAYS_MADE = [
  'socket',
  'bind',
  'listen',
  'accept',
  'connect',
  'read',
  'write',
  'writev',
  'recvfrom',
  'sendto',
  'shutdown',
  'getsockopt',
  'setsockopt',
  'getsockname',
  'getpeername',
  'close',
  'sigaction',
  'thread',
  'socketpair',
  'pipe',
  'fcntl',
  'waker_read',
  'waker_write',
  'recvmmsg',
  'sendmmsg',
];

const MADE_BY_BACKEND: Record<string, string[]> = {
  epoll: ['epoll_create', 'epoll_ctl', 'epoll_wait', 'timerfd_create', 'timerfd_settime'],
  poll: ['poll'],
  kqueue: ['kqueue', 'kevent_change', 'kevent_wait'],
};

/** So that a loop that never wakes is closed, and the run of the tests goes on. */
function soon<R>(promise: Promise<R>): Promise<R> {
  return within(3000, promise, () => new Error('the loop sleeps on'));
}

describe('a system call that fails', function () {
  this.timeout(2 * DEADLINE_MS);
  let peaceful: Report;

  async function reportOf(options: { call?: string; errno?: number }): Promise<Report> {
    await using child = new Fixture('fault-scenario', options);
    const report = await child.report<Report>(DEADLINE_MS);
    expect(await child.end(DEADLINE_MS)).to.include({ code: 0, signal: null, stderr: '' });
    return report;
  }

  // A test that failed must not hand its fault on to the next.
  afterEach(() => binding.clearFaults());

  before(async () => {
    peaceful = await reportOf({});
    expect(peaceful.lastError).to.equal(null);
  });

  const made = new Set([...ALWAYS_MADE, ...(MADE_BY_BACKEND[binding.backend] ?? [])]);
  for (const call of binding.faultCalls) {
    it(`${call}: is told or overcome, and nothing leaks`, async () => {
      const errno = constants.errno.ENOMEM;
      const { errors, ...after } = await reportOf({ call, errno });
      expect(after).to.deep.equal({
        lastError: null,
        descriptors: peaceful.descriptors,
        counts: { handles: 0, pollers: 0, inFlight: 0 },
      });
      if (made.has(call)) expect(errors.length, 'faults that were met').to.be.above(0);
      for (const error of errors) {
        if (error === null) continue;
        expect(error).to.include({ code: 'ENOMEM' });
        expect(error.syscall).to.be.a('string').that.is.not.equal('');
        expect(error.message).to.include(`${error.syscall} ENOMEM`);
      }
    });

    // pthread_create(3) is not a call that a signal could interrupt.
    if (call === 'thread') continue;
    it(`${call}: goes on when a signal interrupts it`, async () => {
      const { errors, lastError } = await reportOf({ call, errno: constants.errno.EINTR });
      expect([...errors, lastError].every((error) => error === null)).to.equal(true);
    });
  }

  // The other backends keep the deadline themselves.
  for (const poller of binding.backend === 'epoll' ? (['thread', 'inline'] as const) : []) {
    it(`a deadline that cannot be set ends the run; the next sets it (${poller})`, async () => {
      using loop = new EventLoop<unknown, string>({ poller });
      const handler = { timeout: (l: EventLoop<unknown, string>) => l.shutdown() };
      loop.timeout('t', 200);
      binding.injectFault('timerfd_settime', 1, 1, constants.errno.ENOMEM);
      const error = await soon(rejectionOf(loop.run(handler)));
      binding.clearFaults();
      expect(error).to.include({ code: 'ENOMEM', syscall: 'setDeadline' });
      await soon(loop.run(handler));
    });

    it(`nor does timeout() lose one while the loop sleeps (${poller})`, async () => {
      using loop = new EventLoop<unknown, string>({ poller });
      const run = rejectionOf(loop.run({}));
      await eventually(() => expect(loop.metrics().ticks).to.be.above(0));
      binding.injectFault('timerfd_settime', 1, 2, constants.errno.ENOMEM);
      loop.timeout('t', 200);
      expect((await soon(run)).code).to.equal('ENOMEM');
      binding.clearFaults();
      await soon(loop.run({ timeout: (l) => l.shutdown() }));
    });
  }

  it('the list of what the scenario reaches knows every name', () => {
    expect(binding.faultCalls).to.include.members([...made]);
  });
});
