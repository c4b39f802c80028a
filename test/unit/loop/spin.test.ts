/** Looking out for messages of other threads before going to sleep: the policy, and its use. */
import { expect } from 'chai';
import {
  SPIN_TRIAL_GAP_MIN,
  SPIN_TRIAL_MISSES_MAX,
  SPIN_TRIAL_SPINS,
} from '../../../src/limits.js';
import { EventLoop } from '../../../src/loop/event-loop.js';
import { Spin } from '../../../src/loop/spin.js';
import { Turn } from '../../../src/poll/driver.js';
import { FakeDriver } from '../../support/fake-driver.js';
import { type FakeInlet, withFakeThreads } from '../../support/fake-inlet.js';

const SPIN_MS = 0.02;
const TRIAL_MS = 0.1;

/** Sleeps that a message ends soon, until there is a trial; how many it took. */
function sleepsUntilTrial(spin: Spin): number {
  for (let count = 1; count <= 10_000; count++) {
    spin.noteSleep(0.05);
    if (spin.durationMs > 0) return count;
  }
  return Infinity;
}

describe('Spin', () => {
  it('does nothing of itself, nor after waits that were long', () => {
    const spin = new Spin(SPIN_MS);
    expect(spin.durationMs).to.equal(0);
    for (let count = 0; count < 1000; count++) spin.noteSleep(1);
    expect(spin.durationMs).to.equal(0);
  });

  it('after some sleeps that a message ended soon it tries, for longer than it will spin', () => {
    const spin = new Spin(SPIN_MS);
    expect(sleepsUntilTrial(spin)).to.equal(SPIN_TRIAL_GAP_MIN);
    expect(spin.durationMs).to.be.closeTo(TRIAL_MS, 1e-9);
  });

  it('goes on where messages come in time, and stops soon when they do not any more', () => {
    const spin = new Spin(SPIN_MS);
    sleepsUntilTrial(spin);
    for (let count = 0; count < SPIN_TRIAL_SPINS; count++) spin.note(true, 0.001);
    for (let count = 0; count < 100; count++) {
      expect(spin.durationMs).to.equal(SPIN_MS);
      spin.note(true, 0.001);
    }
    let vain = 0;
    for (; spin.durationMs > 0; vain++) spin.note(false, SPIN_MS);
    expect(vain).to.be.within(4, 8);
  });

  it('a trial that finds nothing is broken off, and the next one comes later', () => {
    const spin = new Spin(SPIN_MS);
    const gaps: number[] = [];
    for (let trial = 0; trial < 10; trial++) {
      gaps.push(sleepsUntilTrial(spin));
      let vain = 0;
      for (; spin.durationMs > 0; vain++) spin.note(false, TRIAL_MS);
      expect(vain).to.equal(SPIN_TRIAL_MISSES_MAX);
    }
    expect(gaps).to.deep.equal([64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096, 4096]);
  });

  it('once it found what it looked for, the next trial comes as soon as the first', () => {
    const spin = new Spin(SPIN_MS);
    for (let trial = 0; trial < 3; trial++) {
      sleepsUntilTrial(spin);
      while (spin.durationMs > 0) spin.note(false, TRIAL_MS);
    }
    sleepsUntilTrial(spin);
    for (let count = 0; count < SPIN_TRIAL_SPINS; count++) spin.note(true, 0.001);
    while (spin.durationMs > 0) spin.note(false, SPIN_MS);
    expect(sleepsUntilTrial(spin)).to.equal(SPIN_TRIAL_GAP_MIN);
  });

  it('messages that come within a trial, but too late to spin for, do not keep it going', () => {
    const spin = new Spin(SPIN_MS);
    sleepsUntilTrial(spin);
    for (let count = 0; count < SPIN_TRIAL_SPINS; count++) {
      expect(spin.durationMs).to.be.closeTo(TRIAL_MS, 1e-9);
      spin.note(true, 0.05);
    }
    expect(spin.durationMs).to.equal(0);
  });
});

