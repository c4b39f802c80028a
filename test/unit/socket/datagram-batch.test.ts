import { expect } from 'chai';
import { DatagramBatch } from '../../../src/socket/datagram-batch.js';
import type { DatagramIo } from '../../../src/poll/datagram-io.js';
import { bytes } from '../../support/sockets.js';
import { thrownBy } from '../../support/thrown.js';

const PEER = '127.0.0.1:4000';

describe('DatagramBatch', () => {
  it('has limits on both sides', () => {
    for (const [capacity, size] of [
      [1, 1],
      [1024, 1],
      [1, 65535],
    ]) {
      const batch = new DatagramBatch(capacity, size);
      expect(batch).to.include({ capacity, maxSizeBytes: size, count: 0 });
    }
    for (const [capacity, size] of [
      [0, 1],
      [1025, 1],
      [1, 0],
      [1, 65536],
      [1.5, 1],
    ]) {
      expect(thrownBy(() => new DatagramBatch(capacity, size))).instanceOf(RangeError);
    }
  });

  it('set() copies the bytes, keeps the address, and raises count', () => {
    const batch = new DatagramBatch(2, 4);
    const data = bytes('abcd');
    batch.set(0, data, PEER);
    data.fill(0);
    batch.set(1, bytes(''), { host: '::1', port: 5 });
    expect(batch.count).to.equal(2);
    expect(batch.data(0)).to.deep.equal(bytes('abcd'));
    expect(batch.data(1)).to.have.length(0);
    expect(batch.address(0)).to.deep.equal({ address: '127.0.0.1', family: 'IPv4', port: 4000 });
    expect(batch.address(1)).to.deep.equal({ address: '::1', family: 'IPv6', port: 5 });
    expect(batch.truncated(0)).to.equal(false);
    batch.set(0, bytes('x'), PEER);
    expect(batch.count).to.equal(2);
    expect(batch.data(0)).to.deep.equal(bytes('x'));
  });

  it('data() is the same object while the size is', () => {
    const batch = new DatagramBatch(1, 4);
    batch.set(0, bytes('ab'), PEER);
    const view = batch.data(0);
    batch.set(0, bytes('cd'), PEER);
    expect(batch.data(0)).to.equal(view);
    batch.set(0, bytes('e'), PEER);
    expect(batch.data(0)).not.to.equal(view);
  });

  it('refuses what does not fit, and gaps, and changes nothing then', () => {
    const batch = new DatagramBatch(2, 4);
    batch.set(0, bytes('ab'), PEER);
    for (const misuse of [
      () => batch.set(0, bytes('abcde'), PEER),
      () => batch.set(2, bytes('a'), PEER),
      () => batch.set(-1, bytes('a'), PEER),
      () => batch.set(0, bytes('xyz'), ':70000'),
      () => batch.data(1),
      () => batch.address(1),
      () => batch.truncated(-1),
    ]) {
      expect(thrownBy(misuse)).instanceOf(RangeError);
    }
    expect(thrownBy(() => batch.set(1, 'text' as never, PEER))).instanceOf(TypeError);
    expect(thrownBy(() => batch.set(1, bytes('a'), 'nowhere'))).instanceOf(TypeError);
    expect(batch.count).to.equal(1);
    expect(batch.data(0)).to.deep.equal(bytes('ab'));
    const message = thrownBy(() => new DatagramBatch(2, 4).data(0)).message;
    expect(message).to.include('the batch is empty');
  });

  it('count can be lowered, and raised to set() in any order', () => {
    const batch = new DatagramBatch(3, 4);
    batch.set(0, bytes('ab'), PEER);
    batch.count = 0;
    expect(thrownBy(() => batch.data(0))).instanceOf(RangeError);
    batch.count = 3;
    expect(batch.data(0)).to.have.length(0);
    expect(thrownBy(() => batch.address(0))).instanceOf(RangeError);
    batch.set(2, bytes('c'), PEER);
    expect(batch.count).to.equal(3);
    for (const count of [-1, 4, 0.5]) {
      expect(
        thrownBy(() => {
          batch.count = count;
        }),
      ).instanceOf(RangeError);
    }
  });

  it('belongs to the driver whose socket used it first', () => {
    const fake = () => ({ openBatch: () => ({}), recvMany: () => 0 }) as unknown as DatagramIo;
    const [first, second] = [fake(), fake()];
    const batch = new DatagramBatch(1, 1);
    expect(batch.receiveOn(first, 1)).to.equal(0);
    expect(thrownBy(() => batch.receiveOn(second, 1)).code).to.equal('ERR_DRIVER_MISMATCH');
  });
});
