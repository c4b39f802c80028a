/**
 * Goal: whatever the memory holds, the decoder ends with a value or with
 * ERR_CHANNEL_BROKEN, soon, and reads nothing outside.
 *
 * Method: frames of random values with flipped bits, cut off, or spliced
 * together, and bytes that are random from the start.
 */
import { expect } from 'chai';
import { MillraceError } from '../../../src/index.js';
import { Decoder } from '../../../src/channel/codec/decoder.js';
import { Memory } from '../../../src/channel/codec/memory.js';
import { Pair } from '../../support/codec.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { type Random, random } from '../../support/random.js';
import { RandomValues } from '../../support/random-value.js';
import { thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

/** Far more than any of these needs on a slow machine. */
const FRAME_MS_MAX = 2000;

function outcome(decoder: Decoder, bytes: Uint8Array): 'value' | 'broken' {
  // At the very end of its memory, so that the first byte outside is outside indeed.
  const memory = new Memory(new SharedArrayBuffer(bytes.length));
  memory.bytes.set(bytes);
  const start = performance.now();
  try {
    decoder.decode(memory, 0);
    expect(decoder.end).to.be.at.most(bytes.length);
    return 'value';
  } catch (error) {
    expect(error).to.be.instanceOf(MillraceError);
    expect((error as MillraceError).code).to.equal('ERR_CHANNEL_BROKEN');
    return 'broken';
  } finally {
    expect(performance.now() - start).to.be.below(FRAME_MS_MAX);
  }
}

describe('codec: bytes that no encoder wrote', function () {
  this.timeout(60_000);

  let numbers: Random;
  const below = (limit: number) => Math.floor(numbers.next() * limit);

  beforeEach(() => {
    numbers = random();
  });

  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.log(`TEST_SEED=${numbers.seed}`);
  });

  function frames(count: number): Uint8Array[] {
    const values = new RandomValues(numbers);
    const made: Uint8Array[] = [];
    while (made.length < count) {
      const frame = new Pair().frame([values.next(), { type: 'x', index: made.length }]);
      if (frame.length < 4096) made.push(frame);
    }
    return made;
  }

  it('C6: a frame that is cut off, at every length', () => {
    for (const frame of frames(60)) {
      for (let length = 0; length < Math.min(frame.length, 400); length++) {
        expect(outcome(new Decoder(), frame.subarray(0, length))).to.equal('broken');
      }
    }
  });

  it('C6: flipped bits and changed bytes', () => {
    const outcomes = { value: 0, broken: 0 };
    for (const frame of frames(300)) {
      for (let time = 0; time < 40; time++) {
        const changed = frame.slice();
        for (let change = below(3); change >= 0; change--) {
          const at = below(Math.min(changed.length, 64));
          changed[at] = below(2) === 0 ? (changed[at] ?? 0) ^ (1 << below(8)) : below(256);
        }
        outcomes[outcome(new Decoder(), changed)] += 1;
      }
    }
    expect(outcomes.value).to.be.above(0);
    expect(outcomes.broken).to.be.above(0);
  });

  it('C6: random bytes, above all those that mean something', () => {
    for (let time = 0; time < 20_000; time++) {
      const isTagged = below(2) === 0;
      const bytes = Uint8Array.from({ length: 1 + below(60) }, () =>
        isTagged && below(2) === 0 ? 0xc0 + below(0x24) : below(256),
      );
      outcome(new Decoder(), bytes);
    }
  });

  it('C6: a decoder goes on after a broken frame, and keeps nothing of it', () => {
    const pair = new Pair();
    const value = { type: 'x', index: 1 };
    for (let time = 0; time < 3; time++) pair.carry(value);
    for (const frame of frames(40)) outcome(pair.decoder, frame.subarray(0, below(frame.length)));
    expect(thrownBy(() => pair.decoder.decode(pair.memory, pair.memory.length + 5)).code).to.equal(
      'ERR_CHANNEL_BROKEN',
    );
    expect(pair.carry('whole')).to.equal('whole');
  });

  it('C6: a shape that nobody has defined is no text, whatever follows', () => {
    for (const mark of [[], [0xe0], [0xe1], [0xe2]]) {
      for (let tag = 0xa0; tag < 0xc0; tag++) {
        const frame = Uint8Array.from([...mark, tag, ...new Array<number>(100).fill(0x61)]);
        expect(outcome(new Decoder(), frame), frame.join()).to.equal('broken');
      }
    }
  });

  it('C6: counts and nesting that ask for more than there is', () => {
    const count = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    for (let tag = 0xc0; tag < 0xf0; tag++) {
      for (const mark of [[], [0xe0], [0xe1], [0xe2]]) {
        const frame = Uint8Array.from([...mark, tag, ...count]);
        if (tag > 0xc8) expect(outcome(new Decoder(), frame), frame.join()).to.equal('broken');
        outcome(new Decoder(), Uint8Array.from([...mark, tag, 2, ...count, ...count, 0xd9, 0]));
      }
      outcome(new Decoder(), new Uint8Array(200_000).fill(tag));
      outcome(
        new Decoder(),
        Uint8Array.from({ length: 200_000 }, (_, at) => (at % 2 === 0 ? tag : 1)),
      );
    }
  });
});
