/**
 * What programs written for mio's event loop (0.2 to 0.5) relied on.
 *
 * Goal: such a program can be carried over. Method: for each of the things
 * that the tests of those versions look at there is a small program here that
 * does the same with our classes, in our own words, in every way to run a loop.
 */
import { expect } from 'chai';
import {
  EventLoop,
  type FdSource,
  type Handler,
  Interest,
  PollOpt,
  pipe,
  RingBuf,
  Slab,
  TcpListener,
  TcpStream,
  UdpSocket,
  UnixListener,
  UnixStream,
} from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays, UNHURRIED_MS } from '../support/loops.js';
import {
  acceptFrom,
  awaitReady,
  bytes,
  closingAfterEach,
  type Own,
  readText,
  refusingAddress,
  reset,
  tcpPair,
  udpPair,
} from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';
import { Paths, unixStreams } from '../support/unix.js';

leavesNothingBehind();

const LOCAL = '127.0.0.1:0';
/** More than the buffers of a local connection take in one piece. */
const LONG_TEXT = 'x'.repeat(300_000);

const BOTH = Interest.READABLE | Interest.WRITABLE;
const EDGE_ONCE = PollOpt.EDGE | PollOpt.ONESHOT;

/** Long enough for an event that must not come, and would come at once. */
const SILENCE_MS = 20;

/** TCP or Unix: the programs do not care. */
type Connection = TcpStream | UnixStream;
type Listener = TcpListener | UnixListener;

/** Small programs count with numbers and name things with texts. */
type Loop = EventLoop<unknown, string>;

/**
 * The half of a program that mio's echo test has twice: a connection that
 * reads, and writes while it has bytes to get rid of, and is armed anew,
 * edge-triggered and one-shot, for the one or for both. If it did not read
 * while it writes, two of them with full buffers would wait for one another.
 */
class Talker {
  readonly stream: Connection;
  readonly token: number;
  readonly #unsent = new RingBuf(0);
  readonly #onText: (text: string) => void;

  constructor(stream: Connection, token: number, onText: (text: string) => void) {
    this.stream = stream;
    this.token = token;
    this.#onText = onText;
  }

  say(text: string): void {
    this.#unsent.write(bytes(text));
  }

  readable(): void {
    const text = readText(this.stream);
    if (text !== null && text !== '') this.#onText(text);
  }

  writable(): void {
    const [first] = this.#unsent.readable();
    this.#unsent.consume(this.stream.write(first) ?? 0);
  }

  get interest(): number {
    return this.#unsent.length > 0 ? BOTH : Interest.READABLE;
  }
}

/** The server keeps its connections in a slab, and their keys are their tokens. */
class EchoTest {
  static readonly LISTENER = 0;
  static readonly CLIENT = 1;
  static readonly FIRST_CONNECTION = 2;

  readonly #listener: Listener;
  readonly #client: Talker;
  readonly #connections = new Slab<Talker>(128, { firstKey: EchoTest.FIRST_CONNECTION });
  readonly #own: Own;
  readonly #left = ['foo', 'bar', LONG_TEXT];
  #expected = '';
  readonly heard: string[] = [];

  constructor(loop: Loop, own: Own, [listener, stream]: [Listener, Connection]) {
    this.#own = own;
    this.#listener = listener;
    this.#client = new Talker(stream, EchoTest.CLIENT, (text) => this.#hear(loop, text));
    loop.register(this.#listener, EchoTest.LISTENER, Interest.READABLE, EDGE_ONCE);
    this.#next(loop);
    loop.register(stream, EchoTest.CLIENT, this.#client.interest, EDGE_ONCE);
  }

  readonly handler: Handler<unknown, string> = {
    readable: (loop, token) => {
      if (token === EchoTest.LISTENER) this.#accept(loop);
      else this.#serve(loop, token, (talker) => talker.readable());
    },
    writable: (loop, token) => {
      this.#serve(loop, token, (talker) => talker.writable());
    },
  };

  #accept(loop: Loop): void {
    const stream = this.#listener.accept();
    if (stream === null) throw new Error('told of a connection, and there is none');
    this.#own(stream);
    const token = this.#connections.insert(
      new Talker(stream, EchoTest.FIRST_CONNECTION, (text) => {
        this.#connections.get(EchoTest.FIRST_CONNECTION)?.say(text);
      }),
    );
    expect(token).to.equal(EchoTest.FIRST_CONNECTION);
    loop.register(stream, EchoTest.FIRST_CONNECTION, Interest.READABLE, EDGE_ONCE);
    loop.reregister(this.#listener, EchoTest.LISTENER, Interest.READABLE, EDGE_ONCE);
  }

  #serve(loop: Loop, token: number, action: (talker: Talker) => void): void {
    const talker = token === EchoTest.CLIENT ? this.#client : this.#connections.get(token);
    if (talker === undefined) throw new Error(`nobody has token ${token}`);
    action(talker);
    loop.reregister(talker.stream, token, talker.interest, EDGE_ONCE);
  }

