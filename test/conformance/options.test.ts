/**
 * Options of sockets reach the system as they were meant.
 *
 * Method: the socket is given to another program, which asks the system for
 * its options and knows nothing of Millrace. Where an option has an effect
 * that can be seen, that is looked at instead.
 */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { Interest, Poll, type Source, TcpListener, TcpStream, UdpSocket } from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import {
  acceptFrom,
  awaitReady,
  closingAfterEach,
  readText,
  reset,
  tcpPair,
} from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const LOCAL = '127.0.0.1:0';

/** python3 is there, since node-gyp needs it to build the addon. The socket is its descriptor 3. */
const INQUIRER = `
import json, socket, sys
s = socket.socket(fileno=3)
values = [s.getsockopt(*[getattr(socket, name) for name in o.split()]) for o in sys.argv[1:]]
print(json.dumps(values))
`;

/** What the system says of these options, each as its level and its name. */
function optionsOf(source: Source, ...options: string[]): number[] {
  const said = execFileSync('python3', ['-c', INQUIRER, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit', source.handle],
  });
  return JSON.parse(said) as number[];
}

const NO_DELAY = 'IPPROTO_TCP TCP_NODELAY';
const KEEP_ALIVE = 'SOL_SOCKET SO_KEEPALIVE';
const KEEP_IDLE = 'IPPROTO_TCP TCP_KEEPIDLE';
const REUSE_ADDRESS = 'SOL_SOCKET SO_REUSEADDR';
const REUSE_PORT = 'SOL_SOCKET SO_REUSEPORT';
const ONLY_IPV6 = 'IPPROTO_IPV6 IPV6_V6ONLY';
const RECV_BUFFER = 'SOL_SOCKET SO_RCVBUF';
const SEND_BUFFER = 'SOL_SOCKET SO_SNDBUF';
const BROADCAST = 'SOL_SOCKET SO_BROADCAST';
const TTL = 'IPPROTO_IP IP_TTL';
const MULTICAST_TTL = 'IPPROTO_IP IP_MULTICAST_TTL';
const MULTICAST_LOOP = 'IPPROTO_IP IP_MULTICAST_LOOP';

describe('options of TcpStream', () => {
  const own = closingAfterEach();

  it('setNoDelay() is on and off, and nothing but that', () => {
    const [client] = tcpPair(own);
    client.setNoDelay(false);
    expect(optionsOf(client, NO_DELAY, KEEP_ALIVE)).to.deep.equal([0, 0]);
    client.setNoDelay();
    expect(optionsOf(client, NO_DELAY, KEEP_ALIVE)).to.deep.equal([1, 0]);
  });

  // Elsewhere the idle time has another name.
  if (process.platform === 'linux') {
    it('setKeepAlive() is on with its time, and off', () => {
      const [client] = tcpPair(own);
      client.setKeepAlive(90_000);
      expect(optionsOf(client, KEEP_ALIVE, KEEP_IDLE)).to.deep.equal([1, 90]);
      client.setKeepAlive(1);
      expect(optionsOf(client, KEEP_ALIVE, KEEP_IDLE)).to.deep.equal([1, 1]);
      client.setKeepAlive(null);
      expect(optionsOf(client, KEEP_ALIVE)).to.deep.equal([0]);
    });
  }

  it('setLinger(0) makes a close a reset, and setLinger(null) takes that back', () => {
    const [resetting, told] = tcpPair(own);
    reset(resetting);
    awaitReady(told, Interest.READABLE);
    expect(thrownBy(() => readText(told)).code).to.equal('ECONNRESET');
    const [closing, other] = tcpPair(own);
    closing.setLinger(0);
    closing.setLinger(null);
    closing.close();
    awaitReady(other, Interest.READABLE);
    expect(readText(other)).to.equal('');
  });
});

