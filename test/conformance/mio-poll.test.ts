/**
 * What programs written for mio 0.5 relied on, continued from `mio.test.ts`:
 * level-triggered readiness by a `Poll` without a loop, and the programs
 * that are about how much rather than about what.
 */
import { expect } from 'chai';
import {
  type EventLoop,
  type Handler,
  Interest,
  Poll,
  PollOpt,
  type Source,
  TcpListener,
  TcpStream,
  UdpSocket,
} from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import {
  acceptFrom,
  awaitReady,
  bytes,
  closingAfterEach,
  type Own,
  readText,
  tcpPair,
} from '../support/sockets.js';

leavesNothingBehind();

const LOCAL = '127.0.0.1:0';
const BOTH = Interest.READABLE | Interest.WRITABLE;
const EDGE_ONCE = PollOpt.EDGE | PollOpt.ONESHOT;
const LONG_MS = 5000;

describe('as mio: a poll without a loop, level-triggered', () => {
  const own = closingAfterEach();

  /** What the next poll tells of the sources with this token. */
  function told(poll: Poll, token: number, timeoutMs = 0): string[] {
    const events = Array.from({ length: poll.poll(timeoutMs) }, (_, index) => poll.event(index));
    return events.filter((event) => event.token === token).map(({ kind }) => String(kind));
  }

  /** As often as a program might ask. */
  function toldTwice(poll: Poll, token: number): string[] {
    return [...told(poll, token), ...told(poll, token)];
  }

  it('a listener is told of until its connection is accepted, and again for the next', () => {
    const poll = own(new Poll());
    const listener = own(TcpListener.bind(LOCAL));
    poll.register(listener, 0, Interest.READABLE, PollOpt.LEVEL);
    expect(toldTwice(poll, 0)).to.deep.equal([]);
    const first = own(TcpStream.connect(listener.localAddress));
    poll.register(first, 1, Interest.READABLE, PollOpt.EDGE);
    expect(told(poll, 0, LONG_MS)).to.deep.equal(['Readable']);
    expect(toldTwice(poll, 0)).to.deep.equal(['Readable', 'Readable']);
    own(acceptFrom(listener));
    expect(toldTwice(poll, 0)).to.deep.equal([]);
    const second = own(TcpStream.connect(listener.localAddress));
    poll.register(second, 2, Interest.READABLE, PollOpt.EDGE);
    expect(told(poll, 0, LONG_MS)).to.deep.equal(['Readable']);
    listener.close();
    expect(toldTwice(poll, 0)).to.deep.equal([]);
  });

  it('a stream is writable as long as it is, and readable until all of it is read', () => {
    const poll = own(new Poll());
    const [client, server] = tcpPair(own);
    poll.register(client, 1, BOTH, PollOpt.LEVEL);
    poll.register(server, 123, Interest.READABLE, PollOpt.EDGE);
    expect(toldTwice(poll, 1)).to.deep.equal(['Writable', 'Writable']);
    server.write(bytes('hello world!'));
    awaitReadable(client, poll, 1);
    const both = 'Readable | Writable';
    expect(toldTwice(poll, 1)).to.deep.equal([both, both]);
    expect(readText({ read: (buffer) => client.read(buffer, 0, 5) })).to.equal('hello');
    expect(toldTwice(poll, 1)).to.deep.equal([both, both]);
    expect(readText(client)).to.equal(' world!');
    expect(toldTwice(poll, 1)).to.deep.equal(['Writable', 'Writable']);
    client.close();
    expect(toldTwice(poll, 1)).to.deep.equal([]);
  });

  it('a UDP socket is readable until its datagrams are read, and silent once closed', () => {
    const poll = own(new Poll());
    const sender = own(UdpSocket.bind(LOCAL));
    const receiver = own(UdpSocket.bind(LOCAL));
    for (const [token, socket] of [sender, receiver].entries()) {
      poll.register(socket, token, Interest.ALL, PollOpt.LEVEL);
    }
    for (const token of [0, 1]) {
      expect(toldTwice(poll, token)).to.deep.equal(['Writable', 'Writable']);
    }
    const both = 'Readable | Writable';
    for (let round = 0; round < 2; round++) {
      sender.sendTo(bytes('hello world!'), receiver.localAddress);
      awaitReadable(receiver, poll, 1);
      expect(toldTwice(poll, 1)).to.deep.equal([both, both]);
      expect(toldTwice(poll, 0), 'the sender goes on as it was').to.deep.equal([
        'Writable',
        'Writable',
      ]);
      if (round === 1) break;
      while (receiver.recvFrom(new Uint8Array(200)) !== null);
      expect(toldTwice(poll, 1)).to.deep.equal(['Writable', 'Writable']);
    }
    receiver.close();
    expect(toldTwice(poll, 1)).to.deep.equal([]);
  });

  it('no option at all is LEVEL', () => {
    const poll = own(new Poll());
    poll.register(own(UdpSocket.bind(LOCAL)), 1, Interest.WRITABLE, 0);
    expect(toldTwice(poll, 1)).to.deep.equal(['Writable', 'Writable']);
  });

  /** Waits for the bytes elsewhere, since the poll itself is never without an event. */
  function awaitReadable(source: Source, poll: Poll, token: number): void {
    poll.deregister(source);
    awaitReady(source, Interest.READABLE);
    poll.register(source, token, BOTH, PollOpt.LEVEL);
  }
});