  #hear(loop: Loop, text: string): void {
    expect(this.#expected.startsWith(text), `${text} of ${this.#expected}`).to.equal(true);
    this.heard.push(text);
    this.#expected = this.#expected.slice(text.length);
    if (this.#expected === '') this.#next(loop);
  }

  #next(loop: Loop): void {
    const text = this.#left.shift();
    if (text === undefined) {
      loop.shutdown();
      return;
    }
    this.#expected = text;
    this.#client.say(text);
  }
}

describeWays('as mio: TCP', (way, own) => {
  it('an echo server with its connections in a slab answers a client, text by text', async () => {
    const loop: Loop = way.open();
    const server = own(TcpListener.bind(LOCAL));
    const client = own(TcpStream.connect(server.localAddress));
    const program = new EchoTest(loop, own, [server, client]);
    await way.drive(loop, program.handler);
    expect(program.heard.join('')).to.equal(`foobar${LONG_TEXT}`);
  });

  it('a source that was deregistered is not heard of, whatever its peer does', async () => {
    const loop: Loop = way.open();
    const listener = own(TcpListener.bind(LOCAL));
    const client = own(TcpStream.connect(listener.localAddress));
    loop.register(listener, 0, Interest.READABLE, PollOpt.EDGE);
    loop.register(client, 1, Interest.READABLE, PollOpt.LEVEL);
    let told = 0;
    await way.drive(loop, {
      readable: (l, token) => {
        if (token === 0) {
          own(acceptFrom(listener)).write(bytes('heartbeat'));
          return;
        }
        told += 1;
        // Not read: under LEVEL it would be told again, at once and for ever.
        l.deregister(client);
        l.timeout('silence', SILENCE_MS);
      },
      timeout: (l) => l.shutdown(),
    });
    expect(told).to.equal(1);
    expect(readText(client)).to.equal('heartbeat');
  });

  it('a connection that the server drops is data, then the end, for its client', async () => {
    const loop: Loop = way.open();
    const listener = own(TcpListener.bind(LOCAL));
    const client = own(TcpStream.connect(listener.localAddress));
    loop.register(listener, 0, Interest.READABLE);
    loop.register(client, 1, Interest.READABLE, PollOpt.EDGE);
    const got: string[] = [];
    await way.drive(loop, {
      readable: (l, token, hint) => {
        if (token === 0) {
          const server = acceptFrom(listener);
          server.write(bytes('ping'));
          server.close();
          return;
        }
        expect(hint.isData).to.equal(true);
        for (let text = readText(client); text !== null; text = readText(client)) {
          got.push(text);
          if (text !== '') continue;
          l.shutdown();
          return;
        }
      },
    });
    expect(got).to.deep.equal(['ping', '']);
  });

  it('what was written before a close arrives, though the writer is gone', async () => {
    const loop: Loop = way.open();
    const listener = own(TcpListener.bind(LOCAL));
    const client = TcpStream.connect(listener.localAddress);
    const server = own(acceptFrom(listener));
    awaitReady(client, Interest.WRITABLE);
    expect(client.write(Uint8Array.of(1))).to.equal(1);
    client.close();
    loop.register(server, 1, Interest.READABLE, PollOpt.EDGE);
    const buffer = new Uint8Array(8);
    let size: number | null = null;
    await way.drive(loop, {
      readable: (l) => {
        size = server.read(buffer);
        l.shutdown();
      },
    });
    expect([size, buffer[0]]).to.deep.equal([1, 1]);
  });

  it('sources closed before the loop runs are nothing to it', async () => {
    const loop: Loop = way.open();
    const listener = TcpListener.bind(LOCAL);
    const client = TcpStream.connect(listener.localAddress);
    loop.register(listener, 1, Interest.READABLE, PollOpt.EDGE);
    loop.register(client, 2, Interest.READABLE, PollOpt.EDGE);
    listener.close();
    client.close();
    loop.timeout('silence', SILENCE_MS);
    await way.drive(loop, {
      readable: () => expect.fail('an event of a closed source'),
      timeout: (l) => l.shutdown(),
    });
  });

  it('the same loop can run for the connect, and again for the rest', async () => {
    const loop: Loop = way.open();
    const listener = own(TcpListener.bind(LOCAL));
    const client = own(TcpStream.connect(listener.localAddress));
    loop.register(client, 1, BOTH, PollOpt.EDGE);
    const events: string[] = [];
    const handler: Handler<unknown, string> = {
      ready: (l, token, set) => {
        events.push(`${token} ${String(set)}`);
        l.shutdown();
      },
    };
    await way.drive(loop, handler);
    const server = acceptFrom(listener);
    server.close();
    await way.drive(loop, handler);
    expect(events[0]).to.equal('1 Writable');
    expect(events[1]).to.match(/^1 Readable/);
    expect(readText(client)).to.equal('');
  });

  it('a reset by the peer is an error event, and the read tells which', async () => {
    const loop: Loop = way.open();
    const [client, server] = tcpPair(own);
    loop.register(client, 1, Interest.READABLE, PollOpt.EDGE);
    reset(server);
    let code: string | undefined;
    await way.drive(loop, {
      readable: (l, _, hint) => {
        expect(hint.isError).to.equal(true);
        ({ code } = thrownBy(() => client.read(new Uint8Array(8))));
        l.shutdown();
      },
    });
    expect(code).to.equal('ECONNRESET');
  });

  it('a connect that is refused is told once under ONESHOT, with its cause', async () => {
    const loop: Loop = way.open();
    const client = own(TcpStream.connect(refusingAddress()));
    loop.register(client, 1, Interest.ALL, EDGE_ONCE);
    const errors: unknown[] = [];
    await way.drive(loop, {
      ready: (l, _, set) => {
        expect(set.isError).to.equal(true);
        errors.push(client.takeError(), client.takeError());
        l.timeout('silence', SILENCE_MS);
      },
      timeout: (l) => l.shutdown(),
    });
    expect(errors[0]).to.include({ code: 'ECONNREFUSED' });
    expect(errors.slice(1), 'taking the error clears it, one event only').to.deep.equal([null]);
  });

  it('both ends know the address of the other, and the listener its own', () => {
    const listener = own(TcpListener.bind(LOCAL));
    const client = own(TcpStream.connect(listener.localAddress));
    const server = own(acceptFrom(listener));
    awaitReady(client, Interest.WRITABLE);
    expect(client.peerAddress).to.deep.equal(listener.localAddress);
    expect(server.peerAddress).to.deep.equal(client.localAddress);
    expect(server.localAddress).to.deep.equal(listener.localAddress);
  });

  it('a half that is shut down is the end on the other side, and only that half', async () => {
    const loop: Loop = way.open();
    const [client, server] = tcpPair(own);
    client.shutdown('write');
    loop.register(server, 1, Interest.READABLE);
    let text: string | null = null;
    await way.drive(loop, {
      readable: (l) => {
        text = readText(server);
        l.shutdown();
      },
    });
    expect(text).to.equal('');
    expect(thrownBy(() => client.write(bytes('a'))).code).to.equal('EPIPE');
    expect(server.write(bytes('still'))).to.equal(5);
    awaitReady(client, Interest.READABLE);
    expect(readText(client)).to.equal('still');
  });
});