describe('options of TcpListener', () => {
  const own = closingAfterEach();

  it('reusePort shares an address with those who share it, and with nobody else', () => {
    const alone = own(TcpListener.bind(LOCAL));
    expect(optionsOf(alone, REUSE_ADDRESS, REUSE_PORT)).to.deep.equal([1, 0]);
    for (const reusePort of [false, true]) {
      const error = thrownBy(() => TcpListener.bind(alone.localAddress, { reusePort }));
      expect(error).to.include({ code: 'EADDRINUSE', syscall: 'listen' });
    }
    const shared = own(TcpListener.bind(LOCAL, { reusePort: true }));
    const { localAddress } = own(TcpListener.bind(shared.localAddress, { reusePort: true }));
    expect(localAddress).to.deep.equal(shared.localAddress);
  });

  for (const ipv6Only of [false, true]) {
    it(`ipv6Only: ${ipv6Only} ${ipv6Only ? 'refuses' : 'takes'} IPv4 at '[::]'`, () => {
      const listener = own(TcpListener.bind('[::]:0', { ipv6Only }));
      expect(optionsOf(listener, ONLY_IPV6)).to.deep.equal([ipv6Only ? 1 : 0]);
      const client = own(TcpStream.connect(`127.0.0.1:${listener.localAddress.port}`));
      awaitReady(client, Interest.WRITABLE);
      const error = client.takeError();
      if (ipv6Only) {
        expect(error).to.include({ code: 'ECONNREFUSED' });
      } else {
        expect(error).to.equal(null);
        own(acceptFrom(listener));
      }
    });
  }

  it('backlog: so many connections wait, or one more, and further ones are not made', () => {
    const connectedOf = (backlog: number) => {
      const listener = own(TcpListener.bind(LOCAL, { backlog }));
      const poll = own(new Poll());
      for (let token = 0; token < 8; token++) {
        const client = own(TcpStream.connect(listener.localAddress));
        poll.register(client, token, Interest.WRITABLE, 0);
      }
      return poll.poll(0);
    };
    // On loopback what is connected is connected at once. Linux lets one more in.
    expect(connectedOf(8)).to.equal(8);
    expect(connectedOf(3)).to.be.within(3, 4);
    expect(connectedOf(1)).to.be.within(1, 2);
  });
});

describe('options of UdpSocket', () => {
  const own = closingAfterEach();

  for (const [option, flags] of [
    [{}, [0, 0]],
    [{ reuseAddress: true }, [1, 0]],
    [{ reusePort: true }, [0, 1]],
    [{ reuseAddress: true, reusePort: true }, [1, 1]],
  ] as const) {
    it(`${JSON.stringify(option)} sets these and nothing else`, () => {
      const socket = own(UdpSocket.bind(LOCAL, option));
      expect(optionsOf(socket, REUSE_ADDRESS, REUSE_PORT)).to.deep.equal(flags);
    });
  }

  it('recvBufferSizeBytes and sendBufferSizeBytes are each its own', () => {
    const plain = own(UdpSocket.bind(LOCAL));
    const [recvBytes, sendBytes] = optionsOf(plain, RECV_BUFFER, SEND_BUFFER);
    const recv = own(UdpSocket.bind(LOCAL, { recvBufferSizeBytes: 32_768 }));
    const send = own(UdpSocket.bind(LOCAL, { sendBufferSizeBytes: 16_384 }));
    // Linux doubles what it is told, for what it keeps beside the data.
    const factor = process.platform === 'linux' ? 2 : 1;
    const ofRecv = [32_768 * factor, sendBytes];
    expect(optionsOf(recv, RECV_BUFFER, SEND_BUFFER)).to.deep.equal(ofRecv);
    const ofSend = [recvBytes, 16_384 * factor];
    expect(optionsOf(send, RECV_BUFFER, SEND_BUFFER)).to.deep.equal(ofSend);
  });

  it('setTtl(), setMulticastTtl(), setMulticastLoop() and setBroadcast() are each its own', () => {
    const socket = own(UdpSocket.bind(LOCAL));
    const all = () => optionsOf(socket, TTL, MULTICAST_TTL, MULTICAST_LOOP, BROADCAST);
    const [ttl] = all();
    expect(all()).to.deep.equal([ttl, 1, 1, 0]);
    socket.setTtl(7);
    expect(all()).to.deep.equal([7, 1, 1, 0]);
    socket.setMulticastTtl(9);
    expect(all()).to.deep.equal([7, 9, 1, 0]);
    socket.setMulticastLoop(false);
    expect(all()).to.deep.equal([7, 9, 0, 0]);
    socket.setBroadcast();
    expect(all().map(Math.sign)).to.deep.equal([1, 1, 0, 1]);
    socket.setMulticastLoop();
    socket.setBroadcast(false);
    expect(all()).to.deep.equal([7, 9, 1, 0]);
  });
});
