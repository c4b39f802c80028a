/**
 * Example 19 against node:http, both with the same routes: what both accept
 * they answer alike, and what one must refuse by RFC 9112 ours refuses, and
 * closes the connection. Clients write bytes, since no library would send these.
 */
import { once } from 'node:events';
import { request, type Server } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';
import { HttpServer, type HttpServerOptions } from '../../examples/19-http-server/http-server.js';
import { route } from '../../examples/19-http-server/routes.js';
import { text } from '../../examples/19-http-server/response.js';
import type { Respond } from '../../examples/19-http-server/session.js';
import { EventLoop } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { answersOf, damaged, exchange, portOf, referenceServer } from '../support/http.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { random } from '../support/random.js';

leavesNothingBehind();

const LAST = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
/** Answers to what could not be read, after which there are no more. */
const REFUSALS = [400, 408, 413, 414, 417, 431, 501, 505];
const LARGE_BYTES = 256 * 64 * 1024;

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;
}

function post(fields: string, body: string): string {
  return `POST /echo HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n${body}`;
}

/** A server on a loop of its own, in this thread. */
class Served {
  readonly #loop = new EventLoop();
  readonly #server: HttpServer;
  readonly #run: Promise<void>;
  readonly port: number;

  constructor(respond: Respond = route, options?: Partial<HttpServerOptions>) {
    this.#server = new HttpServer(this.#loop, '127.0.0.1:0', respond, options);
    this.port = this.#server.listen().port;
    this.#run = this.#loop.run({});
  }

  sweep(nowMs: number): void {
    this.#server.sweep(nowMs);
  }

  async close(): Promise<void> {
    await this.#server.stop({ timeoutMs: 0 });
    this.#loop.shutdown();
    await this.#run;
    this.#loop.close();
  }
}