describeWays('as mio: registering', (way, own) => {
  it('a second register() is refused, and the first goes on', async () => {
    const loop: Loop = way.open();
    const listener = own(TcpListener.bind(LOCAL));
    loop.register(listener, 0, Interest.READABLE, PollOpt.EDGE);
    const error = thrownBy(() => loop.register(listener, 1, Interest.READABLE, PollOpt.EDGE));
    expect(error.code).to.equal('ERR_SOURCE_REGISTERED');
    own(TcpStream.connect(listener.localAddress));
    let token: number | undefined;
    await way.drive(loop, {
      readable: (l, t) => {
        token = t;
        l.shutdown();
      },
    });
    expect(token).to.equal(0);
  });

  it('reregister() before register() is refused, on every backend', () => {
    const loop: Loop = way.open();
    for (const source of [TcpListener.bind(LOCAL), UdpSocket.bind(LOCAL)].map(own)) {
      const error = thrownBy(() => loop.reregister(source, 0, Interest.READABLE, PollOpt.EDGE));
      expect(error.code).to.equal('ERR_SOURCE_NOT_REGISTERED');
      loop.register(source, 0, Interest.READABLE, PollOpt.EDGE);
      loop.reregister(source, 1, Interest.READABLE, PollOpt.EDGE);
    }
  });

  it('a source belongs to one loop, until that one lets it go', () => {
    const first: Loop = way.open();
    const second: Loop = way.open();
    for (const source of [TcpListener.bind(LOCAL), UdpSocket.bind(LOCAL)].map(own)) {
      first.register(source, 0);
      expect(thrownBy(() => second.register(source, 0)).code).to.equal('ERR_SOURCE_REGISTERED');
      first.deregister(source);
      second.register(source, 0);
    }
  });
});

