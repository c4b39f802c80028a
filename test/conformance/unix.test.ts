/** Unix sockets, pipes and foreign descriptors on a loop: rules S1, S2, S5, S6 and S8. */
import { expect } from 'chai';
import {
  type EventLoop,
  Interest,
  PollOpt,
  type ReadHint,
  UnixDatagram,
  UnixListener,
  UnixStream,
} from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { awaitReady, bytes, closingAfterEach, readText } from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';
import { abstractName, acceptUnix, CARRIERS, Paths, passed, unixStreams } from '../support/unix.js';

leavesNothingBehind();

const BOTH = Interest.READABLE | Interest.WRITABLE;
const BIG_BYTES = 1 << 20;

describeWays('Unix sources', (way, own) => {
  for (const [name, open] of Object.entries(CARRIERS)) {
    for (const opt of [PollOpt.LEVEL, PollOpt.EDGE]) {
      const mode = opt === PollOpt.EDGE ? 'EDGE' : 'LEVEL';

      it(`S6: ${name} carries all bytes in order, though often full (${mode})`, async () => {
        const loop = way.open();
        const [reader, writer] = open(own);
        const sent = Buffer.alloc(BIG_BYTES, '0123456789abcdefghijklmnopqrstuvwxyz');
        const received = Buffer.alloc(sent.length + 1);
        let writeAt = 0;
        let readAt = 0;
        loop.register(writer, 1, Interest.WRITABLE, opt);
        loop.register(reader, 2, Interest.READABLE, opt);
        await way.drive(loop, {
          writable: () => {
            while (writeAt < sent.length) {
              const size = writer.write(sent, writeAt);
              if (size === null) return;
              writeAt += size;
            }
            writer.close();
          },
          readable: (l, token) => {
            if (token === 1) return;
            for (;;) {
              const size = reader.read(received, readAt);
              if (size === null) return;
              if (size === 0) {
                l.shutdown();
                return;
              }
              readAt += size;
            }
          },
        });
        expect(readAt).to.equal(sent.length);
        expect(received.subarray(0, readAt).equals(sent)).to.equal(true);
      });
    }

    it(`S5: ${name} tells once an edge, and again after draining to null`, async () => {
      const loop = way.open();
      const [reader, writer] = open(own);
      loop.register(reader, 1, Interest.READABLE, PollOpt.EDGE);
      writer.write(bytes('0'));
      let got = '';
      let calls = 0;
      await way.drive(loop, {
        readable: (l) => {
          calls += 1;
          for (let text = readText(reader); text !== null; text = readText(reader)) got += text;
          if (got.length === 20) l.shutdown();
          else writer.write(bytes(String(got.length % 10)));
        },
      });
      expect(got).to.equal('0123456789'.repeat(2));
      expect(calls).to.equal(20);
    });

    it(`S6: ${name} gives the last words first, then the end`, async () => {
      const loop = way.open();
      const [reader, writer] = open(own);
      loop.register(reader, 1);
      writer.write(bytes('last words'));
      writer.close();
      const got: (string | null)[] = [];
      await way.drive(loop, {
        readable: (l) => {
          const text = readText(reader);
          got.push(text);
          if (text === '') l.shutdown();
        },
      });
      expect(got).to.deep.equal(['last words', '']);
    });

    it(`S2, S8: ${name} tells the writer that nobody reads, and write() throws EPIPE`, async () => {
      const loop = way.open();
      const [reader, writer] = open(own);
      loop.register(writer, 1, Interest.WRITABLE, PollOpt.EDGE);
      loop.channel().send('close');
      let hint: ReadHint | null = null;
      await way.drive(loop, {
        notify: () => reader.close(),
        readable: (l, token, why) => {
          expect(token).to.equal(1);
          hint = why;
          l.shutdown();
        },
      });
      expect(hint).to.satisfy(({ isHup, isError }: ReadHint) => isHup || isError);
      const error = thrownBy(() => writer.write(bytes('x')));
      expect(error).to.include({ code: 'EPIPE', syscall: 'write' });
    });
  }

  for (const [kind, address] of [
    ['a path', (paths: Paths) => paths.next()],
    ['an abstract name', abstractName],
  ] as const) {
    if (kind === 'an abstract name' && process.platform !== 'linux') continue;

    it(`S1, S6: ${kind} is listened on, connected to and spoken through`, async () => {
      const loop = way.open();
      const paths = own(new Paths());
      const listener = own(UnixListener.bind(address(paths)));
      const client = own(UnixStream.connect(listener.localAddress));
      let server: UnixStream | null = null;
      let got = '';
      loop.register(listener, 1);
      loop.register(client, 2, BOTH, PollOpt.EDGE);
      await way.drive(loop, {
        readable: (l, token) => {
          if (token === 1) {
            server = own(listener.accept()!);
            expect(listener.accept()).to.equal(null);
            l.register(server, 3);
          } else if (token === 3) {
            server!.writev([bytes('you said: '), bytes(readText(server!) ?? '')]);
          } else {
            got += readText(client) ?? '';
            if (got.endsWith('hello')) l.shutdown();
          }
        },
        writable: () => {
          expect(client.takeError()).to.equal(null);
          if (got === '') client.write(bytes('hello'));
        },
      });
      expect(got).to.match(/^(you said: hello)+$/);
      expect(client.peerAddress).to.deep.equal(listener.localAddress);
      expect(client.localAddress).to.deep.equal({ path: null });
    });

    it(`S6: datagrams to ${kind} arrive one by one, with where they are from`, async () => {
      const loop = way.open();
      const paths = own(new Paths());
      const left = own(UnixDatagram.bind(address(paths)));
      const right = own(UnixDatagram.bind(address(paths)));
      const nameless = own(UnixDatagram.unbound());
      loop.register(right, 1, Interest.READABLE, PollOpt.EDGE);
      expect(left.sendTo(bytes('one'), right.localAddress)).to.equal(3);
      expect(left.sendTo(bytes(''), right.localAddress)).to.equal(0);
      expect(nameless.sendTo(bytes('three times too long'), right.localAddress)).to.equal(20);
      const got: unknown[] = [];
      const buffer = Buffer.alloc(5);
      await way.drive(loop, {
        readable: (l) => {
          for (;;) {
            const datagram = right.recvFrom(buffer);
            if (datagram === null) break;
            got.push({ ...datagram, text: buffer.toString('utf8', 0, datagram.size) });
          }
          if (got.length === 3) l.shutdown();
        },
      });
      const from = left.localAddress;
      expect(got).to.deep.equal([
        { size: 3, address: from, truncated: false, text: 'one' },
        { size: 0, address: from, truncated: false, text: '' },
        { size: 5, address: { path: null }, truncated: true, text: 'three' },
      ]);
    });
  }

  it('S5: a datagram pair that is full is writable again once it was read', async () => {
    const loop = way.open();
    const [left, right] = UnixDatagram.pair().map(own) as [UnixDatagram, UnixDatagram];
    let sent = 0;
    let received = 0;
    loop.register(left, 1, Interest.WRITABLE, PollOpt.EDGE);
    loop.register(right, 2, Interest.READABLE, PollOpt.LEVEL);
    await way.drive(loop, {
      writable: () => {
        while (sent < 1000 && left.send(bytes('datagram')) !== null) sent += 1;
      },
      readable: (l, token) => {
        if (token === 1) return;
        received += right.recv(Buffer.alloc(16)) === null ? 0 : 1;
        if (received === 1000) l.shutdown();
      },
    });
    expect(sent).to.equal(1000);
  });

  it('S6: a descriptor arrives with its bytes, registers, and is told of by the loop', async () => {
    const loop = way.open();
    const [left, right] = unixStreams(own);
    const [inner, outer] = unixStreams(own);
    loop.register(right, 1);
    expect(left.sendFd(bytes('take this'), inner)).to.equal(9);
    // The sender keeps its own, and closing it takes nothing from the receiver.
    expect(inner.closed).to.equal(false);
    inner.close();
    outer.write(bytes('through the descriptor'));
    let text = '';
    let source: ReturnType<typeof passed> | null = null;
    await way.drive(loop, {
      readable: (l, token) => {
        const buffer = Buffer.alloc(64);
        if (token === 1) {
          const message = right.recvFd(buffer)!;
          expect(message).to.include({ size: 9, lost: false });
          source = own(message.source!);
          l.register(source, 2);
        } else {
          text = readText(source!) ?? '';
          l.shutdown();
        }
      },
    });
    expect(text).to.equal('through the descriptor');
    expect(right.recvFd(Buffer.alloc(8))).to.equal(null);
  });

  it('S6: a full stream refuses bytes and descriptor alike, and goes on later', async () => {
    const loop = way.open();
    const [left, right] = unixStreams(own);
    const block = Buffer.alloc(1 << 16);
    let filled = 0;
    for (let size = left.write(block); size !== null; size = left.write(block)) filled += size;
    expect(left.sendFd(bytes('x'), left)).to.equal(null);
    loop.register(left, 1, Interest.WRITABLE, PollOpt.EDGE);
    loop.channel().send('drain');
    await way.drive(loop, {
      notify: () => {
        while (filled > 0) filled -= right.read(block) ?? 0;
      },
      writable: (l: EventLoop) => {
        if (left.sendFd(bytes('x'), left) !== null) l.shutdown();
      },
    });
    const message = right.recvFd(block)!;
    own(message.source!);
    expect(message.size).to.equal(1);
  });
});

