/** Outlet and inlet, both ends on one thread: places, refusals, those who wait, what is moved. */
import { createSecretKey } from 'node:crypto';
import diagnosticsChannel from 'node:diagnostics_channel';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { hasPlacesTaken } from '../../../src/channel/control.js';
import { Decoder } from '../../../src/channel/codec/decoder.js';
import { transfer } from '../../../src/channel/transfer.js';
import type { RefusedMessage } from '../../../src/loop/refusal.js';
import { eventually } from '../../support/eventually.js';
import { Bell, Drain, PRETENDED } from '../../support/lanes.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { rejectionOf, thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

describe('Outlet and inlet', () => {
  let drains: Drain[] = [];

  function open<M>(capacity: number): Drain<M> {
    const drain = new Drain<M>(capacity);
    drains.push(drain);
    return drain;
  }

  function words(drain: Drain<never>): Int32Array {
    return new Int32Array(drain.inlet.handle.control);
  }

  afterEach(() => {
    for (const drain of drains) drain.inlet.close();
    drains = [];
  });

  for (const capacity of [1, 2, 63, 64, 100, 4096]) {
    it(`C1: a capacity of ${capacity} holds ${capacity}`, () => {
      const drain = open<number>(capacity);
      const outlet = drain.outlet();
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < capacity; i++) expect(outlet.offer(i)).to.equal(true);
        expect(outlet.offer(-1)).to.equal(false);
        expect(drain.inlet.reserve()).to.equal(false);
        expect(drain.take()).to.have.length(capacity);
        drain.inlet.publishReleases();
      }
    });
  }

  it('C1: the own thread and others share the capacity', () => {
    const drain = open<number>(3);
    const outlet = drain.outlet();
    expect([drain.inlet.reserve(), outlet.offer(1), drain.inlet.reserve()]).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect([outlet.offer(2), drain.inlet.reserve()]).to.deep.equal([false, false]);
    drain.inlet.release();
    expect(outlet.offer(3)).to.equal(true);
  });

  it('C3: what is refused is counted and published', () => {
    const drain = open<string>(1);
    const outlet = drain.outlet();
    const seen: RefusedMessage[] = [];
    const note = (message: unknown) => seen.push(message as RefusedMessage);
    diagnosticsChannel.subscribe('millrace:refused', note);
    try {
      outlet.offer('a');
      outlet.offer('b');
      drain.inlet.close();
      outlet.offer('c');
    } finally {
      diagnosticsChannel.unsubscribe('millrace:refused', note);
    }
    expect(seen).to.deep.equal([
      { reason: 'full', capacity: 1, message: 'b' },
      { reason: 'closed', capacity: 1, message: 'c' },
    ]);
    expect(drain.inlet.refused).to.equal(2);
  });

  it('C4: what cannot be cloned is thrown at the sender, and takes no place', () => {
    const drain = open(1);
    const outlet = drain.outlet();
    for (const bad of [() => {}, { key: Symbol('s') }, new WeakMap()]) {
      expect(thrownBy(() => outlet.offer(bad)).name).to.equal('DataCloneError');
    }
    expect(
      thrownBy(() =>
        outlet.offer({
          get x() {
            throw new TypeError('mine');
          },
        }),
      ).message,
    ).to.equal('mine');
    expect(outlet.offer('fine')).to.equal(true);
    expect(drain.take()).to.deep.equal(['fine']);
  });

  it('C4: a place given back admits whoever waits for it', async () => {
    const drain = open(1);
    const [one, other] = [drain.outlet(), drain.outlet(new Bell(drain.bell.words, PRETENDED + 1))];
    let waiting: Promise<void> | undefined;
    const message = {
      get meanwhile() {
        waiting = other.offerAsync('waited');
        throw new TypeError('mine');
      },
    };
    expect(thrownBy(() => one.offer(message)).message).to.equal('mine');
    await waiting;
    expect(drain.take()).to.deep.equal(['waited']);
  });

  it('C4: what bytes cannot carry comes along, in order', () => {
    const drain = open(100);
    const outlet = drain.outlet();
    const sent: unknown[] = [];
    for (let i = 0; i < 10; i++) {
      const shared = new SharedArrayBuffer(8);
      new Int32Array(shared)[0] = i;
      const message = [i, { shared }, createSecretKey(Buffer.from(`key ${i}`))];
      sent.push(message);
      outlet.offer(message);
      outlet.offer({ between: i });
      // Before the lane is adopted, and after that.
      if (i !== 4) continue;
      check(drain.take(), 0);
    }
    check(drain.take(), 5);

    function check(got: unknown[], from: number): void {
      expect(got).to.have.length(10);
      for (let i = 0; i < 5; i++) {
        const [index, { shared }, key] = got[2 * i] as [
          number,
          { shared: SharedArrayBuffer },
          { export(): Buffer },
        ];
        expect(index).to.equal(from + i);
        expect(new Int32Array(shared)[0]).to.equal(index);
        expect(String(key.export())).to.equal(`key ${index}`);
        expect(got[2 * i + 1]).to.deep.equal({ between: index });
      }
    }
  });

  it('C4: what waits on the side channel outlasts a turn of Node', async () => {
    const drain = open<{ shared: SharedArrayBuffer }>(10);
    const outlet = drain.outlet();
    outlet.offer({ shared: new SharedArrayBuffer(3) });
    await turnsOfNode();
    expect(drain.take()[0].shared.byteLength).to.equal(3);
    outlet.offer({ shared: new SharedArrayBuffer(4) });
    await turnsOfNode();
    expect(drain.take()[0].shared.byteLength).to.equal(4);
  });

  it('transfer() moves an ArrayBuffer, once the message is taken', () => {
    const drain = open<{ bytes: Uint8Array<ArrayBuffer> }>(1);
    const outlet = drain.outlet();
    const message = { bytes: new Uint8Array([1, 2, 3]) };
    outlet.offer({ bytes: new Uint8Array(0) });
    expect(outlet.offer(transfer(message, [message.bytes.buffer]))).to.equal(false);
    expect(message.bytes.length).to.equal(3);
    drain.take();
    expect(outlet.offer(message)).to.equal(true);
    expect(message.bytes.length).to.equal(0);
    expect([...drain.take()[0].bytes]).to.deep.equal([1, 2, 3]);
  });

  it('transfer() moves what the message does not contain, as postMessage() does', () => {
    const drain = open(2);
    const buffer = new ArrayBuffer(8);
    drain.outlet().offer(transfer({ nothing: 0 }, [buffer]));
    expect(buffer.byteLength).to.equal(0);
    expect(drain.take()).to.deep.equal([{ nothing: 0 }]);
  });

  it('transfer() moves beside what bytes cannot carry', () => {
    const drain = open<{ key: { export(): Buffer }; bytes: Uint8Array<ArrayBuffer> }>(2);
    const outlet = drain.outlet();
    for (const text of ['before the lane is adopted', 'after it']) {
      const message = { key: createSecretKey(Buffer.from(text)), bytes: new Uint8Array([7]) };
      outlet.offer(transfer(message, [message.bytes.buffer]));
      const [got] = drain.take();
      expect([String(got.key.export()), ...got.bytes]).to.deep.equal([text, 7]);
      expect(message.bytes.length).to.equal(0);
    }
  });

  it('transfer() of what cannot be moved is a DataCloneError', () => {
    const drain = open(1);
    const outlet = drain.outlet();
    for (const immovable of [{}, new Uint8Array(1), new SharedArrayBuffer(1)]) {
      const error = thrownBy(() => outlet.offer(transfer({ immovable }, [immovable])));
      expect(error.name).to.equal('DataCloneError');
    }
    expect(outlet.offer('fine')).to.equal(true);
  });

  it('transfer() of a MessagePort is refused by name, and moves nothing', () => {
    const drain = open(1);
    const outlet = drain.outlet();
    const { port1, port2 } = new MessageChannel();
    const buffer = new ArrayBuffer(8);
    const error = thrownBy(() => outlet.offer(transfer({ port1, buffer }, [port1, buffer])));
    expect(error.name).to.equal('DataCloneError');
    expect(error.message).to.include('MessagePort');
    expect(buffer.byteLength).to.equal(8);
    expect(outlet.offer('fine')).to.equal(true);
    port1.close();
    port2.close();
  });

  it('waiting senders are served in turn, and no send() overtakes them', async () => {
    const drain = open<string>(1);
    const outlet = drain.outlet();
    await outlet.offerAsync('a');
    const waiting = [outlet.offerAsync('b'), outlet.offerAsync('c')];
    expect(drain.take()).to.deep.equal(['a']);
    expect(outlet.offer('d')).to.equal(false);
    const got: string[] = [];
    await eventually(() => {
      got.push(...drain.take());
      expect(got).to.deep.equal(['b', 'c']);
    });
    await Promise.all(waiting);
    expect(outlet.offer('e')).to.equal(true);
  });

  it('a wait can be aborted', async () => {
    const drain = open<string>(1);
    const outlet = drain.outlet();
    outlet.offer('a');
    const stop = new AbortController();
    const waiting = rejectionOf(outlet.offerAsync('b', stop.signal));
    stop.abort(new Error('no more'));
    expect((await waiting).message).to.equal('no more');
    const next = outlet.offerAsync('c');
    expect(drain.take()).to.deep.equal(['a']);
    await next;
    expect(drain.take()).to.deep.equal(['c']);
  });

  it('A5: keeps the thread alive while somebody waits, each time, and no longer', async () => {
    const drain = open<string>(1);
    const outlet = drain.outlet();
    const timers = () =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    outlet.offer('a');
    // The runner has a timer of its own once the test is under way.
    await turnsOfNode();
    const before = timers();
    const stop = new AbortController();
    const aborted = rejectionOf(outlet.offerAsync('b', stop.signal));
    expect(timers()).to.equal(before + 1);
    stop.abort(new Error('no more'));
    await aborted;
    expect(timers()).to.equal(before);
    for (let round = 0; round < 2; round++) {
      const waiting = [outlet.offerAsync('c'), outlet.offerAsync('d')];
      expect(timers()).to.equal(before + 1);
      drain.take();
      await waiting[0];
      expect(timers()).to.equal(before + 1);
      drain.take();
      await waiting[1];
      await eventually(() => {
        expect(timers()).to.equal(before);
      });
    }
    const rejected = rejectionOf(outlet.offerAsync('e'));
    drain.inlet.close();
    await rejected;
    await eventually(() => {
      expect(timers()).to.equal(before);
    });
  });

  it('one who waits with what cannot be cloned is rejected, and the next is served', async () => {
    const drain = open(1);
    const outlet = drain.outlet();
    outlet.offer('a');
    const bad = rejectionOf(outlet.offerAsync(() => {}));
    const good = outlet.offerAsync('b');
    drain.take();
    expect((await bad).name).to.equal('DataCloneError');
    await good;
    expect(drain.take()).to.deep.equal(['b']);
  });

  it('C2: close() returns what was sent, and rejects those who wait', async () => {
    const drain = open<number>(2);
    const outlet = drain.outlet();
    outlet.offer(1);
    outlet.offer(2);
    const waiting = rejectionOf(outlet.offerAsync(3));
    expect(drain.inlet.close()).to.deep.equal([1, 2]);
    expect((await waiting).code).to.equal('ERR_CHANNEL_CLOSED');
    expect(outlet.closed).to.equal(true);
    expect(outlet.offer(4)).to.equal(false);
    expect((await rejectionOf(outlet.offerAsync(5))).code).to.equal('ERR_CHANNEL_CLOSED');
  });

  it('C2: a message on its way when the loop closes is returned, or was not taken', () => {
    const drain = open<unknown>(10);
    const outlet = drain.outlet();
    outlet.offer('before');
    let left: unknown[] = [];
    const taken = outlet.offer({
      get meanwhile() {
        left = drain.inlet.close();
        return 1;
      },
    });
    expect(left).to.deep.equal(['before']);
    expect(taken).to.equal(false);
  });

  it('a receiver that died without closing its loop is found closed', async () => {
    const drain = new Drain<number>(1, new Bell(undefined, PRETENDED));
    drains.push(drain);
    const outlet = drain.outlet(new Bell(drain.bell.words, PRETENDED + 1));
    outlet.offer(1);
    const waiting = rejectionOf(outlet.offerAsync(2));
    drain.bell.end(PRETENDED);
    expect((await waiting).code).to.equal('ERR_CHANNEL_CLOSED');
    expect(outlet.closed).to.equal(true);
  });

  it('and so it is by those who do not wait, with the first message that is refused', () => {
    const drain = new Drain<number>(1, new Bell(undefined, PRETENDED));
    drains.push(drain);
    const outlet = drain.outlet(new Bell(drain.bell.words, PRETENDED + 1));
    outlet.offer(1);
    expect(outlet.offer(2)).to.equal(false);
    expect(outlet.closed).to.equal(false);
    drain.bell.end(PRETENDED);
    const late = drain.outlet(new Bell(drain.bell.words, PRETENDED + 1));
    expect([late.offer(3), late.closed]).to.deep.equal([false, true]);
  });

  it('C5: a message wakes the loop if it sleeps, once, and not otherwise', () => {
    const drain = open<number>(10);
    const outlet = drain.outlet();
    const { rung } = drain.bell;
    expect(drain.inlet.fallAsleep()).to.equal(true);
    outlet.offer(1);
    expect(drain.bell.rung, 'by the first message of a lane').to.equal(rung + 1);
    outlet.offer(2);
    expect(drain.bell.rung, 'while the loop wakes up').to.equal(rung + 1);
    expect(drain.inlet.fallAsleep(), 'with messages waiting').to.equal(false);
    expect(drain.take()).to.deep.equal([1, 2]);
    outlet.offer(3);
    expect(drain.bell.rung, 'awake').to.equal(rung + 1);
    expect(drain.inlet.fallAsleep(), 'with messages waiting').to.equal(false);
    drain.outlet().offer(30);
    expect(drain.bell.rung, 'awake still, by a lane that is new').to.equal(rung + 1);
    drain.take();
    expect(drain.inlet.fallAsleep()).to.equal(true);
    drain.inlet.wakeUp();
    outlet.offer(4);
    expect(drain.bell.rung, 'awake by itself').to.equal(rung + 1);
    drain.take();
    expect(drain.inlet.fallAsleep()).to.equal(true);
    outlet.offer(5);
    expect(drain.bell.rung, 'asleep again').to.equal(rung + 2);
  });

  it('C6: a place that a dead thread took is free again', () => {
    const drain = open<number>(1);
    const dying = new Bell(drain.bell.words, PRETENDED + 1);
    const outlet = drain.outlet(dying);
    outlet.offer(0);
    expect(drain.take()).to.deep.equal([0]);
    drain.inlet.publishReleases();
    // As when the thread ends between taking a place and publishing.
    const message = {
      get deadly() {
        drain.bell.end(PRETENDED + 1);
        expect(drain.outlet().offer(1), 'while the place is taken').to.equal(false);
        drain.inlet.intake(() => {});
        drain.inlet.fallAsleep();
        drain.inlet.wakeUp();
        drain.inlet.fallAsleep();
        drain.inlet.wakeUp();
        expect(hasPlacesTaken(words(drain as Drain<never>))).to.equal(false);
        expect(drain.outlet().offer(2)).to.equal(true);
        throw new Error('the end');
      },
    };
    expect(thrownBy(() => outlet.offer(message as never)).message).to.equal('the end');
    expect(drain.take()).to.deep.equal([2]);
    drain.inlet.publishReleases();
  });

  it('C6: and is so when another thread begins to send; once, however often that happens', () => {
    const drain = open<number>(3);
    const outlet = drain.outlet(new Bell(drain.bell.words, PRETENDED + 1));
    outlet.offer(0);
    drain.take();
    drain.inlet.publishReleases();
    const message = {
      get deadly() {
        drain.bell.end(PRETENDED + 1);
        for (let thread = 0; thread < 3; thread++) {
          expect(drain.outlet().offer(thread)).to.equal(true);
          expect(drain.take()).to.deep.equal([thread]);
          drain.inlet.publishReleases();
          expect(hasPlacesTaken(words(drain as Drain<never>))).to.equal(false);
        }
        const last = drain.outlet();
        expect([1, 2, 3, 4].map((each) => last.offer(each))).to.deep.equal([
          true,
          true,
          true,
          false,
        ]);
        throw new Error('the end');
      },
    };
    expect(thrownBy(() => outlet.offer(message as never)).message).to.equal('the end');
  });

  it('C6: after a lane broke its sender begins another', () => {
    const drain = open<string>(4);
    const outlet = drain.outlet();
    outlet.offer('a');
    let lost = 0;
    drain.inlet.intake((lane) => {
      outlet.offer('b');
      breakNextFrame();
      lost += 1;
      drain.inlet.release();
      expect(thrownBy(() => lane.take()).code).to.equal('ERR_CHANNEL_BROKEN');
    });
    expect(lost).to.equal(1);
    expect(drain.take()).to.deep.equal([]);
    expect(outlet.offer('c')).to.equal(true);
    expect(drain.take()).to.deep.equal(['c']);
    drain.inlet.publishReleases();
    expect(hasPlacesTaken(words(drain as Drain<never>))).to.equal(false);
    // However often it is looked for, it is dropped once.
    for (let look = 0; look < 3; look++) drain.take();
    const offered = ['d', 'e', 'f', 'g', 'h'].map((message) => outlet.offer(message));
    expect(offered).to.deep.equal([true, true, true, true, false]);
  });
});

/** Enough for Node to hand over what its ports have received. */
async function turnsOfNode(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** The next frame cannot be read: an error in the decoder's place. */
function breakNextFrame(): void {
  const { decode } = Decoder.prototype;
  Decoder.prototype.decode = () => {
    Decoder.prototype.decode = decode;
    throw new RangeError('as if the bytes were none');
  };
}
