/** Calls over a port whose two ends are on one thread. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { MillraceError } from '../../../src/index.js';
import { type ControlLink, connect, expose, methodsOf } from '../../../src/thread/control-link.js';
import { transfer } from '../../../src/thread/parcel.js';
import { eventually } from '../../support/eventually.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { rejectionOf, thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

class Api {
  readonly got: number[] = [];
  readonly property = 1;
  #own = 'private';
  settle: () => void = () => {};

  echo<T>(value: T): T {
    return value;
  }

  own(): string {
    return this.#own;
  }

  collect(value: number): void {
    this.got.push(value);
  }

  fail(error: unknown): never {
    throw error;
  }

  wait(): Promise<string> {
    return new Promise((resolve) => {
      this.settle = () => resolve('late');
    });
  }

  uncloneable(): unknown {
    return { act: () => {} };
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array([1, 2, 3]);
    return transfer(bytes, [bytes.buffer]);
  }
}

describe('a control link', () => {
  let near: MessagePort;
  let far: MessagePort;
  let api: Api;
  let served: ControlLink<object>;
  let link: ControlLink<Api>;

  beforeEach(() => {
    ({ port1: near, port2: far } = new MessageChannel());
    api = new Api();
    served = expose(api, far);
    link = connect<Api>(near);
  });

  afterEach(() => {
    link.close();
    served.close();
  });

  it('calls a method with its object, and brings the result', async () => {
    expect(await link.remote.own()).to.equal('private');
    expect(await link.remote.echo({ a: [1n, null, undefined] })).to.deep.equal({
      a: [1n, null, undefined],
    });
  });

  it('calls arrive in the order in which they were made, 1,000 of them', async () => {
    const calls = Array.from({ length: 1000 }, (_, index) => link.remote.collect(index));
    await Promise.all(calls);
    expect(api.got).to.deep.equal(calls.map((_, index) => index));
  });

  it('both ends may call', async () => {
    const { port1, port2 } = new MessageChannel();
    const left = connect<Api>(port1, { serve: methodsOf({ side: () => 'left' }) });
    const right = connect<{ side(): string }>(port2, { serve: methodsOf(api) });
    expect(await right.remote.side()).to.equal('left');
    expect(await left.remote.own()).to.equal('private');
    left.close();
  });

  it('A8: errors are whole as rejections, in arguments and in results', async () => {
    const cause = new RangeError('inner');
    const error = new MillraceError('ERR_LOOP_CLOSED', 'outer', { cause });
    const thrown = await rejectionOf(link.remote.fail(error));
    const echoed = (await link.remote.echo({ list: [error] })) as { list: MillraceError[] };
    for (const got of [thrown, ...echoed.list]) {
      expect(got).to.be.instanceOf(MillraceError).and.not.equal(error);
      expect(got).to.include({ code: 'ERR_LOOP_CLOSED', message: 'outer', stack: error.stack });
      expect(got.cause).to.be.instanceOf(RangeError);
    }
  });

  it('what is thrown and is no error arrives as it is', async () => {
    expect(await rejectionOf(link.remote.fail('text'))).to.equal('text');
    expect(await rejectionOf(link.remote.fail(undefined))).to.equal(undefined);
  });

  it('reaches methods only', async () => {
    const remote = link.remote as unknown as Record<string, () => Promise<unknown>>;
    for (const name of ['property', 'missing', 'got']) {
      expect(await rejectionOf(remote[name]())).to.include({ code: 'ERR_UNKNOWN_METHOD' });
    }
    expect(remote['then']).to.equal(undefined);
    expect(() => Object.assign(remote, { own: 1 })).to.throw(TypeError);
  });

  it('rejects a call whose arguments or result cannot be cloned, and goes on', async () => {
    const call = link.remote.echo(() => {});
    expect(await rejectionOf(call)).to.have.property('name', 'DataCloneError');
    const result = await rejectionOf(link.remote.uncloneable());
    expect(result).to.be.instanceOf(DOMException).with.property('name', 'DataCloneError');
    expect(await rejectionOf(link.remote.fail(() => {}))).to.have.property(
      'name',
      'DataCloneError',
    );
    expect(await link.remote.own()).to.equal('private');
  });

  it('moves what is marked with transfer(), both ways', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    expect(await link.remote.echo(transfer(bytes, [bytes.buffer]))).to.deep.equal(
      new Uint8Array([1, 2, 3]),
    );
    expect(bytes.length).to.equal(0);
    expect(await link.remote.bytes()).to.deep.equal(new Uint8Array([1, 2, 3]));
  });

  it('A5: a call rejects at its limit of time; a reply that comes later is dropped', async () => {
    const call = link.within(5).wait();
    expect(await rejectionOf(call)).to.include({ code: 'ERR_CALL_TIMEOUT' });
    api.settle();
    expect(await link.remote.own()).to.equal('private');
  });

  it('A5: a reply that arrived while the thread was busy counts, however late it is', async () => {
    const { port1, port2 } = new MessageChannel();
    const impatient = connect<Api>(port1, { callTimeoutMs: 1 });
    const call = impatient.remote.own();
    // The peer serves the call before this thread's timer can fire, by reading the port itself.
    const peer = expose(api, port2);
    peer.drain();
    await Promise.resolve();
    const endMs = performance.now() + 5;
    while (performance.now() < endMs);
    expect(await call).to.equal('private');
    impatient.close();
  });

  it('A5: close() rejects calls in flight and later ones, on both sides', async () => {
    const call = link.remote.wait();
    link.close();
    expect(await rejectionOf(call)).to.include({ code: 'ERR_LINK_CLOSED' });
    expect(await rejectionOf(link.remote.own())).to.include({ code: 'ERR_LINK_CLOSED' });
    expect(link.closed).to.equal(true);
    await eventually(() => expect(served.closed).to.equal(true));
  });

  it('A5: the end of the other side rejects with the error that the owner supplies', async () => {
    const { port1, port2 } = new MessageChannel();
    const peerGone = async (): Promise<Error> => new RangeError('the shard has exited');
    const owned = connect<Api>(port1, { peerGone });
    const other = expose(api, port2);
    const call = owned.remote.wait();
    other.close();
    expect(await rejectionOf(call)).to.be.instanceOf(RangeError);
    expect(await rejectionOf(owned.remote.own())).to.equal(await rejectionOf(call));
  });

  it('A5: a reply that was posted before the close arrives', async () => {
    const { port1, port2 } = new MessageChannel();
    const caller = connect<{ leave(): string }>(port1);
    const leave = (): string => {
      setImmediate(() => other.close());
      return 'left';
    };
    const other = connect(port2, { serve: methodsOf({ leave }) });
    expect(await caller.remote.leave()).to.equal('left');
    await eventually(() => expect(caller.closed).to.equal(true));
  });

  it('refuses limits that make no sense', () => {
    for (const limit of [-1, NaN, Infinity, 2 ** 31]) {
      expect(thrownBy(() => link.within(limit))).to.include({ code: 'ERR_OUT_OF_RANGE' });
    }
  });

  it('keeps nothing alive while no call waits, and the thread while one does', async () => {
    const ports = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    const before = ports();
    const call = link.remote.echo(1);
    expect(ports()).to.equal(before + 1);
    await call;
    expect(ports()).to.equal(before);
  });

  it('1,000 links with calls that waited leave no port, no timer and no memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const round = async (count: number): Promise<void> => {
      for (let opened = 0; opened < count; opened++) {
        const { port1, port2 } = new MessageChannel();
        const peer = expose(api, port2);
        const caller = connect<Api>(port1);
        expect(await caller.remote.echo(opened)).to.equal(opened);
        const waiting = rejectionOf(caller.remote.wait());
        if (opened % 2 === 0) caller.close();
        else peer.close();
        expect(await waiting).to.include({ code: 'ERR_LINK_CLOSED' });
      }
      api.settle = () => {};
      await new Promise((resolve) => setImmediate(resolve));
      collect();
    };
    await round(200);
    const resources = process.getActiveResourcesInfo().length;
    const before = process.memoryUsage().heapUsed;
    await round(1000);
    await eventually(() => expect(process.getActiveResourcesInfo().length).to.equal(resources));
    await eventually(() => {
      collect();
      expect(process.memoryUsage().heapUsed - before).to.be.below(1000 * 500);
    });
  });
});
