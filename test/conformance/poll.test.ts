/** Poll on its own: the rules of sources S1 to S7 where the caller writes the loop. */
import { constants } from 'node:os';
import { expect } from 'chai';
import { Interest, Poll, PollOpt, TcpListener, TcpStream, UdpSocket } from '../../src/index.js';
import { binding } from '../../src/poll/binding.js';
import { leavesNothingBehind } from '../support/leaks.js';
import {
  awaitReady,
  bytes,
  closingAfterEach,
  readText,
  tcpPair,
  udpPair,
} from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const BOTH = Interest.READABLE | Interest.WRITABLE;
const LONG_MS = 5000;

describe('Poll', () => {
  const own = closingAfterEach();

  afterEach(() => binding.clearFaults());

  /** The events of one poll, as text, by token. */
  function eventsOf(poll: Poll, timeoutMs = 0): string[] {
    const count = poll.poll(timeoutMs);
    const events = Array.from({ length: count }, (_, index) => poll.event(index));
    return events.map(({ token, kind }) => `${token} ${String(kind)}`).toSorted();
  }

  it('LEVEL reports as long as the condition holds', () => {
    const poll = own(new Poll());
    const [client, server] = tcpPair(own);
    poll.register(server, 1);
    expect(eventsOf(poll)).to.deep.equal([]);
    client.write(bytes('a'));
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(['1 Readable']);
    expect(eventsOf(poll)).to.deep.equal(['1 Readable']);
    expect(readText(server)).to.equal('a');
    expect(eventsOf(poll)).to.deep.equal([]);
  });

  it('EDGE reports once for each edge, and again after a drain', () => {
    const poll = own(new Poll());
    const [client, server] = tcpPair(own);
    poll.register(server, 1, Interest.READABLE, PollOpt.EDGE);
    client.write(bytes('a'));
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(['1 Readable']);
    expect(eventsOf(poll)).to.deep.equal([]);
    expect(readText(server)).to.equal('a');
    expect(readText(server)).to.equal(null);
    expect(eventsOf(poll)).to.deep.equal([]);
    client.write(bytes('b'));
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(['1 Readable']);
  });

  it('EDGE on both directions: writable is told once, readable when it comes', () => {
    const poll = own(new Poll());
    const [client, server] = tcpPair(own);
    poll.register(server, 1, BOTH, PollOpt.EDGE);
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(['1 Writable']);
    expect(eventsOf(poll)).to.deep.equal([]);
    client.write(bytes('a'));
    expect(eventsOf(poll, LONG_MS)[0]).to.match(/^1 Readable/);
    expect(eventsOf(poll)).to.deep.equal([]);
  });

  it('ONESHOT reports once, until reregister()', () => {
    const poll = own(new Poll());
    const [left, right] = udpPair(own);
    poll.register(right, 1, Interest.READABLE, PollOpt.ONESHOT);
    left.send(bytes('a'));
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(['1 Readable']);
    left.send(bytes('b'));
    expect(eventsOf(poll)).to.deep.equal([]);
    poll.reregister(right, 2, Interest.READABLE, PollOpt.ONESHOT | PollOpt.EDGE);
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(['2 Readable']);
    expect(eventsOf(poll)).to.deep.equal([]);
  });

  it('LEVEL, EDGE and ONESHOT side by side in one poll', () => {
    const poll = own(new Poll());
    const opts = [PollOpt.LEVEL, PollOpt.EDGE, PollOpt.ONESHOT, PollOpt.EDGE | PollOpt.LEVEL];
    for (const [token, opt] of opts.entries()) {
      poll.register(own(UdpSocket.bind('127.0.0.1:0')), token, Interest.WRITABLE, opt);
    }
    const all = opts.map((_, token) => `${token} Writable`);
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(all);
    expect(eventsOf(poll)).to.deep.equal(['0 Writable', '3 Writable']);
  });

  it('an event of a source that has gone since is empty, and keeps its token', () => {
    const poll = own(new Poll());
    const sources = [10, 11, 12, 13].map((token) => {
      const source = own(UdpSocket.bind('127.0.0.1:0'));
      poll.register(source, token, Interest.WRITABLE);
      return source;
    });
    expect(poll.poll(LONG_MS)).to.equal(4);
    poll.deregister(sources[0]);
    sources[1].close();
    poll.reregister(sources[2], 99, Interest.WRITABLE);
    const successor = own(UdpSocket.bind('127.0.0.1:0'));
    poll.register(successor, 77, Interest.WRITABLE);
    const events = [0, 1, 2, 3].map((index) => poll.event(index));
    const shown = events.map(({ token, kind }) => `${token} ${String(kind)}`).toSorted();
    expect(shown).to.deep.equal(['10 (empty)', '11 (empty)', '12 (empty)', '13 Writable']);
    expect(eventsOf(poll)).to.deep.equal(['13 Writable', '77 Writable', '99 Writable']);
  });

  it('fetches at most eventsCapacity, and every source in its turn', () => {
    const poll = own(new Poll({ eventsCapacity: 3 }));
    for (let token = 0; token < 8; token++) {
      const source = own(UdpSocket.bind('127.0.0.1:0'));
      poll.register(source, token, Interest.WRITABLE, PollOpt.ONESHOT);
    }
    const batches = [eventsOf(poll), eventsOf(poll), eventsOf(poll), eventsOf(poll)];
    expect(batches.flat().length).to.equal(8);
    expect(new Set(batches.flat()).size).to.equal(8);
    expect(Math.max(...batches.map(({ length }) => length))).to.be.at.most(3);
  });

  it('waits for as long as it is told, and not at all for 0', () => {
    const poll = own(new Poll());
    poll.register(own(UdpSocket.bind('127.0.0.1:0')), 1);
    // A signal ends a wait, too: here that of a child which an earlier test had.
    const waitMs = () => {
      const startMs = performance.now();
      expect(poll.poll(15)).to.equal(0);
      return performance.now() - startMs;
    };
    expect(Math.max(waitMs(), waitMs(), waitMs())).to.be.at.least(15);
    expect(poll.poll(0)).to.equal(0);
    expect(poll.poll(0.1)).to.equal(0);
  });

  it('a wait ends when a connection comes', () => {
    const poll = own(new Poll());
    const listener = own(TcpListener.bind('127.0.0.1:0'));
    poll.register(listener, 5);
    own(TcpStream.connect(listener.localAddress));
    expect(eventsOf(poll, LONG_MS)).to.deep.equal(['5 Readable']);
    own(listener.accept()!);
    expect(listener.accept()).to.equal(null);
  });

  for (const opt of [PollOpt.LEVEL, PollOpt.EDGE]) {
    const name = opt === PollOpt.EDGE ? 'EDGE' : 'LEVEL';

    it(`S7: wakes by itself for a listener that ran out of descriptors, under ${name}`, () => {
      const poll = own(new Poll());
      const listener = own(TcpListener.bind('127.0.0.1:0'));
      poll.register(listener, 5, Interest.READABLE, opt);
      own(TcpStream.connect(listener.localAddress));
      expect(eventsOf(poll, LONG_MS)).to.deep.equal(['5 Readable']);
      binding.injectFault('accept', 1, 1, constants.errno.EMFILE);
      expect(listener.accept()).to.equal(null);
      expect(eventsOf(poll, 0)).to.deep.equal([]);
      const startMs = performance.now();
      expect(eventsOf(poll, LONG_MS)).to.deep.equal(['5 Readable']);
      expect(performance.now() - startMs).to.be.below(LONG_MS / 2);
      own(listener.accept()!);
    });
  }

  it('S7: an accept that nobody would wake throws what the system said', () => {
    const listener = own(TcpListener.bind('127.0.0.1:0'));
    own(TcpStream.connect(listener.localAddress));
    awaitReady(listener, Interest.READABLE);
    binding.injectFault('accept', 1, 1, constants.errno.EMFILE);
    expect(thrownBy(() => listener.accept())).to.include({ code: 'EMFILE', syscall: 'accept' });
  });

  it('is done after close(): every method says so, and the sources are free', () => {
    const poll = new Poll();
    const source = own(UdpSocket.bind('127.0.0.1:0'));
    poll.register(source, 1);
    poll.close();
    poll.close();
    expect(poll.closed).to.equal(true);
    for (const action of [
      () => poll.register(source, 1),
      () => poll.reregister(source, 1, Interest.READABLE),
      () => poll.deregister(source),
      () => poll.poll(0),
    ]) {
      expect(thrownBy(action).code).to.equal('ERR_POLL_CLOSED');
    }
    expect(thrownBy(() => poll.event(0)).code).to.equal('ERR_OUT_OF_RANGE');
    const other = own(new Poll());
    other.register(source, 2);
  });
});