describe('several buffers at once', () => {
  const own = closingAfterEach();

  for (const [name, open] of Object.entries(CARRIERS)) {
    it(`S6: ${name} takes them in order, the first 1024 of more, and null when full`, () => {
      const [reader, writer] = open(own);
      expect(writer.writev([bytes('one, '), bytes(''), bytes('two')])).to.equal(8);
      awaitReady(reader, Interest.READABLE);
      expect(readText(reader)).to.equal('one, two');
      const letters = Array.from({ length: 1030 }, (_, index) => bytes(String(index % 10)));
      expect(writer.writev(letters)).to.equal(1024);
      awaitReady(reader, Interest.READABLE);
      expect(readText(reader)).to.equal('0123456789'.repeat(103).slice(0, 1024));
      const block = new Uint8Array(1 << 16);
      let filled = 0;
      for (let size = writer.writev([block, block]); size !== null; ) {
        filled += size;
        size = writer.writev([block, block]);
      }
      expect(filled).to.be.above(0);
      // What it told of would-block, a loop can tell the end of.
      while (filled > 0) filled -= reader.read(block) ?? 0;
      awaitReady(writer, Interest.WRITABLE);
      expect(writer.writev([bytes('more')])).to.equal(4);
      writer.close();
      expect(thrownBy(() => writer.writev([bytes('late')])).code).to.equal('ERR_SOURCE_CLOSED');
    });
  }
});

describe('Unix listeners without a loop', () => {
  it('S6: what waits is taken in the order in which it came', () => {
    using paths = new Paths();
    using listener = UnixListener.bind(paths.next());
    using first = UnixStream.connect(listener.localAddress);
    using second = UnixStream.connect(listener.localAddress);
    first.write(bytes('first'));
    second.write(bytes('second'));
    for (const expected of ['first', 'second']) {
      using server = acceptUnix(listener);
      awaitReady(server, Interest.READABLE);
      expect(readText(server)).to.equal(expected);
    }
  });
});