describeWays('as mio: UDP', (way, own) => {
  for (const [name, opt] of [
    ['EDGE', PollOpt.EDGE],
    ['LEVEL', PollOpt.LEVEL],
  ] as const) {
    it(`a datagram goes from one socket to another of the same loop, under ${name}`, async () => {
      const loop: Loop = way.open();
      const sender = own(UdpSocket.bind(LOCAL));
      const receiver = own(UdpSocket.bind(LOCAL));
      loop.register(sender, 10, Interest.WRITABLE, opt);
      loop.register(receiver, 11, Interest.READABLE, opt);
      const buffer = Buffer.alloc(1024);
      const log: string[] = [];
      await way.drive(loop, {
        writable: (l, token) => {
          log.push(`writable ${token}`);
          expect(sender.sendTo(bytes('hello world'), receiver.localAddress)).to.equal(11);
          l.deregister(sender);
        },
        readable: (l, token) => {
          const datagram = receiver.recvFrom(buffer);
          expect(datagram?.address).to.deep.equal(sender.localAddress);
          log.push(`readable ${token}: ${buffer.toString('utf8', 0, datagram?.size)}`);
          expect(receiver.recvFrom(buffer)).to.equal(null);
          l.shutdown();
        },
      });
      expect(log).to.deep.equal(['writable 10', 'readable 11: hello world']);
    });
  }

  it('two handlers take turns on two sockets, ping by pong', async () => {
    const loop: Loop = way.open();
    const pair = udpPair(own);
    pair.forEach((socket, token) => loop.register(socket, token, Interest.READABLE, PollOpt.EDGE));
    const counts = [0, 0];
    pair[0].send(bytes('0'));
    await way.drive(loop, {
      readable: (l, token) => {
        const buffer = Buffer.alloc(8);
        for (let size = pair[token].recv(buffer); size !== null; size = pair[token].recv(buffer)) {
          counts[token] += 1;
          if (counts[0] === 50) l.shutdown();
          else pair[token].send(bytes(String(counts[token])));
        }
      },
    });
    expect(counts).to.deep.equal([50, 50]);
  });
});

