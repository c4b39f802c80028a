/** What moving a source asks of a driver, whichever it is. */
import { constants } from 'node:os';
import { expect } from 'chai';
import { enterDriver } from '../../../src/poll/current-driver.js';
import { Interest } from '../../../src/poll/interest.js';
import { PollOpt } from '../../../src/poll/poll-opt.js';
import { Registry } from '../../../src/poll/registry.js';
import { acquire, type SourceHandle } from '../../../src/poll/source-handle.js';
import { FakeDriver, FakeSource } from '../../support/fake-driver.js';
import { thrownBy } from '../../support/thrown.js';

describe('SourceHandle', () => {
  let driver: FakeDriver;

  beforeEach(() => {
    driver = new FakeDriver();
  });

  /** As `from()` does in a callback of a loop on this driver. */
  function acquireOn(target: FakeDriver, kind: 'FdSource' | 'TcpStream', handle: unknown) {
    const previous = enterDriver(target);
    try {
      return acquire(kind, handle);
    } finally {
      enterDriver(previous);
    }
  }

  it('S9: is plain values, and leads to the source once', () => {
    const source = new FakeSource(driver);
    const { handle: fd } = source;
    const handle = source.transfer();
    expect(handle).to.deep.equal({
      millrace: 'source',
      driver: 'fake',
      kind: 'FdSource',
      fd,
      generation: 1,
    });
    expect(source.closed).to.equal(true);
    expect(driver.io.closedHandles).to.deep.equal([]);
    const acquired = acquireOn(driver, 'FdSource', structuredClone(handle));
    expect(acquired).to.deep.equal({ driver, handle: fd });
    const error = thrownBy(() => acquireOn(driver, 'FdSource', handle));
    expect(error).to.include({ code: 'ERR_HANDLE_SPENT', name: 'MillraceError' });
  });

  it('S9: close() after transfer() closes nothing', () => {
    const source = new FakeSource(driver);
    source.transfer();
    source.close();
    source[Symbol.dispose]();
    expect(driver.io.closedHandles).to.deep.equal([]);
  });

  it('S9: a source that is registered stays, open and registered', () => {
    const source = new FakeSource(driver);
    const poller = driver.openPoller({ eventsCapacity: 1, mode: 'inline', turnBudgetMs: 0 });
    const registry = new Registry(poller, driver);
    registry.register(source, 1, Interest.READABLE, PollOpt.LEVEL);
    const error = thrownBy(() => source.transfer());
    expect(error).to.include({ code: 'ERR_SOURCE_REGISTERED', name: 'MillraceError' });
    expect(error.message).to.include('deregister() it first');
    expect(source.closed).to.equal(false);
    expect(registry.size).to.equal(1);
    registry.deregister(source);
    expect(source.transfer().kind).to.equal('FdSource');
  });

  it('S9: what was closed or given away says which of the two it was', () => {
    const closed = new FakeSource(driver);
    closed.close();
    const given = new FakeSource(driver);
    given.transfer();
    for (const [source, word] of [
      [closed, 'was closed'],
      [given, 'was given away'],
    ] as const) {
      const error = thrownBy(() => source.transfer());
      expect(error).to.include({ code: 'ERR_SOURCE_CLOSED', name: 'MillraceError' });
      expect(error.message).to.include(word);
    }
  });

  it('a source that the driver does not let go of stays open', () => {
    const source = new FakeSource(driver);
    driver.io.releaseResult = -constants.errno.EEXIST;
    expect(thrownBy(() => source.transfer())).to.include({ code: 'EEXIST', syscall: 'transfer' });
    expect(source.closed).to.equal(false);
  });

  it('of another driver is refused, and good on its own', () => {
    const handle = new FakeSource(driver).transfer();
    const error = thrownBy(() => acquire('FdSource', handle));
    expect(error).to.include({ code: 'ERR_DRIVER_MISMATCH', name: 'MillraceError' });
    expect(error.message).to.include('"fake"').and.include('"native"');
    expect(acquireOn(driver, 'FdSource', handle).handle).to.equal(handle.fd);
  });

  it('of another class names the right one', () => {
    const handle = new FakeSource(driver).transfer();
    const error = thrownBy(() => acquireOn(driver, 'TcpStream', handle));
    expect(error).to.be.instanceOf(TypeError);
    expect(error.code).to.equal('ERR_INVALID_ARG_VALUE');
    expect(error.message).to.include('FdSource.from()');
  });

  it('that is none is a TypeError, whatever is wrong with it', () => {
    const handle = new FakeSource(driver).transfer();
    const wrong: unknown[] = [undefined, null, 1, 'source', [], {}, [handle], () => handle];
    const changes: Partial<Record<keyof SourceHandle, unknown[]>> = {
      millrace: ['sender', undefined],
      kind: ['Source', 'toString', 0, undefined],
      driver: [undefined, 1],
      fd: [-1, 1.5, NaN, 2 ** 31, `${handle.fd}`, undefined],
      generation: [0, -1, 1.5, NaN, Infinity, 2 ** 53, '1', undefined],
    };
    for (const [field, values] of Object.entries(changes)) {
      for (const value of values) wrong.push({ ...handle, [field]: value });
    }
    for (const value of wrong) {
      const error = thrownBy(() => acquireOn(driver, 'FdSource', value));
      expect(error).to.be.instanceOf(TypeError);
      expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
    }
    expect(acquireOn(driver, 'FdSource', handle).handle).to.equal(handle.fd);
  });
});