/**
 * mio's battery: each message of the channel is to be written to a connection,
 * which is often full; what it does not take waits in a backlog, and
 * `writable` goes on with it. The server only counts.
 */
class Battery {
  static readonly LISTENER = 0;
  static readonly CLIENT = 1;
  static readonly SERVER = 2;

  readonly #loop: EventLoop<string>;
  readonly #listener: TcpListener;
  readonly #client: TcpStream;
  readonly #own: Own;
  readonly #backlog: Uint8Array[] = [];
  readonly #buffer = Buffer.alloc(4096);
  #server: TcpStream | null = null;
  #wantedBytes: number;
  longestBacklog = 0;
  received = '';

  constructor(loop: EventLoop<string>, own: Own, wantedBytes: number) {
    this.#loop = loop;
    this.#own = own;
    this.#wantedBytes = wantedBytes;
    this.#listener = own(TcpListener.bind(LOCAL));
    this.#client = own(TcpStream.connect(this.#listener.localAddress));
    loop.register(this.#listener, Battery.LISTENER, Interest.READABLE, EDGE_ONCE);
    loop.register(this.#client, Battery.CLIENT, Interest.WRITABLE, EDGE_ONCE);
  }

  readonly handler: Handler<string> = {
    notify: (_, message) => {
      this.#backlog.push(bytes(message));
      this.longestBacklog = Math.max(this.longestBacklog, this.#backlog.length);
      // What waits goes first; and while something waits, `writable` is on its way.
      if (this.#backlog.length === 1) this.#write();
    },
    ready: (_, token, events) => {
      if (token === Battery.LISTENER) this.#accept();
      if (token === Battery.SERVER && events.isReadable) this.#read();
      if (token === Battery.CLIENT && events.isWritable) this.#write();
    },
  };

  #accept(): void {
    this.#server = this.#own(acceptFrom(this.#listener));
    this.#loop.register(this.#server, Battery.SERVER, Interest.READABLE, EDGE_ONCE);
  }

  #write(): void {
    while (this.#backlog.length > 0) {
      const [first] = this.#backlog;
      const size = this.#client.write(first) ?? 0;
      if (size === first.length) {
        this.#backlog.shift();
        continue;
      }
      this.#backlog[0] = first.subarray(size);
      this.#loop.reregister(this.#client, Battery.CLIENT, Interest.WRITABLE, EDGE_ONCE);
      return;
    }
  }

  /** Less in one event than a tick's messages have, so that the client is ahead. */
  #read(): void {
    const size = this.#server!.read(this.#buffer) ?? 0;
    this.received += this.#buffer.toString('latin1', 0, size);
    this.#wantedBytes -= size;
    if (this.#wantedBytes === 0) this.#loop.shutdown();
    else this.#loop.reregister(this.#server!, Battery.SERVER, Interest.READABLE, EDGE_ONCE);
  }
}

describeWays('as mio: how much', (way, own) => {
  it('fifty thousand messages are written to a connection that is often full', async () => {
    const messages = 50_000;
    const text = (index: number) => `message ${index}\n`.padStart(200, '.');
    const loop = way.open<string>({ notifyCapacity: 1_048_576, messagesPerTick: 64 });
    const all = Array.from({ length: messages }, (_, index) => text(index));
    const expected = all.join('');
    const battery = new Battery(loop, own, expected.length);
    for (const message of all) expect(loop.channel().send(message)).to.equal(true);
    await way.drive(loop, battery.handler);
    expect(battery.received === expected, 'all bytes, in order').to.equal(true);
    expect(battery.longestBacklog, 'some had to wait').to.be.above(1000);
    expect(loop.metrics()).to.include({ messages, refused: 0, pendingMessages: 0 });
  });

  it('16 MiB go from one end of a connection to the other, edge by edge', async () => {
    const sizeBytes = 16 * 1024 * 1024;
    const loop = way.open();
    const [client, server] = tcpPair(own);
    const block = Buffer.alloc(100_000, 'x');
    loop.register(client, 1, Interest.WRITABLE, PollOpt.EDGE);
    loop.register(server, 2, Interest.READABLE, PollOpt.EDGE);
    let sent = 0;
    let received = 0;
    await way.drive(loop, {
      ready: (l, token, events) => {
        if (token === 1 && events.isWritable) {
          while (sent < sizeBytes) {
            const size = client.write(block, 0, Math.min(block.length, sizeBytes - sent));
            if (size === null) break;
            sent += size;
          }
          if (sent === sizeBytes) client.shutdown('write');
        }
        if (token !== 2) return;
        for (;;) {
          const size = server.read(block);
          if (size === null) return;
          received += size;
          if (size > 0) continue;
          l.shutdown();
          return;
        }
      },
    });
    expect(received).to.equal(sizeBytes);
  });
});