describeWays('as mio: Unix sockets and pipes', (way, own) => {
  it('the echo server of TCP is the same program on a path', async () => {
    const loop: Loop = way.open();
    const path = own(new Paths()).next();
    const server = own(UnixListener.bind(path));
    const client = own(UnixStream.connect(path));
    const program = new EchoTest(loop, own, [server, client]);
    await way.drive(loop, program.handler);
    expect(program.heard.join('')).to.equal(`foobar${LONG_TEXT}`);
  });

  it('a pipe carries what a timeout writes, and its end when the writer closes', async () => {
    const loop: Loop = way.open();
    const [reader, writer] = pipe();
    own(reader);
    own(writer);
    loop.register(reader, 1, Interest.READABLE, PollOpt.EDGE);
    loop.timeout('write', 1);
    const got: (string | null)[] = [];
    await way.drive(loop, {
      timeout: () => {
        writer.write(bytes('ping'));
      },
      readable: (l) => {
        for (let text = readText(reader); text !== null; text = readText(reader)) {
          got.push(text);
          if (text !== '') writer.close();
          else return l.shutdown();
        }
      },
    });
    expect(got).to.deep.equal(['ping', '']);
  });

  it('a server passes the reading end of a pipe, and the client reads from there', async () => {
    const loop: Loop = way.open();
    const [server, client] = unixStreams(own);
    const [reader, writer] = pipe();
    own(writer);
    writer.write(bytes('through the pipe'));
    expect(server.sendFd(bytes('x'), reader)).to.equal(1);
    reader.close();
    loop.register(client, 1);
    let text: string | null = null;
    let passed: FdSource | undefined;
    await way.drive(loop, {
      readable: (l, token) => {
        if (token === 1) {
          passed = own(client.recvFd(Buffer.alloc(8))!.source!);
          l.deregister(client);
          l.register(passed, 2);
          return;
        }
        text = readText(passed!);
        l.shutdown();
      },
    });
    expect(text).to.equal('through the pipe');
  });

  it('a half of a Unix stream that is shut down reads as the end, and the other goes on', () => {
    const [left, right] = unixStreams(own);
    left.shutdown('write');
    awaitReady(right, Interest.READABLE);
    expect(readText(right)).to.equal('');
    right.write(bytes('still'));
    expect(readText(left)).to.equal('still');
  });
});

