/** Sources and their events: rules S1, S2, S4, S5 and S6, on real sockets. */
import { expect } from 'chai';
import {
  EventLoop,
  type EventSet,
  type Handler,
  Interest,
  PollOpt,
  type ReadHint,
  type Source,
  TcpListener,
  TcpStream,
  UdpSocket,
} from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays, UNHURRIED_MS } from '../support/loops.js';
import {
  acceptFrom,
  awaitReady,
  bytes,
  readText,
  refusingAddress,
  reset,
  tcpPair,
  udpPair,
} from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const BOTH = Interest.READABLE | Interest.WRITABLE;

/** What a handler saw, with what it does about it. */
interface Seen {
  log: string[];
  handler: Handler<string, string>;
}

function seen(more: Handler<string, string> = {}): Seen {
  const log: string[] = [];
  const handler: Handler<string, string> = {
    readable: (loop, token, hint) => {
      log.push(`readable ${token}${describeHint(hint)}`);
      more.readable?.(loop, token, hint);
    },
    writable: (loop, token) => {
      log.push(`writable ${token}`);
      more.writable?.(loop, token);
    },
    timeout: (loop, payload, late) => {
      log.push(`timeout ${payload}`);
      more.timeout?.(loop, payload, late);
    },
    notify: (loop, message) => {
      log.push(`notify ${message}`);
      more.notify?.(loop, message);
    },
  };
  if (more.tick !== undefined) handler.tick = more.tick;
  return { log, handler };
}

function describeHint({ isData, isHup, isError }: ReadHint): string {
  return `${isData ? ' data' : ''}${isHup ? ' hup' : ''}${isError ? ' error' : ''}`;
}

/** Ticks until nothing more is delivered, 0 ms each. */
function settle(
  loop: EventLoop<string, string>,
  handler: Handler<string, string>,
  ticks = 4,
): void {
  for (let i = 0; i < ticks; i++) loop.runOnce(handler, 0);
}

