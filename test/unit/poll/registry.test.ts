/** The registration table on a poller under the test's control. */
import { expect } from 'chai';
import { EventLoop } from '../../../src/index.js';
import { Interest } from '../../../src/poll/interest.js';
import { PollOpt } from '../../../src/poll/poll-opt.js';
import { Registry } from '../../../src/poll/registry.js';
import { FakeDriver, type FakePoller, FakeSource } from '../../support/fake-driver.js';
import { thrownBy } from '../../support/thrown.js';

const EMFILE = -24;

describe('Registry', () => {
  let driver: FakeDriver;
  let poller: FakePoller;
  let registry: Registry;

  beforeEach(() => {
    driver = new FakeDriver();
    poller = driver.openPoller({ eventsCapacity: 16, mode: 'inline', turnBudgetMs: 1 });
    registry = new Registry(poller, driver);
  });

  function registered(token = 1, opt: PollOpt = PollOpt.LEVEL): FakeSource {
    const source = new FakeSource(driver);
    registry.register(source, token, Interest.READABLE, opt);
    return source;
  }

  /** Tokens of the events of one poll, -1 for stale ones. */
  function tokens(): number[] {
    const count = poller.poll(0);
    const found = [];
    for (let at = 0; at < count * 3; at += 3) {
      found.push(registry.find(poller.events[at], poller.events[at + 1])?.token ?? -1);
    }
    return found;
  }

  it('finds a registration by slot and generation, and by nothing else', () => {
    const { registration } = registered(7);
    const { slot, generation } = registration!;
    expect(registry.find(slot, generation)).to.equal(registration);
    expect(registry.find(slot, generation + 1)).to.equal(null);
    expect(registry.find(slot + 1, generation)).to.equal(null);
    expect(registry.find(0xffffffff, generation)).to.equal(null);
  });

  it('forgets at deregister(), and gives the slot to the next with a new generation', () => {
    const first = registered(1);
    const { slot, generation } = first.registration!;
    registry.deregister(first);
    expect(first.registration).to.equal(null);
    expect(registry.find(slot, generation)).to.equal(null);
    const second = registered(2);
    expect(second.registration?.slot).to.equal(slot);
    expect(second.registration?.generation).not.to.equal(generation);
    expect(registry.find(slot, generation)).to.equal(null);
    expect(registry.size).to.equal(1);
  });

  it('draws a new generation at reregister()', () => {
    const source = registered(1);
    const { slot, generation } = source.registration!;
    registry.reregister(source, 5, Interest.WRITABLE, PollOpt.EDGE);
    expect(registry.find(slot, generation)).to.equal(null);
    const { registration } = source;
    expect(registration).to.include({ token: 5, interest: Interest.WRITABLE, opt: PollOpt.EDGE });
    expect(registry.find(slot, registration!.generation)).to.equal(registration);
  });

  it('counts sources, and clear() detaches them all without closing one', () => {
    const sources = [1, 2, 3].map((token) => registered(token));
    registry.deregister(sources[1]);
    expect(registry.size).to.equal(2);
    registry.clear();
    expect(registry.size).to.equal(0);
    expect(sources.every(({ closed }) => !closed)).to.equal(true);
    expect(sources.every(({ registration }) => registration === null)).to.equal(true);
    expect(driver.io.closedHandles).to.deep.equal([]);
    for (const source of sources) registry.register(source, 1, Interest.READABLE, PollOpt.LEVEL);
  });

  it('leaves nothing behind when the poller refuses', () => {
    const source = new FakeSource(driver);
    const { add } = poller;
    poller.add = () => EMFILE;
    const error = thrownBy(() => registry.register(source, 1, Interest.READABLE, PollOpt.LEVEL));
    poller.add = add;
    expect(error).to.include({ code: 'EMFILE', syscall: 'register' });
    expect(source.registration).to.equal(null);
    expect(registry.size).to.equal(0);
    const other = registered(2);
    poller.modify = () => EMFILE;
    const { generation } = other.registration!;
    expect(thrownBy(() => registry.reregister(other, 9, 2, PollOpt.LEVEL)).code).to.equal('EMFILE');
    expect(other.registration).to.include({ token: 2, interest: Interest.READABLE, generation });
  });

  it('S7: a suspended source is silent until resume(), and then told again', () => {
    for (const opt of [PollOpt.LEVEL, PollOpt.EDGE]) {
      const source = registered(opt, opt);
      poller.ready(source.handle, Interest.READABLE);
      expect(tokens()).to.deep.equal([opt]);
      const { slot, generation } = source.registration!;
      registry.suspend(source.registration!, driver.clockMs);
      // The event at hand, and those to come.
      expect(registry.find(slot, generation)).to.equal(null);
      expect(tokens()).to.deep.equal([]);
      expect(registry.resumeAtMs).to.be.above(driver.clockMs);
      expect(registry.resumeAtMs).to.be.below(driver.clockMs + 100);
      registry.resume(registry.resumeAtMs - 0.001);
      expect(tokens()).to.deep.equal([]);
      registry.resume(registry.resumeAtMs);
      expect(registry.resumeAtMs).to.equal(Infinity);
      expect(tokens()).to.deep.equal([opt]);
      registry.deregister(source);
    }
  });

  it('S7: resume() waits on while no descriptor can be had', () => {
    const source = registered(3);
    poller.ready(source.handle, Interest.READABLE);
    registry.suspend(source.registration!, driver.clockMs);
    driver.io.probeResult = EMFILE;
    for (let round = 0; round < 5; round++) {
      driver.clockMs = registry.resumeAtMs;
      registry.resume(driver.clockMs);
      expect(registry.resumeAtMs).to.be.above(driver.clockMs);
      expect(tokens()).to.deep.equal([]);
    }
    driver.io.probeResult = 0;
    driver.clockMs = registry.resumeAtMs;
    registry.resume(driver.clockMs);
    expect(tokens()).to.deep.equal([3]);
  });

  it('S7: reregister(), deregister() and close() end a suspension', () => {
    const [again, gone, closed] = [1, 2, 3].map((token) => registered(token));
    for (const source of [again, gone, closed]) {
      poller.ready(source.handle, Interest.READABLE);
      registry.suspend(source.registration!, driver.clockMs);
    }
    registry.reregister(again, 11, Interest.READABLE, PollOpt.LEVEL);
    expect(registry.resumeAtMs).to.be.below(Infinity);
    registry.deregister(gone);
    closed.close();
    expect(registry.resumeAtMs).to.equal(Infinity);
    expect(tokens()).to.deep.equal([11]);
    registry.resume(driver.clockMs + 1000);
    expect(tokens()).to.deep.equal([11]);
  });

  it('hasToken() knows the tokens in use', () => {
    const source = registered(-5);
    expect(registry.hasToken(-5)).to.equal(true);
    expect(registry.hasToken(5)).to.equal(false);
    registry.reregister(source, 1e15, Interest.READABLE, PollOpt.LEVEL);
    expect(registry.hasToken(-5)).to.equal(false);
    expect(registry.hasToken(1e15)).to.equal(true);
    registry.deregister(source);
    expect(registry.hasToken(1e15)).to.equal(false);
  });

  it('nextToken() never repeats, and steps over what a user chose', () => {
    const loop = new EventLoop({ driver });
    const first = loop.nextToken();
    const taken = [first + 1, first + 2, first + 4];
    for (const token of taken) loop.register(new FakeSource(driver), token);
    const drawn = [loop.nextToken(), loop.nextToken(), loop.nextToken()];
    expect(drawn).to.deep.equal([first + 3, first + 5, first + 6]);
    loop.close();
  });

  it('refuses what is no source, no token, no interest and no option', () => {
    const source = new FakeSource(driver);
    const register = (...wanted: unknown[]) =>
      thrownBy(() => registry.register(...(wanted as Parameters<Registry['register']>)));
    for (const value of [null, undefined, {}, 1, { handle: 1, driver, registration: null }]) {
      expect(register(value, 1, 1, 0).code).to.equal('ERR_INVALID_ARG_TYPE');
    }
    for (const token of ['1', null, undefined, 1n]) {
      expect(register(source, token, 1, 0).code).to.equal('ERR_INVALID_ARG_TYPE');
    }
    for (const token of [1.5, NaN, Infinity, 2 ** 53]) {
      expect(register(source, token, 1, 0).code).to.equal('ERR_OUT_OF_RANGE');
    }
    for (const interest of [0, -1, 16, 1.5]) {
      expect(register(source, 1, interest, 0).code).to.equal('ERR_OUT_OF_RANGE');
    }
    for (const opt of [-1, 1, 0x100, 0x21]) {
      expect(register(source, 1, 1, opt).code, `opt ${opt}`).to.equal('ERR_OUT_OF_RANGE');
    }
    expect(source.registration).to.equal(null);
  });
});
