import { expect } from 'chai';
import { LINGER_BYTES_MAX, LINGER_MS } from '../../../src/limits.js';
import { Linger } from '../../../src/net/linger.js';
import { leavesNothingBehind } from '../../support/leaks.js';

leavesNothingBehind();

/** A stream on which this is read, in turn; the last of it again and again. */
function streamOf(...sizes: (number | null | Error)[]) {
  const calls: string[] = [];
  return {
    calls,
    shutdown: (how: string) => void calls.push(`shutdown ${how}`),
    read: () => {
      calls.push('read');
      const size = sizes.length > 1 ? sizes.shift()! : sizes[0];
      if (size instanceof Error) throw size;
      return size;
    },
  };
}

describe('Linger', () => {
  it('ends its half before it looks whether the peer has ended', () => {
    const stream = streamOf(0);
    expect(new Linger(stream, 0).begin(0)).to.equal(true);
    expect(stream.calls).to.deep.equal(['shutdown write', 'read']);
  });

  it('stays while there is nothing yet, or bytes; until the end', () => {
    const linger = new Linger(streamOf(null, 100, null, 0), 0);
    const answers = [linger.begin(0), linger.isOver(1), linger.isOver(2), linger.isOver(3)];
    expect(answers).to.deep.equal([false, false, false, true]);
  });

  it('is over when the peer has gone, be it for the one call or the other', () => {
    const reset = new Error('ECONNRESET');
    expect(new Linger(streamOf(reset), 0).begin(0)).to.equal(true);
    const shutdown = () => {
      throw new Error('ENOTCONN');
    };
    expect(new Linger({ ...streamOf(null), shutdown }, 0).begin(0)).to.equal(true);
  });

  it('is over after a while, whatever comes', () => {
    const linger = new Linger(streamOf(1), 1000);
    expect(linger.begin(1000)).to.equal(false);
    expect(linger.isOver(1000 + LINGER_MS - 1)).to.equal(false);
    expect(linger.isOver(1000 + LINGER_MS)).to.equal(true);
  });

  it('is over after so many bytes', () => {
    const linger = new Linger(streamOf(LINGER_BYTES_MAX / 2), 0);
    expect(linger.begin(0)).to.equal(false);
    expect(linger.isOver(0)).to.equal(true);
  });
});
