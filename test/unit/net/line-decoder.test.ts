/** Lines against a decoder that sees the whole stream at once; limits, ends and characters. */
import { expect } from 'chai';
import { encodeLine, LineDecoder, type LineDecoderOptions } from '../../../src/net/index.js';
import { cut, decodeAll, lineDecoder, linesOf, randomLines } from '../../support/framing.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { random } from '../../support/random.js';
import { thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

function recording(options?: LineDecoderOptions) {
  const lines: string[] = [];
  return { decoder: new LineDecoder(options, (line) => lines.push(line)), lines };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe('LineDecoder', () => {
  it('finds the lines of random streams, however they are cut', () => {
    const numbers = random();
    for (let round = 0; round < 5000; round++) {
      const stream = randomLines(numbers);
      const max = [0, 1, 5, 20, 1000][round % 5];
      const onStep = (decoder: LineDecoder) => {
        expect(decoder.bufferedBytes, `seed ${numbers.seed}`).to.be.at.most(max + 1);
      };
      const found = decodeAll(cut(stream, numbers), lineDecoder(max), onStep);
      expect(found, `seed ${numbers.seed}`).to.deep.equal(linesOf(stream, max));
    }
  });

  it('finds them cut in two at every byte, and one byte at a time', () => {
    const stream = bytes('eins\r\n\r\n€ und 𝄞\n\rzwei\r\rdrei\r\nvier\r');
    const expected = ['eins', '', '€ und 𝄞', '\rzwei\r\rdrei', 'vier'];
    for (let at = 0; at <= stream.length; at++) {
      const halves = [stream.subarray(0, at), stream.subarray(at)];
      const found = decodeAll(halves, lineDecoder(20));
      expect(found, `at ${at}`).to.deep.equal({ frames: expected, error: null });
    }
    const single = Array.from(stream, (byte) => Uint8Array.of(byte));
    expect(decodeAll(single, lineDecoder(20)).frames).to.deep.equal(expected);
  });

  it('maxLineBytes counts bytes, without the end of the line', () => {
    for (const end of ['\n', '\r\n']) {
      const { decoder, lines } = recording({ maxLineBytes: 3 });
      decoder.push(bytes(`abc${end}€${end}`));
      for (const part of ['x', 'yz', ...end]) decoder.push(bytes(part));
      expect(lines).to.deep.equal(['abc', '€', 'xyz']);
      const error = thrownBy(() => decoder.push(bytes(`a€${end}`)));
      expect(error).to.include({ name: 'MillraceError', code: 'ERR_FRAME_TOO_LARGE' });
    }
  });

  it('a line that is too long is refused before it ends, and fails the decoder', () => {
    const { decoder, lines } = recording({ maxLineBytes: 3 });
    decoder.push(bytes('ok\nabc'));
    const error = thrownBy(() => decoder.push(bytes('d')));
    expect(error.message).to.include('maxLineBytes (3)');
    expect(decoder.bufferedBytes).to.equal(0);
    expect(thrownBy(() => decoder.push(bytes('\nfine\n')))).to.equal(error);
    decoder.reset();
    decoder.push(bytes('new\n'));
    expect(lines).to.deep.equal(['ok', 'new']);
  });

  it('a CR that might be half of an end may make it longer, and nothing else', () => {
    const { decoder } = recording({ maxLineBytes: 1 });
    decoder.push(bytes('a'));
    decoder.push(bytes('\r'));
    expect(thrownBy(() => decoder.push(bytes('\r'))).code).to.equal('ERR_FRAME_TOO_LARGE');
  });

  it('end() hands out what stands behind the last end, if there is something', () => {
    const { decoder, lines } = recording();
    decoder.push(bytes('a\nb'));
    decoder.end();
    decoder.push(bytes('c\n'));
    decoder.end();
    decoder.end();
    expect(lines).to.deep.equal(['a', 'b', 'c']);
  });

  it('encodings: characters of one byte, bytes, and what is no UTF-8', () => {
    const stream = Uint8Array.of(0xe9, 0xff, 0x0a);
    const texts: string[] = [];
    new LineDecoder({ encoding: 'latin1' }, (line) => texts.push(line)).push(stream);
    new LineDecoder({}, (line) => texts.push(line)).push(stream);
    expect(texts).to.deep.equal(['éÿ', '\uFFFD\uFFFD']);
    const views: Uint8Array[] = [];
    new LineDecoder({ encoding: 'bytes' }, (line) => views.push(line)).push(Buffer.from(stream));
    expect(views.map((view) => [Buffer.isBuffer(view), ...view])).to.deep.equal([
      [false, 0xe9, 0xff],
    ]);
  });

  it('a byte order mark is a character as any other', () => {
    const { decoder, lines } = recording();
    decoder.push(bytes('\uFEFFa\n'));
    expect(lines).to.deep.equal(['\uFEFFa']);
  });

  it('the callback may throw or reset(), and may not push()', () => {
    const lines: string[] = [];
    const decoder: LineDecoder = new LineDecoder({}, (line) => {
      lines.push(line);
      if (line === 'throw') throw new Error('thrown');
      if (line === 'reset') decoder.reset();
      if (line === 'push') decoder.push(bytes('nested\n'));
    });
    expect(thrownBy(() => decoder.push(bytes('throw\nkept\n'))).message).to.equal('thrown');
    decoder.push(bytes('reset\nnever\n'));
    expect(thrownBy(() => decoder.push(bytes('push\nlast\n'))).code).to.equal('ERR_DECODER_BUSY');
    decoder.end();
    expect(lines).to.deep.equal(['throw', 'kept', 'reset', 'push', 'last']);
  });

  it('encodeLine() makes one line, whatever it is given', () => {
    expect(Buffer.from(encodeLine('ä')).toString('hex')).to.equal('c3a40a');
    for (const text of ['a\nb', 'a\r', '\n']) {
      expect(thrownBy(() => encodeLine(text)).code).to.equal('ERR_INVALID_ARG_VALUE');
    }
    expect(thrownBy(() => encodeLine(null as never)).code).to.equal('ERR_INVALID_ARG_TYPE');
  });

  it('wrong arguments are refused with a code', () => {
    const make =
      (options: unknown, onLine: unknown = () => {}) =>
      () =>
        new LineDecoder(options as object, onLine as () => void);
    const actions: [() => unknown, string][] = [
      [make(null), 'ERR_INVALID_ARG_TYPE'],
      [make({}, 'f'), 'ERR_INVALID_ARG_TYPE'],
      [make({ maxLineBytes: 2 ** 30 }), 'ERR_OUT_OF_RANGE'],
      [make({ maxLineBytes: 1.5 }), 'ERR_OUT_OF_RANGE'],
      [make({ encoding: 'utf-16' }), 'ERR_INVALID_ARG_VALUE'],
      [make({ encodings: 'utf8' }), 'ERR_UNKNOWN_OPTION'],
      [() => recording().decoder.push([1] as never), 'ERR_INVALID_ARG_TYPE'],
    ];
    expect(actions.map(([action]) => thrownBy(action).code)).to.deep.equal(
      actions.map(([, code]) => code),
    );
  });
});
