/**
 * The decoder against one that sees the whole stream at once, and its promises
 * about memory, callbacks and errors.
 */
import { expect } from 'chai';
import { encodeFrame, LengthPrefixedDecoder } from '../../../src/net/index.js';
import { eventually } from '../../support/eventually.js';
import {
  cut,
  decodeAll,
  frameDecoder,
  framesOf,
  hex,
  randomFrames,
  randomOptions,
} from '../../support/framing.js';
import { collectGarbage } from '../../support/garbage.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { random } from '../../support/random.js';
import { thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

const NOTHING = new Uint8Array(0);
const KIB = 1024;

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function text(frame: Uint8Array): string {
  return Buffer.from(frame).toString();
}

/** A decoder, and what it has handed out. */
function recording(options?: ConstructorParameters<typeof LengthPrefixedDecoder>[0]) {
  const frames: string[] = [];
  const decoder = new LengthPrefixedDecoder(options, (frame) => frames.push(text(frame)));
  return { decoder, frames };
}

function concat(...texts: string[]): Uint8Array {
  return new Uint8Array(Buffer.concat(texts.map((payload) => encodeFrame(payload))));
}

describe('LengthPrefixedDecoder', () => {
  it('finds the frames of random streams, however they are cut', () => {
    const numbers = random();
    for (let round = 0; round < 3000; round++) {
      const options = randomOptions(numbers);
      const stream = randomFrames(numbers, options);
      const found = decodeAll(cut(stream, numbers), frameDecoder(options));
      expect(found, `seed ${numbers.seed}`).to.deep.equal(framesOf(stream, options));
    }
  });

  it('finds them cut in two at every byte, and one byte at a time', () => {
    const numbers = random();
    for (const headerBytes of [1, 2, 4] as const) {
      const options = { headerBytes, maxFrameBytes: 200, littleEndian: false };
      const stream = randomFrames(numbers, options);
      const expected = framesOf(stream, options);
      for (let at = 0; at <= stream.length; at++) {
        const halves = [stream.subarray(0, at), stream.subarray(at)];
        const found = decodeAll(halves, frameDecoder(options));
        expect(found, `seed ${numbers.seed}, at ${at}`).to.deep.equal(expected);
      }
      const single = Array.from(stream, (byte) => bytes(byte));
      expect(decodeAll(single, frameDecoder(options))).to.deep.equal(expected);
    }
  });

  it('the header is as wide as asked for, in either order', () => {
    const payload = Buffer.alloc(0x0102, 'x');
    const header = (options: object) =>
      hex(encodeFrame(payload, options).subarray(0, -payload.length));
    expect(header({})).to.equal('00000102');
    expect(header({ littleEndian: true })).to.equal('02010000');
    expect(header({ headerBytes: 2 })).to.equal('0102');
    expect(header({ headerBytes: 2, littleEndian: true })).to.equal('0201');
    expect(hex(encodeFrame('ä', { headerBytes: 1 }))).to.equal('02c3a4');
  });

  it('a frame that lies whole in a chunk is memory of that chunk', () => {
    const chunk = concat('first', 'second');
    const frames: Uint8Array[] = [];
    new LengthPrefixedDecoder({}, (frame) => frames.push(frame)).push(chunk);
    expect(frames.map((frame) => [frame.buffer === chunk.buffer, text(frame)])).to.deep.equal([
      [true, 'first'],
      [true, 'second'],
    ]);
    // slice() of a Buffer would copy nothing.
    expect(frames.map((frame) => Buffer.isBuffer(frame))).to.deep.equal([false, false]);
  });

  it('an empty frame is handed out with the last byte of its header', () => {
    const { decoder, frames } = recording();
    decoder.push(bytes(0, 0, 0));
    expect(frames).to.deep.equal([]);
    decoder.push(bytes(0));
    expect(frames).to.deep.equal(['']);
  });

  describe('memory', () => {
    it('a length that was announced takes none', () => {
      const { decoder } = recording({ maxFrameBytes: 2 ** 30 });
      const before = process.memoryUsage().arrayBuffers;
      decoder.push(bytes(0x40, 0, 0, 0));
      decoder.push(bytes(1));
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(64 * KIB);
      expect(decoder.bufferedBytes).to.equal(5);
    });

    it('keeps no more than a frame of the largest size, and its header', () => {
      const numbers = random();
      for (let round = 0; round < 200; round++) {
        const options = { headerBytes: 2, maxFrameBytes: 300, littleEndian: false } as const;
        const stream = randomFrames(numbers, options);
        decodeAll(cut(stream, numbers), frameDecoder(options), (decoder: LengthPrefixedDecoder) => {
          expect(decoder.bufferedBytes, `seed ${numbers.seed}`).to.be.below(300 + 2);
        });
      }
    });

    it('is given back when a large frame has been handed out', async () => {
      collectGarbage();
      const before = process.memoryUsage().arrayBuffers;
      const frame = encodeFrame(new Uint8Array(KIB * KIB));
      const decoders = Array.from({ length: 20 }, () => {
        const decoder = new LengthPrefixedDecoder({}, () => {});
        decoder.push(frame.subarray(0, -1));
        decoder.push(frame.subarray(-1));
        return decoder;
      });
      // The decoders live until here; memory is returned by a thread of V8, in its time.
      await eventually(() => {
        collectGarbage();
        expect(process.memoryUsage().arrayBuffers - before).to.be.below(2 * KIB * KIB);
      });
      expect(decoders.map((decoder) => decoder.bufferedBytes)).to.deep.equal(new Array(20).fill(0));
    });
  });

  describe('a frame that is too large', () => {
    const tooLarge = Buffer.concat([encodeFrame('before'), bytes(0, 0, 0, 11), concat('after')]);

    it('is refused when its header is there, with all before it handed out', () => {
      const { decoder, frames } = recording({ maxFrameBytes: 10 });
      const error = thrownBy(() => decoder.push(tooLarge));
      expect(error).to.include({ name: 'MillraceError', code: 'ERR_FRAME_TOO_LARGE' });
      expect(error.message).to.include('11 bytes').and.to.include('10');
      expect(frames).to.deep.equal(['before']);
    });

    it('may be as long as allowed', () => {
      const { decoder, frames } = recording({ maxFrameBytes: 6 });
      decoder.push(encodeFrame('before'));
      expect(frames).to.deep.equal(['before']);
    });

    it('fails the decoder until reset(), with the same error and no memory', () => {
      const { decoder, frames } = recording({ maxFrameBytes: 10 });
      const error = thrownBy(() => decoder.push(tooLarge));
      expect(decoder.bufferedBytes).to.equal(0);
      expect(thrownBy(() => decoder.push(encodeFrame('good')))).to.equal(error);
      expect(thrownBy(() => decoder.end())).to.equal(error);
      decoder.reset();
      decoder.push(encodeFrame('good'));
      expect(frames).to.deep.equal(['before', 'good']);
    });

    it('hostile lengths of 32 bits are not taken for negative ones', () => {
      for (const littleEndian of [false, true]) {
        const { decoder } = recording({ littleEndian });
        const error = thrownBy(() => decoder.push(bytes(0xff, 0xff, 0xff, 0xff)));
        expect(error.message).to.include('4294967295 bytes');
      }
    });

    it('is not encoded either', () => {
      const encode = (size: number, options: object) => () =>
        encodeFrame(new Uint8Array(size), options);
      expect(encode(255, { headerBytes: 1 })().length).to.equal(256);
      for (const action of [encode(256, { headerBytes: 1 }), encode(3, { maxFrameBytes: 2 })]) {
        expect(thrownBy(action)).to.include({ code: 'ERR_FRAME_TOO_LARGE' });
      }
    });
  });

  describe('end()', () => {
    it('says that the stream ended inside a frame, and is ready for another', () => {
      for (const size of [1, 4, 7]) {
        const { decoder, frames } = recording();
        decoder.push(encodeFrame('frame').subarray(0, size));
        const error = thrownBy(() => decoder.end());
        expect(error).to.include({ name: 'MillraceError', code: 'ERR_FRAME_INCOMPLETE' });
        decoder.end();
        decoder.push(encodeFrame('another'));
        expect(frames).to.deep.equal(['another']);
      }
    });

    it('hands out what was kept when the callback threw', () => {
      const frames: string[] = [];
      const decoder = new LengthPrefixedDecoder({}, (frame) => {
        frames.push(text(frame));
        if (frames.length === 1) throw new Error('first');
      });
      expect(thrownBy(() => decoder.push(concat('a', 'b'))).message).to.equal('first');
      decoder.end();
      expect(frames).to.deep.equal(['a', 'b']);
    });
  });

  describe('the callback', () => {
    it('may throw: push() throws that, and the next one goes on behind the frame', () => {
      const frames: string[] = [];
      const decoder = new LengthPrefixedDecoder({}, (frame) => {
        frames.push(text(frame));
        if (frames.length <= 2) throw new Error(`no ${frames.length}`);
      });
      const stream = concat('a', 'b', 'c', 'd');
      const lent = stream.slice(0, -2);
      expect(thrownBy(() => decoder.push(lent)).message).to.equal('no 1');
      lent.fill(0xff);
      expect(decoder.bufferedBytes).to.equal(lent.length - 5);
      expect(thrownBy(() => decoder.push(NOTHING)).message).to.equal('no 2');
      decoder.push(stream.subarray(-2));
      expect(frames).to.deep.equal(['a', 'b', 'c', 'd']);
      expect(decoder.bufferedBytes).to.equal(0);
    });

    it('may throw wherever the stream is cut: nothing is lost, nothing comes twice', () => {
      const stream = concat('one', '', 'three', 'four');
      for (let at = 0; at <= stream.length; at++) {
        const frames: string[] = [];
        const decoder = new LengthPrefixedDecoder({}, (frame) => {
          frames.push(text(frame));
          throw new Error('again');
        });
        for (const chunk of [stream.slice(0, at), stream.slice(at)]) {
          try {
            decoder.push(chunk);
          } catch {
            chunk.fill(0xff);
          }
        }
        while (decoder.bufferedBytes > 0) thrownBy(() => decoder.push(NOTHING));
        expect(frames, `cut at ${at}`).to.deep.equal(['one', '', 'three', 'four']);
      }
    });

    it('may not push() or end(), and what it was called for goes on', () => {
      const codes: unknown[] = [];
      const decoder: LengthPrefixedDecoder = new LengthPrefixedDecoder({}, () => {
        for (const action of [() => decoder.push(NOTHING), () => decoder.end()]) {
          codes.push(thrownBy(action).code);
        }
      });
      decoder.push(concat('a', 'b'));
      expect(codes).to.deep.equal(new Array(4).fill('ERR_DECODER_BUSY'));
      expect(decoder.bufferedBytes).to.equal(0);
    });

    it('may reset(): nothing more of the chunk comes, and the next one is a new stream', () => {
      const frames: string[] = [];
      const decoder: LengthPrefixedDecoder = new LengthPrefixedDecoder({}, (frame) => {
        frames.push(text(frame));
        if (frames.length === 1) decoder.reset();
      });
      decoder.push(concat('a', 'never'));
      decoder.push(concat('b', 'c'));
      expect(frames).to.deep.equal(['a', 'b', 'c']);
    });

    it('has a frame that was put together, also after reset()', () => {
      const decoder: LengthPrefixedDecoder = new LengthPrefixedDecoder({}, (frame) => {
        decoder.reset();
        expect(text(frame)).to.equal('together');
      });
      const frame = encodeFrame('together');
      decoder.push(frame.subarray(0, 6));
      decoder.push(frame.subarray(6));
    });
  });

  it('wrong arguments are refused with a code', () => {
    const take = () => {};
    const make =
      (options: unknown, onFrame: unknown = take) =>
      () =>
        new LengthPrefixedDecoder(options as object, onFrame as () => void);
    const encode = (payload: unknown, options?: unknown) => () =>
      encodeFrame(payload as string, options as object);
    const decoder = new LengthPrefixedDecoder({}, take);
    const actions: [() => unknown, string][] = [
      [make(null), 'ERR_INVALID_ARG_TYPE'],
      [make({}, null), 'ERR_INVALID_ARG_TYPE'],
      [make({ headerBytes: 3 }), 'ERR_OUT_OF_RANGE'],
      [make({ headerBytes: 8 }), 'ERR_OUT_OF_RANGE'],
      [make({ headerBytes: '4' }), 'ERR_INVALID_ARG_TYPE'],
      [make({ maxFrameBytes: -1 }), 'ERR_OUT_OF_RANGE'],
      [make({ maxFrameBytes: 2 ** 30 + 1 }), 'ERR_OUT_OF_RANGE'],
      [make({ maxFrameBytes: 256, headerBytes: 1 }), 'ERR_OUT_OF_RANGE'],
      [make({ littleEndian: 1 }), 'ERR_INVALID_ARG_TYPE'],
      [make({ maxFrameByte: 1 }), 'ERR_UNKNOWN_OPTION'],
      [encode(null), 'ERR_INVALID_ARG_TYPE'],
      [encode([1]), 'ERR_INVALID_ARG_TYPE'],
      [encode('a', { headerBytes: 0 }), 'ERR_OUT_OF_RANGE'],
      [() => decoder.push('text' as never), 'ERR_INVALID_ARG_TYPE'],
    ];
    expect(actions.map(([action]) => thrownBy(action).code)).to.deep.equal(
      actions.map(([, code]) => code),
    );
  });
});
