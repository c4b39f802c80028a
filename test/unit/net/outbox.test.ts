/** What is offered to the kernel, when, and what becomes of the rest: rule N3. */
import { expect } from 'chai';
import type { Connection } from '../../../src/net/connection.js';
import type { NetStream } from '../../../src/net/endpoint.js';
import type { Group } from '../../../src/net/group.js';
import { Outbox } from '../../../src/net/outbox.js';
import { WriteQueue } from '../../../src/net/write-queue.js';

const HIGH = 100;
const LOW = 40;
const RESET = Object.assign(new Error('reset'), { code: 'ECONNRESET' });

describe('Outbox', () => {
  /** How much the kernel takes of each call; all of it when there is no more here. */
  let room: (number | null | Error)[];
  /** Sizes of what the kernel was offered. */
  let offered: number[];
  let taken: number[];
  let touches: number;
  let listens: number;
  let ended: unknown[];
  let canDefer: boolean;
  let deferred: Outbox[];
  let autoPause: boolean;
  let highWaterMarkBytes: number;
  let lowWaterMarkBytes: number;
  let dispatchCount: number;
  let outbox: Outbox;

  function open(queue: WriteQueue | null = null): Outbox {
    const write = (data: Uint8Array): number | null => {
      offered.push(data.length);
      const limit = room.length > 0 ? room.shift()! : Infinity;
      if (limit instanceof Error) throw limit;
      if (limit === null) return null;
      const part = data.subarray(0, limit);
      taken.push(...part);
      return part.length;
    };
    const writev = (buffers: Uint8Array[]) => write(Buffer.concat(buffers));
    const connection = {
      touch: () => void (touches += 1),
      listen: () => void (listens += 1),
      end: (...args: unknown[]) => void ended.push(args),
    };
    const group = {
      counts: [],
      get settings() {
        return { highWaterMarkBytes, lowWaterMarkBytes, autoPause };
      },
      get dispatchCount() {
        return dispatchCount;
      },
      deferWrite: (who: Outbox) => {
        if (canDefer) deferred.push(who);
        return canDefer;
      },
    };
    return new Outbox(connection as unknown as Connection, {
      group: group as unknown as Group,
      stream: { write, writev } as unknown as NetStream,
      queue,
    });
  }

  beforeEach(() => {
    [room, offered, taken, ended, deferred] = [[], [], [], [], []];
    [touches, listens, dispatchCount] = [0, 0, 1];
    [canDefer, autoPause] = [false, true];
    [highWaterMarkBytes, lowWaterMarkBytes] = [HIGH, LOW];
    outbox = open();
  });

  const bytes = (length: number, from = 0) =>
    Uint8Array.from({ length }, (_, index) => from + index);
  const send = (length: number, from = 0) => outbox.send(bytes(length, from), false);

  it('tries the kernel first, and queues what it does not take', () => {
    room = [5];
    expect([send(5), outbox.queuedBytes, outbox.isWaiting]).to.deep.equal([true, 0, false]);
    expect([touches, listens]).to.deep.equal([1, 0]);
    room = [3, 0];
    expect([send(10), outbox.queuedBytes, outbox.isWaiting]).to.deep.equal([true, 7, true]);
    expect([outbox.bytesWritten, touches, listens]).to.deep.equal([8, 2, 1]);
    room = [null];
    outbox = open();
    expect([send(10), outbox.queuedBytes]).to.deep.equal([true, 10]);
    expect(touches).to.equal(2);
  });

  it('N1: nothing passes what is queued, whatever the kernel would take', () => {
    room = [2];
    send(4);
    send(4, 4);
    expect(offered).to.deep.equal([4]);
    room = [5];
    outbox.flush();
    expect(taken).to.deep.equal([0, 1, 2, 3, 4, 5, 6]);
    outbox.flush();
    expect(taken).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('N3: takes a message whole at the mark, and none above it', () => {
    room = [null];
    expect([send(HIGH), send(HIGH), send(1)]).to.deep.equal([true, true, false]);
    expect(outbox.queuedBytes).to.equal(2 * HIGH);
    expect(outbox.sendShared(bytes(1), () => expect.fail('is not asked for'))).to.equal(false);
    expect(ended).to.deep.equal([]);
  });

  it('N3: is to drain from the low mark on, and has drained once below it', () => {
    for (const [queued, left, drained] of [
      [LOW - 1, 0, false],
      [LOW, LOW, false],
      [LOW, LOW - 1, true],
      [HIGH, 0, true],
    ] as const) {
      outbox = open();
      room = [null];
      send(queued);
      room = [queued - left, null];
      expect(outbox.flush(), `${queued} to ${left}`).to.equal(drained);
      room = [];
      expect(outbox.flush(), `the rest of ${queued}`).to.equal(!drained && queued >= LOW);
      expect(outbox.queuedBytes).to.equal(0);
    }
  });

  it('N3: with a low mark of 0 it has drained when nothing is left', () => {
    lowWaterMarkBytes = 0;
    room = [null];
    send(10);
    room = [9];
    expect(outbox.flush()).to.equal(false);
    expect(outbox.flush()).to.equal(true);
  });

  for (const isOn of [true, false]) {
    it(`N3: with autoPause: ${isOn} is ${isOn ? '' : 'not '}overfull above the mark`, () => {
      autoPause = isOn;
      room = [null];
      send(HIGH);
      expect(outbox.isOverfull).to.equal(false);
      send(1);
      expect(outbox.isOverfull).to.equal(isOn);
      room = [HIGH + 1 - LOW, null];
      outbox.flush();
      expect(outbox.isOverfull).to.equal(isOn);
      room = [1, null];
      expect(outbox.flush()).to.equal(true);
      expect(outbox.isOverfull).to.equal(false);
    });
  }

  it('of several small ones in a callback all but the first wait for each other', () => {
    canDefer = true;
    for (let count = 0; count < 4; count++) send(5, count * 5);
    expect([offered, outbox.queuedBytes, outbox.isWaiting]).to.deep.equal([[5], 15, false]);
    expect([deferred, listens]).to.deep.equal([[outbox], 0]);
    outbox.writeDeferred();
    expect([offered, outbox.queuedBytes]).to.deep.equal([[5, 15], 0]);
    expect(taken).to.deep.equal([...bytes(20)]);
    outbox.writeDeferred();
    expect(offered).to.have.length(2);
    // In another callback the first is offered at once again.
    dispatchCount += 1;
    send(5);
    expect(offered).to.deep.equal([5, 15, 5]);
  });

  it('offers nothing at the end of the phase that does not wait for it', () => {
    outbox.writeDeferred();
    room = [null];
    send(5);
    outbox.writeDeferred();
    expect([offered, ended]).to.deep.equal([[5], []]);
  });

  it('does not wait with a large one, nor outside of callbacks, but where more is certain', () => {
    highWaterMarkBytes = 10_000;
    canDefer = true;
    send(5);
    send(2049);
    expect(offered).to.deep.equal([5, 2049]);
    send(2048);
    expect(outbox.queuedBytes).to.equal(2048);
    outbox.writeDeferred();
    canDefer = false;
    send(5);
    expect(offered).to.deep.equal([5, 2049, 2048, 5]);
    canDefer = true;
    dispatchCount += 1;
    outbox.send(bytes(5), true);
    expect([offered.length, outbox.queuedBytes]).to.deep.equal([4, 5]);
  });

  it('N3: what waits above the high mark is offered at once', () => {
    canDefer = true;
    outbox.send(bytes(HIGH), true);
    expect([offered, outbox.queuedBytes]).to.deep.equal([[], HIGH]);
    outbox.send(bytes(1), true);
    expect([offered, outbox.queuedBytes]).to.deep.equal([[HIGH + 1], 0]);
  });

  it('what the kernel leaves of it waits for the kernel, and counts for the marks', () => {
    canDefer = true;
    outbox.send(bytes(LOW + 10), true);
    room = [5];
    outbox.writeDeferred();
    expect([outbox.isWaiting, outbox.queuedBytes, listens]).to.deep.equal([true, LOW + 5, 1]);
    expect(outbox.flush()).to.equal(true);
  });

  it('a broadcast waits for the end of the phase, and copies only what is left', () => {
    canDefer = true;
    let copies = 0;
    const shared = () => {
      copies += 1;
      return bytes(8);
    };
    expect(outbox.sendShared(bytes(8), shared)).to.equal(true);
    expect([offered, copies, outbox.queuedBytes]).to.deep.equal([[], 1, 8]);
    canDefer = false;
    outbox = open();
    expect(outbox.sendShared(bytes(8), shared)).to.equal(true);
    expect(copies).to.equal(1);
    room = [3];
    outbox.sendShared(bytes(8), shared);
    expect([copies, outbox.queuedBytes, listens]).to.deep.equal([2, 5, 1]);
    taken = [];
    outbox.flush();
    expect(taken).to.deep.equal([3, 4, 5, 6, 7]);
    room = [null];
    outbox.sendShared(bytes(HIGH + 1), () => bytes(HIGH + 1));
    expect(outbox.isOverfull).to.equal(true);
  });

  it('nothing to send is nothing to write', () => {
    canDefer = true;
    expect([outbox.send(bytes(0), true), send(0)]).to.deep.equal([true, true]);
    expect([offered, deferred, outbox.queuedBytes]).to.deep.equal([[], [], 0]);
  });

  it('what was queued from the start is listened for, and marked', () => {
    const queue = new WriteQueue();
    queue.push(bytes(HIGH + 1), 0);
    outbox = open(queue);
    outbox.open();
    expect([outbox.isWaiting, outbox.isOverfull, listens]).to.deep.equal([true, true, 1]);
    expect(outbox.flush()).to.equal(true);
    open(new WriteQueue()).open();
    expect(listens).to.equal(1);
  });

  it('a write that fails ends the connection, and the message is not taken', () => {
    room = [RESET];
    expect(send(5)).to.equal(false);
    expect(ended).to.deep.equal([['error', RESET]]);
    room = [null];
    outbox = open();
    send(5);
    room = [RESET];
    expect(outbox.flush()).to.equal(false);
    expect(ended).to.have.length(2);
    outbox = open();
    canDefer = true;
    outbox.send(bytes(5), true);
    room = [RESET];
    outbox.writeDeferred();
    expect(ended).to.have.length(3);
  });

  it('close() gives up what is queued, and what was to be written later', () => {
    canDefer = true;
    outbox.send(bytes(5), true);
    outbox.close();
    outbox.writeDeferred();
    expect([offered, outbox.queuedBytes, outbox.isWaiting]).to.deep.equal([[], 0, false]);
    expect(ended).to.deep.equal([]);
  });
});
