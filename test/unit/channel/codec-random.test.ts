/**
 * Goal: whatever structuredClone can copy, the codec copies in the same way.
 *
 * Method: random values, cyclic ones and shared parts among them, through one
 * encoder and one decoder, which remember shapes and texts from value to value;
 * each result is compared with structuredClone's in all that a program can see.
 */
import { expect } from 'chai';
import { Encoder, OVERFLOW } from '../../../src/channel/codec/encoder.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { difference, Pair } from '../../support/codec.js';
import { random } from '../../support/random.js';
import { RandomValues } from '../../support/random-value.js';

leavesNothingBehind();

const VALUES = 4000;

describe('codec: random values', function () {
  this.timeout(60_000);

  it('C4: what arrives is what structuredClone would have made', () => {
    const numbers = random();
    const values = new RandomValues(numbers);
    const pair = new Pair();
    for (let round = 0; round < VALUES; round++) {
      const value = values.next();
      const where = `value ${round} of TEST_SEED=${numbers.seed}`;
      // A second time, because shapes and texts are remembered then.
      for (let time = 0; time < 3; time++) {
        expect(difference(structuredClone(value), pair.carry(value)), where).to.equal(null);
      }
    }
  });

  it('values too large for the limit leave nothing behind, at any limit', () => {
    const numbers = random();
    const values = new RandomValues(numbers);
    const pair = new Pair();
    const { memory } = pair;
    for (let round = 0; round < 300; round++) {
      const value = values.next();
      const where = `value ${round} of TEST_SEED=${numbers.seed}`;
      const end = new Encoder().encode(memory, 0, value);
      const limit = Math.floor(numbers.next() * end);
      memory.bytes.fill(0xee, limit, end);
      expect(new Encoder().encode(memory, 0, value, limit), where).to.equal(OVERFLOW);
      const beyond = memory.bytes.subarray(limit, end);
      expect(
        beyond.every((byte) => byte === 0xee),
        where,
      ).to.equal(true);
      // With what it remembers it may need less; whether it does fit is all one here.
      pair.encoder.encode(memory, 0, value, limit);
      expect(pair.encoder.encode(memory, 0, value, 0), where).to.equal(OVERFLOW);
      expect(difference(structuredClone(value), pair.carry(value)), where).to.equal(null);
    }
  });
});
