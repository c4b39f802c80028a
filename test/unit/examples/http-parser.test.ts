/** The parser of example 19: the same requests, or the same refusal, however a stream is cut. */
import { expect } from 'chai';
import { HttpError } from '../../../examples/19-http-server/http-error.js';
import { RequestParser } from '../../../examples/19-http-server/request-parser.js';
import { cut } from '../../support/framing.js';
import { damaged } from '../../support/http.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { random } from '../../support/random.js';

leavesNothingBehind();

const LIMITS = { targetBytes: 64, headBytes: 256, bodyBytes: 100 };

interface Outcome {
  /** Method, target and body of each. */
  requests: string[];
  continues: number;
  /** The status of the refusal; 0 without one. */
  refused: number;
}

function outcomeOf(pieces: readonly Uint8Array[]): Outcome {
  const told: Outcome = { requests: [], continues: 0, refused: 0 };
  const parser = new RequestParser(LIMITS, () => (told.continues += 1));
  try {
    for (const piece of pieces) {
      const bytes = Buffer.from(piece);
      for (let at = 0; at < bytes.length; ) {
        at = parser.take(bytes, at);
        if (parser.request === null) continue;
        const { method, target, body } = parser.request;
        told.requests.push(`${method} ${target} ${Buffer.from(body).toString('latin1')}`);
        parser.request = null;
      }
      bytes.fill(0xee);
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    told.refused = error.status;
  }
  return told;
}

function outcome(text: string): Outcome {
  return outcomeOf([Buffer.from(text, 'latin1')]);
}

function post(fields: string, body: string): string {
  return `POST /echo HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n${body}`;
}

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked';

const STREAM = [
  GET,
  '\r\n\r\nHEAD /a?b=c HTTP/1.0\r\n\r\n',
  post('Content-Length: 5', 'hello'),
  post(CHUNKED, '3;ext="x"\r\nhel\r\n0002\r\nlo\r\n0\r\nTrailer: t\r\n\r\n'),
  post('Expect: 100-continue\r\nContent-Length:\t2 ', '\r\n'),
  'OPTIONS * HTTP/1.1\r\nhOsT:\r\nx: \xe4\r\n\r\n',
].join('');

const EXPECTED: Outcome = {
  requests: [
    'GET / ',
    'HEAD /a?b=c ',
    'POST /echo hello',
    'POST /echo hello',
    'POST /echo \r\n',
    'OPTIONS * ',
  ],
  continues: 1,
  refused: 0,
};

describe('example 19: the parser of requests', () => {
  it('finds the same requests, cut in two at every byte and one byte at a time', () => {
    const stream = Buffer.from(STREAM, 'latin1');
    expect(outcomeOf([stream])).to.deep.equal(EXPECTED);
    for (let at = 0; at <= stream.length; at++) {
      const halves = [stream.subarray(0, at), stream.subarray(at)];
      expect(outcomeOf(halves), `at ${at}`).to.deep.equal(EXPECTED);
    }
    const single = Array.from(stream, (byte) => Uint8Array.of(byte));
    expect(outcomeOf(single)).to.deep.equal(EXPECTED);
  });

  it('of damaged streams it says the same however they are cut, and never fails otherwise', () => {
    const numbers = random();
    for (let round = 0; round < 5000; round++) {
      const stream = damaged(STREAM, numbers);
      const whole = outcomeOf([stream]);
      const found = outcomeOf(cut(stream, numbers));
      expect(found, `seed ${numbers.seed}`).to.deep.equal(whole);
    }
  });

  describe('refuses what two programs could read differently', () => {
    const cases: Record<string, [string, number]> = {
      'length and chunks': [post(`Content-Length: 5\r\n${CHUNKED}`, '0\r\n\r\n'), 400],
      'chunks and length': [post(`${CHUNKED}\r\nContent-Length: 5`, '0\r\n\r\n'), 400],
      'two lengths': [post('Content-Length: 5\r\nContent-Length: 6', 'hello'), 400],
      'the same length twice': [post('Content-Length: 5\r\nContent-Length: 5', 'hello'), 400],
      'a list of lengths': [post('Content-Length: 5, 5', 'hello'), 400],
      'a signed length': [post('Content-Length: +5', 'hello'), 400],
      'a negative length': [post('Content-Length: -1', ''), 400],
      'a hexadecimal length': [post('Content-Length: 0x5', 'hello'), 400],
      'no length at all': [post('Content-Length:', ''), 400],
      'a length beyond numbers': [post(`Content-Length: ${'9'.repeat(16)}`, ''), 400],
      'two codings': [post(`${CHUNKED}\r\n${CHUNKED}`, '0\r\n\r\n'), 400],
      'a coding that is not known': [post('Transfer-Encoding: gzip, chunked', ''), 501],
      'a coding that only looks right': [post('Transfer-Encoding: \x0bchunked', ''), 400],
      'chunks in HTTP/1.0': [`POST / HTTP/1.0\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`, 400],
      'a line without CR': ['GET / HTTP/1.1\r\nHost: h\n\r\n', 400],
      'a request line without CR': ['GET / HTTP/1.1\nHost: h\r\n\r\n', 400],
      'the end of a head without CR': ['GET / HTTP/1.1\r\nHost: h\r\n\n', 400],
      'a CR inside of a line': ['GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n', 400],
      'a line that is continued': ['GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n', 400],
      'a space before the colon': [post('Content-Length : 5', 'hello'), 400],
      'a field without a name': ['GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n', 400],
      'a field without a colon': ['GET / HTTP/1.1\r\nHost\r\n\r\n', 400],
      'a null byte': ['GET / HTTP/1.1\r\nHost: h\0\r\n\r\n', 400],
      'no host': ['GET / HTTP/1.1\r\n\r\n', 400],
      'two hosts': ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
      'two spaces in a request line': ['GET  / HTTP/1.1\r\nHost: h\r\n\r\n', 400],
      'a target with a space': ['GET /a b HTTP/1.1\r\nHost: h\r\n\r\n', 400],
      'no version': ['GET /\r\n\r\n', 400],
      'another version': ['GET / HTTP/2.0\r\nHost: h\r\n\r\n', 505],
      'the preface of HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
      'the first byte of TLS': ['\x16\x03\x01', 400],
      'a chunk without a size': [post(CHUNKED, '\r\nhello\r\n0\r\n\r\n'), 400],
      'a signed size': [post(CHUNKED, '+5\r\nhello\r\n0\r\n\r\n'), 400],
      'a size with a prefix': [post(CHUNKED, '0x5\r\nhello\r\n0\r\n\r\n'), 400],
      'a size of more than 32 bits': [post(CHUNKED, '100000005\r\nhello\r\n0\r\n\r\n'), 400],
      'a size line without CR': [post(CHUNKED, '5\nhello\r\n0\r\n\r\n'), 400],
      'a chunk longer than its size': [post(CHUNKED, '4\r\nhello\r\n0\r\n\r\n'), 400],
      'an extension with a bare LF': [post(CHUNKED, '5;a\nb\r\nhello\r\n0\r\n\r\n'), 400],
      'a trailer that is no field': [post(CHUNKED, '0\r\nGET / HTTP/1.1\r\n\r\n'), 400],
      'another expectation': [post('Expect: more\r\nContent-Length: 5', ''), 417],
    };
    for (const [name, [text, status]] of Object.entries(cases)) {
      it(name, () => {
        expect(outcome(`${GET}${text}`)).to.deep.include({ requests: ['GET / '], refused: status });
      });
    }
  });

  it('limits, both sides', () => {
    const target = (size: number) => `GET ${'/'.repeat(size - 15)} HTTP/1.1\r\nHost: h\r\n\r\n`;
    expect(outcome(target(LIMITS.targetBytes)).refused).to.equal(0);
    expect(outcome(target(LIMITS.targetBytes + 1)).refused).to.equal(414);
    const padding = (size: number) => 'b'.repeat(size - GET.length - 'a: \r\n'.length);
    const head = (size: number) => GET.replace('h\r\n', `h\r\na: ${padding(size)}\r\n`);
    expect(outcome(head(LIMITS.headBytes)).refused).to.equal(0);
    expect(outcome(head(LIMITS.headBytes + 1)).refused).to.equal(431);
    const body = 'x'.repeat(LIMITS.bodyBytes);
    expect(outcome(post('Content-Length: 100', body)).requests.length).to.equal(1);
    expect(outcome(post('Content-Length: 101', '')).refused).to.equal(413);
    const halves = `32\r\n${body.slice(50)}\r\n32\r\n${body.slice(50)}\r\n`;
    expect(outcome(post(CHUNKED, `${halves}0\r\n\r\n`)).requests.length).to.equal(1);
    expect(outcome(post(CHUNKED, `${halves}1\r\n`)).refused).to.equal(413);
    expect(outcome(post(CHUNKED, `1;${'e'.repeat(252)}\r\nx\r\n0\r\n\r\n`)).refused).to.equal(0);
    expect(outcome(post(CHUNKED, `1;${'e'.repeat(253)}\r\n`)).refused).to.equal(400);
    expect(outcome(post(CHUNKED, `0\r\na: ${'t'.repeat(260)}\r\n`)).refused).to.equal(431);
  });

  it('a body that is announced and too large is refused before it is asked for', () => {
    const found = outcome(post('Expect: 100-continue\r\nContent-Length: 101', ''));
    expect(found).to.deep.equal({ requests: [], continues: 0, refused: 413 });
  });

  it('an endless line is refused when it is too long, not when it ends', () => {
    const letters = Array.from({ length: LIMITS.targetBytes + 1 }, () => Buffer.from('a'));
    expect(outcomeOf(letters).refused).to.equal(414);
  });
});
