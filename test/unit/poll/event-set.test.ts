/** EventSet and ReadHint: every combination of flags, against the flags themselves. */
import { expect } from 'chai';
import { EventSet } from '../../../src/poll/event-set.js';
import { Interest } from '../../../src/poll/interest.js';
import { ReadHint } from '../../../src/poll/read-hint.js';
import { thrownBy } from '../../support/thrown.js';

const ALL_SETS = Array.from({ length: Interest.ALL + 1 }, (_, bits) => bits);

const NAMES: Record<string, number> = {
  Readable: Interest.READABLE,
  Writable: Interest.WRITABLE,
  Error: Interest.ERROR,
  Hup: Interest.HUP,
};

const has = (bits: number, flag: number) => (bits & flag) !== 0;

describe('EventSet', () => {
  it('tells each flag by itself, in every combination', () => {
    for (const bits of ALL_SETS) {
      const set = EventSet.of(bits);
      expect(set).to.include({
        bits,
        isReadable: has(bits, Interest.READABLE),
        isWritable: has(bits, Interest.WRITABLE),
        isError: has(bits, Interest.ERROR),
        isHup: has(bits, Interest.HUP),
      });
    }
  });

  it('contains what is a part of it, be it a set or flags', () => {
    for (const bits of ALL_SETS) {
      for (const other of ALL_SETS) {
        const isPart = (bits | other) === bits;
        expect(EventSet.of(bits).contains(other), `${bits} and ${other}`).to.equal(isPart);
        expect(EventSet.of(bits).contains(EventSet.of(other))).to.equal(isPart);
      }
    }
    expect(EventSet.of(Interest.ALL).contains(Interest.ALL + 1), 'unknown flags').to.equal(false);
    expect(thrownBy(() => EventSet.of(1).contains('1' as never)).code).to.equal(
      'ERR_INVALID_ARG_TYPE',
    );
  });

  it('reads as the names of its flags, and says when it is empty', () => {
    for (const bits of ALL_SETS) {
      const named = Object.entries(NAMES).filter(([, flag]) => has(bits, flag));
      const text = named.map(([name]) => name).join(' | ');
      expect(String(EventSet.of(bits))).to.equal(text === '' ? '(empty)' : text);
    }
  });

  it('is shared and cannot be changed', () => {
    const set = EventSet.of(Interest.READABLE);
    expect(EventSet.of(Interest.READABLE)).to.equal(set);
    expect(Object.isFrozen(set)).to.equal(true);
  });
});

describe('ReadHint', () => {
  it('tells data, hang-up and error by themselves, in every combination', () => {
    for (const bits of ALL_SETS) {
      expect(ReadHint.of(bits)).to.deep.include({
        isData: has(bits, Interest.READABLE),
        isHup: has(bits, Interest.HUP),
        isError: has(bits, Interest.ERROR),
      });
      expect(Object.isFrozen(ReadHint.of(bits))).to.equal(true);
    }
  });
});
