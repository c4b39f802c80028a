/** How long `Poll.poll()` waits, by a clock that is told. */
import { expect } from 'chai';
import { Interest } from '../../../src/poll/interest.js';
import { Poll } from '../../../src/poll/poll.js';
import { FakeDriver, FakeSource } from '../../support/fake-driver.js';
import { thrownBy } from '../../support/thrown.js';

const EMFILE = -24;

describe('Poll', () => {
  let driver: FakeDriver;
  let poll: Poll;

  beforeEach(() => {
    driver = new FakeDriver();
    poll = new Poll({ driver });
  });

  /** A source that is ready, and silent for want of descriptors. */
  function suspended(): FakeSource {
    const source = new FakeSource(driver);
    poll.register(source, 7);
    driver.poller.ready(source.handle, Interest.READABLE);
    source.registration!.registry.suspend(source.registration!, driver.clockMs);
    return source;
  }

  it('S7: a wait goes on when the silence of a source is over, for what is left of it', () => {
    suspended();
    expect(poll.poll(100)).to.equal(1);
    expect(poll.event(0).token).to.equal(7);
    expect(driver.poller.waits).to.deep.equal([100, 80]);
  });

  it('S7: and as long as no descriptor can be had, up to the end of the wait', () => {
    suspended();
    driver.io.probeResult = EMFILE;
    expect(poll.poll(50)).to.equal(0);
    expect(driver.poller.waits).to.deep.equal([50, 30, 10]);
    expect(driver.clockMs).to.equal(1050);
  });

  it('S7: one without end has no other deadline, and none once the source is gone', () => {
    const source = suspended();
    expect(poll.poll()).to.equal(1);
    expect(driver.poller.waits).to.deep.equal([-1, -1]);
    expect(driver.poller.deadlineMs).to.equal(Infinity);
    source.registration!.registry.suspend(source.registration!, driver.clockMs);
    poll.deregister(source);
    expect(poll.poll(50)).to.equal(0);
    expect(driver.poller.waits).to.deep.equal([-1, -1, 50]);
  });

  it('S7: 0 does not wait for it', () => {
    suspended();
    expect(poll.poll(0)).to.equal(0);
    driver.clockMs += 1000;
    expect(poll.poll(0)).to.equal(1);
    expect(driver.poller.waits).to.deep.equal([0, 0]);
  });

  it('a signal ends the wait, with no events and none of an earlier poll', () => {
    const source = new FakeSource(driver);
    poll.register(source, 7);
    driver.poller.ready(source.handle, Interest.READABLE);
    expect(poll.poll()).to.equal(1);
    driver.poller.interruptNext = true;
    expect(poll.poll()).to.equal(0);
    expect(thrownBy(() => poll.event(0)).code).to.equal('ERR_OUT_OF_RANGE');
  });

  it('a failure is thrown, and leaves no events of an earlier poll', () => {
    const source = new FakeSource(driver);
    poll.register(source, 7);
    driver.poller.ready(source.handle, Interest.READABLE);
    expect(poll.poll()).to.equal(1);
    driver.poller.failNext = EMFILE;
    expect(thrownBy(() => poll.poll()).code).to.equal('EMFILE');
    expect(thrownBy(() => poll.event(0)).code).to.equal('ERR_OUT_OF_RANGE');
  });

  it('close() leaves no events, and frees the sources and the poller once', () => {
    const source = new FakeSource(driver);
    poll.register(source, 7);
    driver.poller.ready(source.handle, Interest.READABLE);
    poll.poll();
    let closes = 0;
    driver.poller.close = () => void (closes += 1);
    poll.close();
    poll[Symbol.dispose]();
    expect(closes).to.equal(1);
    expect([source.registration, source.closed, poll.closed]).to.deep.equal([null, false, true]);
    expect(thrownBy(() => poll.event(0)).code).to.equal('ERR_OUT_OF_RANGE');
  });
});