describe('example 19: the HTTP server', () => {
  let served: Served[] = [];
  let reference: Server;
  let port: number;

  function serve(respond?: Respond, options?: Partial<HttpServerOptions>): Served {
    const one = new Served(respond, options);
    served.push(one);
    return one;
  }

  beforeEach(async () => {
    reference = await referenceServer();
    port = serve().port;
  });

  afterEach(async () => {
    await Promise.all(served.map((one) => one.close()));
    served = [];
    reference.closeAllConnections();
    reference.close();
    await once(reference, 'close');
  });

  describe('answers as node:http does', () => {
    const cases: Record<string, string> = {
      'the smallest request': '',
      JSON: get('/json'),
      'a query': get('/json?a=b'),
      'a target with a host': get('http://h/json'),
      'no such path': get('/missing'),
      'a method that the path has not': 'DELETE /echo HTTP/1.1\r\nHost: h\r\n\r\n',
      HEAD: 'HEAD /json HTTP/1.1\r\nHost: h\r\n\r\n',
      'a body with a length': post('Content-Length: 5', 'hello'),
      'a body of no bytes': post('Content-Length: 0', ''),
      'a body that is another request': post(`Content-Length: ${GET.length}`, GET),
      'a body in chunks': post('Transfer-Encoding: chunked', '5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n'),
      'chunks of no bytes': post('Transfer-Encoding: Chunked', '0\r\n\r\n'),
      'a trailer': post('Transfer-Encoding: chunked', 'a\r\n0123456789\r\n0\r\nA: b\r\n\r\n'),
      'what is waited for': post('Expect: 100-continue\r\nContent-Length: 5', 'hello'),
      'spaces around values': post('Content-Type: \t a/b \t\r\nContent-Length:2', 'ok'),
      'an empty line before a request': `\r\n${get('/json')}`,
      'HTTP/1.0 that is to go on': 'GET /json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      'three at once': get('/json') + post('Content-Length: 2', 'ab') + get('/missing'),
      'an answer that takes a while, and one after it': get('/source') + get('/json'),
    };
    for (const [name, requests] of Object.entries(cases)) {
      it(name, async () => {
        const stream = requests + LAST;
        const isHead = [requests.startsWith('HEAD'), false];
        const expected = answersOf(await exchange(portOf(reference), [stream]), isHead);
        expect(expected.at(-1)?.body).to.equal('Hello from Millrace\n');
        expect(answersOf(await exchange(port, [stream]), isHead)).to.deep.equal(expected);
        // The same once more, one byte a write.
        expect(answersOf(await exchange(port, [...stream]), isHead)).to.deep.equal(expected);
      });
    }

    it('HTTP/1.0 without a word: the connection is closed', async () => {
      for (const one of [port, portOf(reference)]) {
        const [answer] = answersOf(await exchange(one, ['GET /json HTTP/1.0\r\n\r\n']));
        expect([answer.status, answer.body]).to.deep.equal([
          200,
          '{"message":"Hello from Millrace"}',
        ]);
      }
    });

    it('what is refused by both closes the connection', async () => {
      const refused = [
        'nonsense\r\n\r\n',
        'GET / HTTP/1.1\r\n\r\n',
        post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
        post('Content-Length: 5\r\nContent-Length: 6', 'hello'),
        post('Content-Length: 5, 5', 'hello'),
        post('Content-Length : 5', 'hello'),
        post('Transfer-Encoding: chunked', 'x\r\nhello\r\n0\r\n\r\n'),
      ];
      const tooMuch = [
        get(`/${'a'.repeat(20_000)}`),
        `GET / HTTP/1.1\r\nHost: h\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`,
      ];
      for (const stream of [...refused, ...tooMuch]) {
        // Who has sent too much is left the time to read the answer.
        const isEnding = tooMuch.includes(stream);
        const theirs = answersOf(await exchange(portOf(reference), [stream], { isEnding }));
        const ours = answersOf(await exchange(port, [stream], { isEnding }));
        const statuses = [...theirs, ...ours].map(({ status }) => status);
        expect(statuses.length, stream.slice(0, 200)).to.equal(2);
        expect(Math.min(...statuses), stream.slice(0, 200)).to.be.at.least(400);
      }
    });
  });

  it('reads no other requests than node:http out of a damaged stream', async () => {
    const numbers = random();
    const streamed =
      post('Content-Length: 27', GET) +
      post('Transfer-Encoding: chunked', `1b\r\n${GET}\r\n0\r\n\r\n`) +
      get('/json');
    let agreed = 0;
    for (let round = 0; round < 100; round++) {
      const stream = [damaged(streamed, numbers)];
      const [ours, theirs] = await Promise.all(
        [port, portOf(reference)].map(async (one) => {
          const answers = answersOf(await exchange(one, stream, { isEnding: true }));
          return answers.filter(({ status }) => !REFUSALS.includes(status));
        }),
      );
      // Whoever refuses first has answered fewer.
      const both = Math.min(ours.length, theirs.length);
      expect(ours.slice(0, both), `seed ${numbers.seed}`).to.deep.equal(theirs.slice(0, both));
      agreed += both;
    }
    expect(agreed).to.be.above(30);
  });

  it('answers what came before a mistake, and nothing after it', async () => {
    const stream = `${get('/json')}GET / HTTP/1.1\nHost: h\r\n\r\n${GET}`;
    const answers = answersOf(await exchange(port, [stream]));
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 400]);
  });

  it('asks for a body that waits to be asked for, once', async () => {
    const client = connect({ port, host: '127.0.0.1' }).setEncoding('latin1');
    client.write(post('Expect: 100-continue\r\nContent-Length: 5', ''));
    expect(await once(client, 'data')).to.deep.equal(['HTTP/1.1 100 Continue\r\n\r\n']);
    client.write('hello');
    const [answer] = (await once(client, 'data')) as [string];
    expect(answersOf(answer).map(({ status, body }) => [status, body])).to.deep.equal([
      [200, 'hello'],
    ]);
    client.destroy();
  });

  it('refuses a body that is too large; the answer outlives what is still sent', async () => {
    const piece = Buffer.alloc(256 * 1024, 'x');
    const stream = [post(`Content-Length: ${16 * piece.length}`, ''), ...Array(16).fill(piece)];
    const client = connect({ port, host: '127.0.0.1' }).setEncoding('latin1');
    let answer = '';
    client.on('data', (part: string) => (answer += part));
    for (const part of stream) client.write(part);
    // All of it is taken, though nothing is made of it.
    await eventually(() =>
      expect([answersOf(answer).length, client.writableLength]).to.deep.equal([1, 0]),
    );
    expect(answersOf(answer)[0].status).to.equal(413);
    client.destroy();
  });

  it('a large body goes out in chunks, and is whole', async () => {
    const [large] = answersOf(await exchange(port, [get('/large') + LAST]));
    expect([large.body.length, large.body.at(0), large.body.at(-1)]).to.deep.equal([
      LARGE_BYTES,
      'a',
      'v',
    ]);
    const [old] = answersOf(
      await exchange(port, ['GET /large HTTP/1.0\r\nConnection: keep-alive\r\n\r\n']),
    );
    expect([old.fields['transfer-encoding'], old.body.length]).to.deep.equal([
      undefined,
      LARGE_BYTES,
    ]);
  });

  it('who asks for much and reads nothing makes it keep no more than the marks', async () => {
    let parts = 0;
    const counted = serve(() => ({
      status: 200,
      body: (function* () {
        for (; ; parts++) yield new Uint8Array(64 * 1024);
      })(),
    }));
    const client = connect({ port: counted.port, host: '127.0.0.1' });
    await once(client, 'connect');
    client.pause().write(GET);
    let before = -1;
    await eventually(() => {
      const now = parts;
      const isStill = now > 0 && now === before;
      before = now;
      expect(isStill).to.equal(true);
    });
    // The buffers of both kernels and of the client, and the mark of 1 MiB.
    expect(parts * 64 * 1024).to.be.below(32 * 1024 * 1024);
    client.destroy();
  });

  it('answers all that came before the client closed its half', async () => {
    const stream = get('/large') + get('/source') + get('/json');
    const answers = answersOf(await exchange(port, [stream], { isEnding: true }));
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
    expect(answers[0].body.length).to.equal(LARGE_BYTES);
  });

  it('answers in order, one at a time, however long each takes', async () => {
    let running = 0;
    const slow = serve(async ({ target }) => {
      running += 1;
      expect(running).to.equal(1);
      await new Promise(setImmediate);
      running -= 1;
      return text(target);
    });
    const paths = Array.from({ length: 20 }, (_, number) => `/${number}`);
    const answers = answersOf(await exchange(slow.port, [paths.map(get).join('') + LAST]));
    expect(answers.map(({ body }) => body)).to.deep.equal([...paths, '/']);
  });

  it('what a route throws or rejects with is an answer of 500, and no more', async () => {
    const failing = serve(({ target }) => {
      if (target === '/throw') throw new Error('thrown');
      return target === '/reject' ? Promise.reject(new Error('rejected')) : text('fine');
    });
    const stream = get('/throw') + get('/reject') + LAST;
    const answers = answersOf(await exchange(failing.port, [stream]));
    expect(answers.map(({ status }) => status)).to.deep.equal([500, 500, 200]);
  });

  it('a request that takes too long is refused, an idle connection is not', async () => {
    const slow = serve(route, { requestTimeoutMs: 1000 });
    const idle = connect({ port: slow.port, host: '127.0.0.1' });
    idle.write(GET);
    await once(idle, 'data');
    const client = connect({ port: slow.port, host: '127.0.0.1' }).setEncoding('latin1');
    client.write('GET / HTTP/1.1\r\nHost: h\r\n');
    let answer = '';
    client.on('data', (part: string) => (answer += part));
    let nowMs = 0;
    const closed = once(client, 'close');
    // The server's own clock is not waited for: it is told what time it is.
    await eventually(() => {
      slow.sweep((nowMs += 600));
      expect(answer).to.not.equal('');
    });
    expect(answersOf(answer)[0].status).to.equal(408);
    await closed;
    idle.write(GET);
    await once(idle, 'data');
    idle.destroy();
  });

  it('a connection without any byte is closed', async () => {
    const impatient = serve(route, { idleTimeoutMs: 20 });
    const client = connect({ port: impatient.port, host: '127.0.0.1' });
    await once(client.resume(), 'close');
  });

  it('serves clients of node:http, which keep their connection', async () => {
    const bodies: string[] = [];
    for (let count = 0; count < 3; count++) {
      const sent = request({ port, host: '127.0.0.1', path: '/echo', method: 'POST' });
      sent.write('by ');
      sent.end(`chunk ${count}`);
      const [response] = await once(sent, 'response');
      bodies.push(Buffer.concat(await response.toArray()).toString());
    }
    expect(bodies).to.deep.equal(['by chunk 0', 'by chunk 1', 'by chunk 2']);
  });
});