describeWays('as mio: messages, timeouts and ticks', (way, own) => {
  it('messages sent before a run, from its callbacks, and after it are all delivered', async () => {
    const loop: EventLoop<string> = way.open();
    const sender = loop.channel();
    const log: string[] = [];
    const handler: Handler<string> = {
      notify: (l, message) => {
        log.push(message);
        if (message === 'before 2') sender.send('within');
        if (message === 'within' || message === 'after') l.shutdown();
      },
    };
    sender.send('before 1');
    sender.send('before 2');
    await way.drive(loop, handler);
    expect(log.splice(0)).to.deep.equal(['before 1', 'before 2', 'within']);
    expect(sender.send('after')).to.equal(true);
    await way.drive(loop, handler);
    expect(log).to.deep.equal(['after']);
    expect(sender.send('left')).to.equal(true);
    expect(loop.close()).to.deep.equal(['left']);
    expect(sender.send('late')).to.equal(false);
  });

  it('a channel of 1 refuses the second message, and takes one again in notify()', async () => {
    const loop: EventLoop<number> = way.open({ notifyCapacity: 1 });
    const sender = loop.channel();
    expect([sender.send(1), sender.send(2)]).to.deep.equal([true, false]);
    const got: number[] = [];
    const taken: boolean[] = [];
    await way.drive(loop, {
      notify: (l, message) => {
        got.push(message);
        if (message === 3) l.shutdown();
        else taken.push(sender.send(3), sender.send(4));
      },
    });
    expect(got).to.deep.equal([1, 3]);
    expect(taken).to.deep.equal([true, false]);
    expect(loop.metrics().refused).to.equal(2);
  });

  it('more messages than a tick takes: all come, in order, and I/O in between', async () => {
    const loop: EventLoop<number> = way.open({ messagesPerTick: 2, tickBudgetMs: UNHURRIED_MS });
    const [left, right] = udpPair(own);
    const log: string[] = [];
    for (let message = 0; message < 5; message++) loop.channel().send(message);
    left.send(bytes('a'));
    awaitReady(right, Interest.READABLE);
    loop.register(right, 1, Interest.READABLE, PollOpt.ONESHOT);
    await way.drive(loop, {
      readable: () => void log.push('readable'),
      notify: (_, message) => void log.push(String(message)),
      tick: (l) => {
        log.push('tick');
        if (log.includes('4')) l.shutdown();
      },
    });
    const expected = ['readable', '0', '1', 'tick', '2', '3', 'tick', '4', 'tick'];
    expect(log).to.deep.equal(expected);
  });

  it('a timeout brings what it was given, and may have a connection act', async () => {
    const loop: Loop = way.open();
    const [client, server] = tcpPair(own);
    loop.register(server, 1, Interest.READABLE);
    loop.timeout('zap', 5);
    const cleared = loop.timeout('cleared', 1);
    expect(loop.clearTimeout(cleared)).to.equal(true);
    const log: string[] = [];
    await way.drive(loop, {
      timeout: (l, payload) => {
        log.push(`timeout ${payload}`);
        if (payload === 'zap') client.write(bytes('zap'));
        else l.shutdown();
      },
      readable: (l) => {
        log.push(`read ${readText(server)}`);
        l.timeout('end', 0);
      },
    });
    expect(log).to.deep.equal(['timeout zap', 'read zap', 'timeout end']);
  });

  it('timeouts come by deadline, whichever was armed first', async () => {
    const loop: Loop = way.open();
    for (const [payload, delayMs] of [
      ['c', 12],
      ['a', 2],
      ['d', 20],
      ['b', 7],
    ] as const) {
      loop.timeout(payload, delayMs);
    }
    let log = '';
    await way.drive(loop, {
      timeout: (l, payload) => {
        log += payload;
        if (log.length === 4) l.shutdown();
      },
    });
    expect(log).to.equal('abcd');
  });

  it('several sources in one tick: each once, then messages, then tick()', async () => {
    const loop: EventLoop<string> = way.open({ tickBudgetMs: UNHURRIED_MS });
    for (let token = 0; token < 4; token++) {
      const [left, right] = udpPair(own);
      left.send(bytes('a'));
      awaitReady(right, Interest.READABLE);
      loop.register(right, token, BOTH, PollOpt.EDGE);
    }
    loop.channel().send('message');
    const log: string[] = [];
    await way.drive(loop, {
      ready: (_, token, set) => void log.push(`${token} ${String(set)}`),
      notify: (_, message) => void log.push(message),
      tick: (l) => {
        log.push('tick');
        l.shutdown();
      },
    });
    const ready = [0, 1, 2, 3].map((token) => `${token} Readable | Writable`);
    expect(log.slice(0, 4).toSorted()).to.deep.equal(ready);
    expect(log.slice(4)).to.deep.equal(['message', 'tick']);
  });

  it('tick() is called at the end of each tick, after what happened in it', async () => {
    const loop: EventLoop<string> = way.open();
    const log: string[] = [];
    loop.channel().send('first');
    await way.drive(loop, {
      notify: (_, message) => void log.push(message),
      tick: (l) => {
        log.push('tick');
        if (log.length >= 4) l.shutdown();
        else l.channel().send('second');
      },
    });
    expect(log).to.deep.equal(['first', 'tick', 'second', 'tick']);
  });
});

describe('as mio: one tick at a time', () => {
  const own = closingAfterEach();

  it('runOnce() with nothing to do returns after its timeout, having ticked', () => {
    using loop = new EventLoop();
    const startMs = performance.now();
    let ticks = 0;
    const handler: Handler = {
      tick: () => {
        ticks += 1;
      },
    };
    loop.runOnce(handler, 5);
    expect(ticks).to.equal(1);
    expect(performance.now() - startMs).to.be.at.least(4);
    loop.runOnce(handler, 0);
    expect(ticks).to.equal(2);
  });

  it('runOnce() without one waits until something happens', () => {
    using loop = new EventLoop<string, string>();
    const [left, right] = udpPair(own);
    left.send(bytes('a'));
    loop.register(right, 1);
    let told = 0;
    loop.runOnce({
      readable: () => {
        told += 1;
      },
    });
    expect(told).to.equal(1);
  });

  it('a loop that was never run is not running; mio said that it was', () => {
    using loop = new EventLoop();
    expect(loop.isRunning).to.equal(false);
  });

  it('a loop is closed without having run, with sources, messages and timeouts in it', () => {
    const loop = new EventLoop<string, string>();
    const socket = own(UdpSocket.bind(LOCAL));
    loop.register(socket, 1);
    loop.channel().send('m');
    loop.timeout('t', 1);
    expect(loop.close()).to.deep.equal(['m']);
    expect(socket.closed).to.equal(false);
  });
});