describe('a loop that spins', () => {
  const fake = withFakeThreads();

  function world(spinUs = 20) {
    const driver = new FakeDriver();
    const loop = new EventLoop<string>({ driver, spinUs });
    fake.wake = (key) => driver.threads.wake(key);
    loop.channel().transfer();
    const inlet = fake.inlets.at(-1) as unknown as FakeInlet<string>;
    const log: string[] = [];
    const handler = { notify: (_: unknown, message: string) => void log.push(message) };
    return { driver, poller: driver.poller, loop, inlet, log, handler };
  }

  /** Messages that end sleeps soon, until the loop asks for turns with nothing to do. */
  function untilItSpins({ driver, poller, inlet }: ReturnType<typeof world>): boolean {
    for (let count = 0; count < 2 * SPIN_TRIAL_GAP_MIN; count++) {
      driver.clockMs += 0.03;
      inlet.send(`m${count}`);
      if (poller.runTurns(10) === Turn.MORE) return true;
    }
    return false;
  }

  it('only looks: no tick, no poll, no sleep that others would have to end', () => {
    const w = world();
    void w.loop.run(w.handler);
    expect(untilItSpins(w)).to.equal(true);
    const { ticks } = w.loop.metrics();
    const [polls, intakes] = [w.poller.waits.length, w.inlet.intakes];
    expect(w.poller.runTurns(100)).to.equal(Turn.MORE);
    expect(w.loop.metrics().ticks).to.equal(ticks);
    expect(w.poller.waits).to.have.length(polls);
    expect(w.inlet.intakes - intakes).to.be.within(100, 101);
    expect(w.inlet.asleep).to.equal(false);
  });

  it('after a look in vain, lets others have the processor before the next', () => {
    const w = world();
    void w.loop.run(w.handler);
    untilItSpins(w);
    const { yields } = w.driver;
    w.poller.runTurns(10);
    expect(w.driver.yields - yields).to.equal(10);
    w.inlet.send('quick');
    w.poller.runTurns(1);
    expect(w.log.at(-1)).to.equal('quick');
    expect(w.driver.yields - yields).to.equal(11);
  });

  it('delivers a message in the turn that sees it, without a wake-up', () => {
    const w = world();
    void w.loop.run(w.handler);
    untilItSpins(w);
    const { wakes } = w.poller;
    w.inlet.send('quick');
    w.poller.runTurns(1);
    expect(w.log.at(-1)).to.equal('quick');
    expect(w.poller.wakes).to.equal(wakes);
  });

  it('L6: when its time is over it polls once more and sleeps', () => {
    const w = world();
    void w.loop.run(w.handler);
    untilItSpins(w);
    const polls = w.poller.waits.length;
    w.driver.clockMs += 0.2;
    expect(w.poller.runTurns()).to.equal(Turn.IDLE);
    expect(w.poller.waits).to.have.length(polls + 1);
    expect(w.inlet.asleep).to.equal(true);
  });

  it('a deadline, a message of its own thread and shutdown() end it at once', async () => {
    const w = world();
    const run = w.loop.run(w.handler);
    untilItSpins(w);
    w.loop.timeout(null, 0);
    w.poller.runTurns(1);
    expect(w.loop.metrics().timers).to.equal(1);
    w.inlet.send('again');
    expect(w.poller.runTurns(10)).to.equal(Turn.MORE);
    w.loop.channel().send('own');
    w.poller.runTurns(1);
    expect(w.log.at(-1)).to.equal('own');
    expect(w.poller.runTurns(10)).to.equal(Turn.MORE);
    w.loop.shutdown();
    expect(w.poller.runTurns(1)).to.equal(Turn.STOP);
    await run;
  });

  it('does so in a blocking wait as well, and delivers without having waited', () => {
    const w = world();
    const { now } = w.driver;
    w.poller.onPoll = (timeoutMs) => {
      if (timeoutMs === 0) return;
      w.driver.clockMs += 0.03;
      w.inlet.send('woken');
    };
    for (let count = 0; count < SPIN_TRIAL_GAP_MIN; count++) w.loop.runOnce(w.handler);
    let looks = 0;
    w.driver.now = () => {
      looks += 1;
      w.driver.clockMs += 0.0005;
      if (looks === 10) w.inlet.send('seen');
      return now.call(w.driver);
    };
    const polls = w.poller.waits.length;
    w.loop.runOnce(w.handler);
    expect(w.log.at(-1)).to.equal('seen');
    expect(w.poller.waits.slice(polls)).to.deep.equal([0]);
  });

  it('ends a blocking wait at the deadline, and waits when the look-out was in vain', () => {
    const w = world();
    const { now } = w.driver;
    w.poller.onPoll = (timeoutMs) => {
      if (timeoutMs === 0) return;
      w.driver.clockMs += 0.03;
      w.inlet.send('woken');
    };
    for (let count = 0; count < SPIN_TRIAL_GAP_MIN; count++) w.loop.runOnce(w.handler);
    w.driver.now = () => {
      w.driver.clockMs += 0.0005;
      return now.call(w.driver);
    };
    const polls = w.poller.waits.length;
    w.loop.runOnce(w.handler, 50);
    expect(w.poller.waits.slice(polls)).to.deep.equal([50]);
  });

  it('takes no credit for what was there before it looked', () => {
    // Between two threads that keep each other busy the next message comes while
    // the last is handled.
    const w = world();
    const notify = (_: unknown, message: string) => {
      w.log.push(message);
      if (message === 'taken by the tick') w.inlet.send('there at the first look');
    };
    void w.loop.run({ notify });
    untilItSpins(w);
    for (let count = 0; count < 100; count++) {
      w.inlet.send('taken by the tick');
      w.poller.runTurns(2);
      expect(w.log.at(-1)).to.equal('there at the first look');
    }
    let vain = 0;
    while (w.poller.runTurns(10) === Turn.MORE) {
      w.driver.clockMs += 0.2;
      w.poller.runTurns();
      w.inlet.send('late');
      vain += 1;
    }
    expect(vain).to.equal(SPIN_TRIAL_MISSES_MAX);
  });

  it('L6: sleeps that timers end are no reason to spin, whatever ended the one before', () => {
    const w = world();
    void w.loop.run(w.handler);
    w.poller.runTurns(10);
    w.driver.clockMs += 5;
    w.inlet.send('m');
    w.poller.runTurns(10);
    for (let count = 0; count < 2 * SPIN_TRIAL_GAP_MIN; count++) {
      w.loop.timeout(null, 0.03);
      w.driver.clockMs += 0.03;
      expect(w.poller.runTurns(10)).to.equal(Turn.IDLE);
    }
    expect(w.loop.metrics().timers).to.equal(2 * SPIN_TRIAL_GAP_MIN);
  });

  it('a run that is ended while it looks out leaves nothing of that to the next', async () => {
    const w = world();
    const run = w.loop.run(w.handler);
    untilItSpins(w);
    w.loop.shutdown();
    w.poller.runTurns(1);
    await run;
    const { ticks } = w.loop.metrics();
    void w.loop.run(w.handler);
    w.poller.runTurns(1);
    expect(w.loop.metrics().ticks).to.equal(ticks + 1);
  });

  it('is never idle that way, nor with spinUs: 0', () => {
    const idle = world();
    void idle.loop.run(idle.handler);
    for (let count = 0; count < 1000; count++) {
      idle.driver.clockMs += 5;
      idle.inlet.send('m');
      expect(idle.poller.runTurns(10)).to.equal(Turn.IDLE);
    }
    const off = world(0);
    void off.loop.run(off.handler);
    expect(untilItSpins(off)).to.equal(false);
  });
});
