/** Decisions about crashes, by a clock that is told: rule A2. */
import { expect } from 'chai';
import { type SupervisionPolicy, Supervisor } from '../../../src/actor/supervision.js';

const DEFAULTS: SupervisionPolicy = {
  onCrash: 'restart',
  maxRestarts: 3,
  withinMs: 5000,
  backoffMs: 100,
  backoffMaxMs: 5000,
};

const supervisor = (policy: Partial<SupervisionPolicy> = {}) =>
  new Supervisor({ ...DEFAULTS, ...policy });

describe('Supervisor', () => {
  it('A2: three restarts in 5 s, then it stops; the back-off doubles', () => {
    const subject = supervisor();
    const decisions = [0, 100, 300, 700].map((nowMs) => subject.decide(nowMs));
    expect(decisions).to.deep.equal([
      { action: 'restart', attempt: 1, delayMs: 100 },
      { action: 'restart', attempt: 2, delayMs: 200 },
      { action: 'restart', attempt: 3, delayMs: 400 },
      { action: 'stop' },
    ]);
  });

  it('A2: restarts leave the window when withinMs is over, not before', () => {
    const crashAfter = (nowMs: number) => {
      const subject = supervisor({ maxRestarts: 1 });
      subject.decide(1e6);
      return subject.decide(1e6 + nowMs).action;
    };
    expect(crashAfter(4999.9)).to.equal('stop');
    expect(crashAfter(5000)).to.equal('restart');
  });

  it('A2: the back-off grows to backoffMaxMs and no further', () => {
    const subject = supervisor({ maxRestarts: 100 });
    let nowMs = 0;
    const delays = Array.from({ length: 9 }, () => {
      const decision = subject.decide(nowMs);
      const delayMs = decision.action === 'restart' ? decision.delayMs : NaN;
      nowMs += delayMs + 1;
      return delayMs;
    });
    expect(delays).to.deep.equal([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  it('A2: a quiet window after the restart, and the back-off begins anew', () => {
    const afterQuiet = (quietMs: number) => {
      const subject = supervisor({ maxRestarts: 100 });
      subject.decide(0);
      subject.decide(100);
      // That restart takes place at 300.
      return subject.decide(300 + quietMs);
    };
    expect(afterQuiet(4999)).to.deep.equal({ action: 'restart', attempt: 3, delayMs: 400 });
    expect(afterQuiet(5000)).to.deep.equal({ action: 'restart', attempt: 1, delayMs: 100 });
  });

  it('A6: a restart that took longer than the window is no quiet time', () => {
    const subject = supervisor({ maxRestarts: 100 });
    subject.decide(0);
    subject.restarted(9000);
    expect(subject.decide(9001)).to.include({ attempt: 2, delayMs: 200 });
    subject.restarted(20_000);
    expect(subject.decide(25_000)).to.include({ attempt: 1, delayMs: 100 });
  });

  it('A2: no restarts at all, and without end', () => {
    expect(supervisor({ maxRestarts: 0 }).decide(0)).to.deep.equal({ action: 'stop' });
    const endless = supervisor({ maxRestarts: Number.MAX_SAFE_INTEGER, backoffMs: 0 });
    // More often than a number can be doubled.
    for (let count = 1; count <= 1100; count++) {
      const expected = { action: 'restart', attempt: count, delayMs: 0 };
      expect(endless.decide(0)).to.deep.equal(expected);
    }
  });

  for (const onCrash of ['resume', 'stop', 'escalate'] as const) {
    it(`A2: onCrash ${onCrash} is decided however often`, () => {
      const subject = supervisor({ onCrash });
      for (let count = 0; count < 10; count++) {
        expect(subject.decide(count)).to.deep.equal({ action: onCrash });
      }
    });
  }
});