describeWays('sources', (way, own) => {
  it('S1: register() asks for READABLE and LEVEL unless told otherwise', async () => {
    const loop = way.open();
    const [left, right] = udpPair(own);
    loop.register(right, 1);
    left.send(bytes('a'));
    let calls = 0;
    await way.drive(loop, {
      readable: (l) => {
        // Never read: LEVEL goes on telling.
        calls += 1;
        if (calls === 5) l.shutdown();
      },
      writable: () => expect.fail('nobody asked for WRITABLE'),
    });
    expect(calls).to.equal(5);
  });

  it('S2: readable() comes before writable(), once each per poll', async () => {
    const loop = way.open<string, string>();
    const [left, right] = udpPair(own);
    left.send(bytes('a'));
    awaitReady(right, Interest.READABLE);
    loop.register(right, 7, BOTH);
    const { log, handler } = seen({ tick: (l) => l.shutdown() });
    await way.drive(loop, handler);
    expect(log).to.deep.equal(['readable 7 data', 'writable 7']);
  });

  it('S2: ready() takes their place, with the merged set', async () => {
    const loop = way.open();
    const [left, right] = udpPair(own);
    left.send(bytes('a'));
    awaitReady(right, Interest.READABLE);
    loop.register(right, 7, BOTH);
    const sets: EventSet[] = [];
    await way.drive(loop, {
      ready: (l, token, events) => {
        expect(token).to.equal(7);
        sets.push(events);
        l.shutdown();
      },
      readable: () => expect.fail('readable() beside ready()'),
      writable: () => expect.fail('writable() beside ready()'),
    });
    expect(sets.map(String)).to.deep.equal(['Readable | Writable']);
    expect(sets[0]?.contains(BOTH)).to.equal(true);
  });

  const withdrawals: [string, (loop: EventLoop<string, string>, source: Source) => void][] = [
    ['deregister()', (loop, source) => loop.deregister(source)],
    ['close()', (_, source) => source.close()],
    ['reregister() without WRITABLE', (l, source) => l.reregister(source, 1, Interest.READABLE)],
  ];
  for (const [name, withdraw] of withdrawals) {
    it(`S2: writable() is skipped after ${name} in readable()`, async () => {
      const loop = way.open<string, string>();
      const [left, right] = udpPair(own);
      left.send(bytes('a'));
      awaitReady(right, Interest.READABLE);
      loop.register(right, 1, BOTH);
      const { log, handler } = seen({
        readable: (l) => withdraw(l, right),
        tick: (l) => l.shutdown(),
      });
      await way.drive(loop, handler);
      expect(log).to.deep.equal(['readable 1 data']);
    });
  }

  it('S2: writable() follows after reregister() with WRITABLE in readable()', async () => {
    const loop = way.open<string, string>();
    const [left, right] = udpPair(own);
    left.send(bytes('a'));
    awaitReady(right, Interest.READABLE);
    loop.register(right, 1, BOTH);
    const { log, handler } = seen({
      readable: (l) => l.reregister(right, 2, BOTH),
      tick: (l) => l.shutdown(),
    });
    await way.drive(loop, handler);
    expect(log).to.deep.equal(['readable 1 data', 'writable 2']);
  });

  for (const [name, opt] of [
    ['EDGE', PollOpt.EDGE],
    ['ONESHOT', PollOpt.ONESHOT],
  ] as const) {
    it(`S5: reregister() in readable() drops the other half: ${name} tells it once`, async () => {
      const loop = way.open<string, string>();
      const [left, right] = udpPair(own);
      left.send(bytes('a'));
      awaitReady(right, Interest.READABLE);
      loop.register(right, 1, BOTH, opt);
      loop.timeout('silence', 20);
      const { log, handler } = seen({
        readable: (l) => {
          right.recv(Buffer.alloc(8));
          l.reregister(right, 2, BOTH, opt);
        },
        timeout: (l) => l.shutdown(),
      });
      await way.drive(loop, handler);
      expect(log).to.deep.equal(['readable 1 data', 'writable 2', 'timeout silence']);
    });
  }

  it('S2: a reset reaches readable() without READABLE interest, with the hint', async () => {
    const loop = way.open();
    const [client, server] = tcpPair(own);
    reset(client);
    awaitReady(server, Interest.READABLE);
    loop.register(server, 3, Interest.WRITABLE);
    const hints: ReadHint[] = [];
    await way.drive(loop, {
      readable: (l, token, hint) => {
        expect(token).to.equal(3);
        hints.push(hint);
        l.shutdown();
      },
    });
    expect(hints[0]).to.include({ isData: false, isError: true, isHup: true });
  });

  it('S2: ready() is told of ERROR and HUP that nobody asked for', async () => {
    const loop = way.open();
    const [client, server] = tcpPair(own);
    reset(client);
    awaitReady(server, Interest.READABLE);
    loop.register(server, 3, Interest.WRITABLE);
    let set: EventSet | undefined;
    await way.drive(loop, {
      ready: (l, _, events) => {
        set = events;
        l.shutdown();
      },
    });
    expect(set).to.include({ isError: true, isHup: true, isReadable: false });
  });

  it('S2, S6: the peer closing its half is data and a hang-up, to who reads', async () => {
    const loop = way.open<string, string>();
    const [client, server] = tcpPair(own);
    loop.register(server, 3, Interest.READABLE);
    client.shutdown('write');
    const { log, handler } = seen({ readable: (l) => l.shutdown() });
    await way.drive(loop, handler);
    expect(log).to.deep.equal(['readable 3 data hup']);
    expect(readText(server)).to.equal('');
  });

  it('S5: HUP alone can be asked for: it is silent on data, and told of the hang-up', async () => {
    const loop = way.open<string, string>();
    const [client, server] = tcpPair(own);
    loop.register(server, 3, Interest.HUP);
    client.write(bytes('a'));
    loop.timeout('silence', 20);
    const { log, handler } = seen({
      timeout: () => client.shutdown('write'),
      readable: (l) => l.shutdown(),
    });
    await way.drive(loop, handler);
    expect(log).to.deep.equal(['timeout silence', 'readable 3 hup']);
  });

  it('S4: states that do not fit are refused by name', async () => {
    const loop = way.open();
    const other = way.open();
    const source = own(UdpSocket.bind('127.0.0.1:0'));
    const codeOf = (action: () => unknown) => thrownBy(action).code;
    expect(codeOf(() => loop.deregister(source))).to.equal('ERR_SOURCE_NOT_REGISTERED');
    expect(codeOf(() => loop.reregister(source, 1, 1))).to.equal('ERR_SOURCE_NOT_REGISTERED');
    loop.register(source, 1);
    expect(codeOf(() => loop.register(source, 1))).to.equal('ERR_SOURCE_REGISTERED');
    expect(codeOf(() => other.register(source, 1))).to.equal('ERR_SOURCE_REGISTERED');
    expect(codeOf(() => other.reregister(source, 1, 1))).to.equal('ERR_SOURCE_NOT_REGISTERED');
    expect(codeOf(() => other.deregister(source))).to.equal('ERR_SOURCE_NOT_REGISTERED');
    expect(thrownBy(() => loop.reregister(source, 1, Interest.NONE))).to.be.instanceOf(RangeError);
    source.close();
    expect(codeOf(() => loop.register(source, 1))).to.equal('ERR_SOURCE_CLOSED');
    expect(codeOf(() => loop.reregister(source, 1, 1))).to.equal('ERR_SOURCE_CLOSED');
    expect(codeOf(() => loop.deregister(source))).to.equal('ERR_SOURCE_CLOSED');
  });

  it('S4: two sources may share a token, and any safe integer will do', async () => {
    const loop = way.open();
    const tokens = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    for (const token of tokens) {
      const [left, right] = udpPair(own);
      loop.register(right, token);
      left.send(bytes('a'));
    }
    const got: number[] = [];
    await way.drive(loop, {
      readable: (l, token) => {
        got.push(token);
        if (got.length >= tokens.length) l.shutdown();
      },
    });
    expect(got.slice(0, 3).toSorted((a, b) => a - b)).to.deep.equal(tokens);
  });

  it('S5: LEVEL goes on for as long as there is something to read', async () => {
    const loop = way.open();
    const [left, right] = udpPair(own);
    loop.register(right, 1, Interest.READABLE, PollOpt.LEVEL);
    for (const text of ['a', 'b', 'c']) left.send(bytes(text));
    const got: string[] = [];
    await way.drive(loop, {
      readable: (l) => {
        const buffer = Buffer.alloc(8);
        got.push(buffer.toString('utf8', 0, right.recv(buffer) ?? 0));
        if (got.length === 3) l.shutdown();
      },
    });
    expect(got).to.deep.equal(['a', 'b', 'c']);
  });

  it('S5: EDGE tells once for each edge', async () => {
    const loop = way.open<string, string>();
    const [client, server] = tcpPair(own);
    loop.register(server, 1, Interest.READABLE, PollOpt.EDGE);
    const { log, handler } = seen({ timeout: (l) => l.shutdown() });
    client.write(bytes('a'));
    loop.timeout('enough', 30);
    await way.drive(loop, handler);
    expect(log).to.deep.equal(['readable 1 data', 'timeout enough']);
  });

  it('S5: EDGE tells again after draining to null', async () => {
    const loop = way.open();
    const [client, server] = tcpPair(own);
    loop.register(server, 1, Interest.READABLE, PollOpt.EDGE);
    client.write(bytes('0'));
    let got = '';
    await way.drive(loop, {
      readable: (l) => {
        for (let text = readText(server); text !== null; text = readText(server)) got += text;
        if (got.length === 100) l.shutdown();
        else client.write(bytes(String(got.length % 10)));
      },
    });
    expect(got).to.equal('0123456789'.repeat(10));
  });

  it('S5: EDGE | LEVEL is LEVEL', async () => {
    const loop = way.open();
    const [left, right] = udpPair(own);
    loop.register(right, 1, Interest.READABLE, PollOpt.EDGE | PollOpt.LEVEL);
    left.send(bytes('a'));
    let calls = 0;
    await way.drive(loop, {
      readable: (l) => {
        calls += 1;
        if (calls === 3) l.shutdown();
      },
    });
  });

  for (const opt of [PollOpt.LEVEL, PollOpt.EDGE]) {
    const name = opt === PollOpt.EDGE ? 'EDGE' : 'LEVEL';

    it(`S5: ${name} | ONESHOT is silent after the first event, until reregister()`, async () => {
      const loop = way.open<string, string>();
      const [left, right] = udpPair(own);
      loop.register(right, 1, Interest.READABLE, opt | PollOpt.ONESHOT);
      left.send(bytes('a'));
      const { log, handler } = seen({
        readable: (l, token) => void l.timeout(token === 1 ? 'again' : 'enough', 20),
        timeout: (l, payload) => {
          if (payload === 'again') l.reregister(right, 2, Interest.READABLE, opt | PollOpt.ONESHOT);
          else l.shutdown();
        },
      });
      await way.drive(loop, handler);
      const expected = ['readable 1 data', 'timeout again', 'readable 2 data', 'timeout enough'];
      expect(log).to.deep.equal(expected);
    });

    it(`S5: reregister() evaluates afresh under ${name}: what is ready is told again`, async () => {
      const loop = way.open();
      const [left, right] = udpPair(own);
      loop.register(right, 0, Interest.READABLE, opt);
      left.send(bytes('a'));
      const tokens: number[] = [];
      await way.drive(loop, {
        readable: (l, token) => {
          tokens.push(token);
          if (token === 4) l.shutdown();
          else l.reregister(right, token + 1, Interest.READABLE, opt);
        },
      });
      expect(tokens).to.deep.equal([0, 1, 2, 3, 4]);
    });
  }

  it('S5: reregister() drops the event that was fetched under the old generation', async () => {
    const loop = way.open<string, string>({ tickBudgetMs: UNHURRIED_MS });
    const [, left] = udpPair(own);
    const [, right] = udpPair(own);
    loop.register(left, 1, Interest.WRITABLE, PollOpt.EDGE);
    loop.register(right, 1, Interest.WRITABLE, PollOpt.EDGE);
    // Whoever of the two comes first turns the other one's interest to reading.
    let calls = 0;
    await way.drive(loop, {
      writable: (l) => {
        calls += 1;
        for (const source of [left, right]) l.reregister(source, 2, Interest.READABLE);
        l.shutdown();
      },
    });
    expect(calls).to.equal(1);
    expect(loop.metrics().staleEvents).to.equal(1);
  });

  it('L2, S5: what reregister() dropped is told again before a timeout that was due', async () => {
    const loop = way.open<string, string>({ tickBudgetMs: UNHURRIED_MS });
    const pairs = [udpPair(own), udpPair(own)];
    for (const [index, [left, right]] of pairs.entries()) {
      left.send(bytes('a'));
      awaitReady(right, Interest.READABLE);
      loop.register(right, index);
    }
    const election = loop.timeout('stale', 0);
    const told: number[] = [];
    await way.drive(loop, {
      readable: (l, token) => {
        told.push(token);
        pairs[token]?.[1].recv(Buffer.alloc(8));
        if (told.length === 1) l.reregister(pairs[1 - token][1], 1 - token, Interest.READABLE);
        else expect(l.clearTimeout(election)).to.equal(true);
        if (told.length === 2) l.shutdown();
      },
      timeout: () => expect.fail('a stale timeout'),
    });
    expect(told).to.have.members([0, 1]);
  });

  it('S6: data comes first, then the end', async () => {
    const loop = way.open();
    const [client, server] = tcpPair(own);
    loop.register(server, 1);
    client.write(bytes('last words'));
    client.close();
    const got: (string | null)[] = [];
    await way.drive(loop, {
      readable: (l) => {
        const text = readText(server);
        got.push(text);
        if (text === '') l.shutdown();
      },
    });
    expect(got).to.deep.equal(['last words', '']);
  });

  it('S6: a half-closed connection still carries the answer', async () => {
    const loop = way.open();
    const [client, server] = tcpPair(own);
    loop.register(server, 1);
    loop.register(client, 2);
    client.write(bytes('question'));
    client.shutdown('write');
    const got: Record<number, string> = { 1: '', 2: '' };
    await way.drive(loop, {
      readable: (l, token) => {
        const source = token === 1 ? server : client;
        const text = readText(source);
        if (text === '' && token === 1) {
          server.write(bytes(`${got[1]}, answered`));
          server.close();
        } else if (text === '') {
          l.shutdown();
        } else {
          got[token] += text ?? '';
        }
      },
    });
    expect(got[2]).to.equal('question, answered');
  });

  it('S6: a refused connect is an ERROR event, with the cause in takeError()', async () => {
    const loop = way.open();
    const target = refusingAddress();
    const stream = own(TcpStream.connect(target));
    loop.register(stream, 1, BOTH);
    let error: Error | null = null;
    await way.drive(loop, {
      readable: (l, _, hint) => {
        expect(hint.isError).to.equal(true);
        error = stream.takeError();
        stream.close();
        l.shutdown();
      },
      writable: () => expect.fail('writable() on a connection that was refused'),
    });
    const [address, port] = target.split(':');
    expect(error).to.include({ code: 'ECONNREFUSED', syscall: 'connect', address });
    expect(error).to.have.property('port', Number(port));
  });

  it('S6: the first writable() says that the connection is there', async () => {
    const loop = way.open();
    const listener = own(TcpListener.bind('127.0.0.1:0'));
    const stream = own(TcpStream.connect(listener.localAddress));
    loop.register(stream, 1, BOTH);
    await way.drive(loop, {
      readable: () => expect.fail('nothing was sent'),
      writable: (l) => {
        expect(stream.takeError()).to.equal(null);
        expect(stream.peerAddress).to.deep.equal(listener.localAddress);
        l.shutdown();
      },
    });
    const server = own(acceptFrom(listener));
    expect(server.peerAddress).to.deep.equal(stream.localAddress);
  });

  it('S6: after a reset, read() throws ECONNRESET and write() EPIPE', async () => {
    const loop = way.open();
    const [client, server] = tcpPair(own);
    loop.register(server, 1);
    reset(client);
    const codes: (string | undefined)[] = [];
    await way.drive(loop, {
      readable: (l) => {
        codes.push(thrownBy(() => server.read(Buffer.alloc(8))).code);
        codes.push(thrownBy(() => server.write(bytes('a'))).code);
        server.close();
        l.shutdown();
      },
    });
    expect(codes).to.deep.equal(['ECONNRESET', 'EPIPE']);
  });

  it('S6: would-block is null, for read(), accept(), recvFrom() and a full write()', () => {
    const listener = own(TcpListener.bind('127.0.0.1:0'));
    const [client, server] = tcpPair(own);
    const [udp] = udpPair(own);
    expect(listener.accept()).to.equal(null);
    expect(client.read(Buffer.alloc(8))).to.equal(null);
    expect(udp.recvFrom(Buffer.alloc(8))).to.equal(null);
    expect(udp.recv(Buffer.alloc(8))).to.equal(null);
    const block = Buffer.alloc(1 << 20);
    let written = 0;
    for (let size = client.write(block); size !== null; size = client.write(block)) written += size;
    expect(written).to.be.above(0);
    expect(client.writev([block, block])).to.equal(null);
    let read = 0;
    while (read < written) {
      awaitReady(server, Interest.READABLE);
      read += server.read(block) ?? 0;
    }
    expect(read).to.equal(written);
  });

  it('S6: all bytes arrive, in order, through a connection that is often full', async () => {
    const loop = way.open();
    const [client, server] = tcpPair(own);
    const sent = Buffer.alloc(8 << 20, '0123456789abcdefghijklmnopqrstuvwxyz');
    const received = Buffer.alloc(sent.length);
    let writeAt = 0;
    let readAt = 0;
    loop.register(client, 1, Interest.WRITABLE, PollOpt.EDGE);
    loop.register(server, 2, Interest.READABLE, PollOpt.EDGE);
    await way.drive(loop, {
      writable: () => {
        while (writeAt < sent.length) {
          const size = client.write(sent.subarray(writeAt));
          if (size === null) return;
          writeAt += size;
        }
        client.shutdown('write');
      },
      readable: (l) => {
        for (;;) {
          const room = readAt < received.length ? received.subarray(readAt) : Buffer.alloc(1);
          const size = server.read(room);
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
    expect(received.equals(sent)).to.equal(true);
  });
});

describe('sources, tick by tick', () => {
  it('S2: a throw in readable() leaves writable() of the same event to the next run', () => {
    using loop = new EventLoop<string, string>();
    using source = UdpSocket.bind('127.0.0.1:0');
    using peer = UdpSocket.bind('127.0.0.1:0');
    peer.sendTo(bytes('a'), source.localAddress);
    awaitReady(source, Interest.READABLE);
    loop.register(source, 1, BOTH, PollOpt.EDGE);
    const failing = seen({
      readable: () => {
        throw new Error('planned');
      },
    });
    expect(thrownBy(() => loop.runOnce(failing.handler, 0)).message).to.equal('planned');
    const { log, handler } = seen();
    settle(loop, handler);
    expect(log).to.deep.equal(['writable 1']);
  });
});
