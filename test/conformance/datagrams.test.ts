/**
 * UDP in full, on real sockets: batches, groups, options.
 *
 * Batches must behave alike whether the system has calls for them or not, so
 * those tests run twice; the second time the system says that it has none.
 */
import { constants, networkInterfaces } from 'node:os';
import { expect } from 'chai';
import { DatagramBatch, Interest, PollOpt, UdpSocket } from '../../src/index.js';
import { binding } from '../../src/poll/binding.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { awaitReady, bytes, closingAfterEach, type Own, udpPair } from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';

leavesNothingBehind();

const { EAGAIN, ENOSYS } = constants.errno;
const ALWAYS = Number.MAX_SAFE_INTEGER;

/** Interfaces that lead out of this machine: the first of the family, if there is one. */
function outward(family: 'IPv4' | 'IPv6'): { name: string; address: string }[] {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .filter((entry) => entry.family === family && !entry.internal)
      .map(({ address }) => ({ name, address })),
  );
  return all.slice(0, 1);
}

function text(batch: DatagramBatch, index: number): string {
  return Buffer.from(batch.data(index)).toString();
}

function texts(batch: DatagramBatch): string[] {
  return Array.from({ length: batch.count }, (_, index) => text(batch, index));
}

/** A batch of short datagrams, all to one address or to the connected peer. */
function batchOf(words: readonly string[], to?: UdpSocket): DatagramBatch {
  const batch = new DatagramBatch(words.length, 64);
  for (const [index, word] of words.entries()) batch.set(index, bytes(word), to?.localAddress);
  return batch;
}

/** Blocks until the socket has received so many. */
function receiveAll(socket: UdpSocket, count: number): string[] {
  const batch = new DatagramBatch(count, 64);
  const received: string[] = [];
  while (received.length < count) {
    awaitReady(socket, Interest.READABLE);
    socket.recvMany(batch);
    received.push(...texts(batch));
  }
  return received;
}

function echoSockets(own: Own, host = '127.0.0.1'): [server: UdpSocket, ...clients: UdpSocket[]] {
  const bind = () => own(UdpSocket.bind({ host, port: 0 }));
  return [bind(), bind(), bind()];
}

for (const plain of [false, true]) {
  const path = plain ? 'one by one' : 'recvmmsg';

  const withPath = () => {
    beforeEach('chooses the way to the kernel', () => {
      if (!plain) return;
      binding.injectFault('recvmmsg', 1, ALWAYS, ENOSYS);
      binding.injectFault('sendmmsg', 1, ALWAYS, ENOSYS);
    });
    afterEach('takes it back', () => binding.clearFaults());
  };

  describeWays(`batches, ${path}`, (way, own) => {
    withPath();

    for (const opt of [PollOpt.LEVEL, PollOpt.EDGE]) {
      const name = opt === PollOpt.EDGE ? 'EDGE' : 'LEVEL';

      it(`S5: echo of many datagrams in batches under ${name}: all come back`, async () => {
        const loop = way.open();
        const [server, left, right] = echoSockets(own);
        const batch = new DatagramBatch(4, 64);
        const answers = new DatagramBatch(8, 64);
        const got: string[][] = [[], []];
        const rounds = Array.from({ length: 10 }, (_, round) =>
          [0, 1, 2, 3, 4].map((n) => `${round}.${n}`),
        );
        let next = 0;
        const sendRound = () => {
          const words = rounds[next];
          next += 1;
          for (const client of [left, right]) client.sendMany(batchOf(words, server));
        };
        loop.register(server, -1, Interest.READABLE, opt);
        for (const [token, client] of [left, right].entries()) {
          loop.register(client, token, Interest.READABLE, opt);
        }
        sendRound();
        await way.drive(loop, {
          readable: (l, token) => {
            if (token === -1) {
              while (server.recvMany(batch) > 0)
                expect(server.sendMany(batch)).to.equal(batch.count);
              return;
            }
            const client = [left, right][token];
            while (client.recvMany(answers) > 0) got[token].push(...texts(answers));
            if (got[0].length < next * 5 || got[1].length < next * 5) return;
            if (next === rounds.length) l.shutdown();
            else sendRound();
          },
        });
        expect(got).to.deep.equal([rounds.flat(), rounds.flat()]);
      });
    }

    it('S5: a batch short of its capacity has met the end: EDGE tells again', async () => {
      const loop = way.open();
      const [left, right] = udpPair(own);
      const batch = new DatagramBatch(4, 64);
      loop.register(right, 1, Interest.READABLE, PollOpt.EDGE);
      left.send(bytes('0'));
      const got: string[] = [];
      await way.drive(loop, {
        readable: (l) => {
          // Once per event, and not until 0.
          expect(right.recvMany(batch)).to.be.below(batch.capacity);
          got.push(...texts(batch));
          if (got.length >= 20) l.shutdown();
          else left.send(bytes(String(got.length)));
        },
      });
      expect(got).to.deep.equal(Array.from({ length: 20 }, (_, n) => String(n)));
    });

    it('S5: a batch without room is sent from where it stopped when writable', async () => {
      const loop = way.open();
      const [left, right] = udpPair(own);
      const batch = batchOf(['a', 'b', 'c', 'd']);
      const call = plain ? 'sendto' : 'sendmmsg';
      let sent = 0;
      loop.register(left, 1, Interest.WRITABLE, PollOpt.EDGE);
      binding.injectFault(call, plain ? 3 : 1, 1, EAGAIN);
      await way.drive(loop, {
        writable: (l) => {
          sent += left.sendMany(batch, sent);
          if (sent === batch.count) l.shutdown();
          // The kernel had room all along, so that the edge must be asked for.
          else l.reregister(left, 1, Interest.WRITABLE, PollOpt.EDGE);
        },
      });
      binding.clearFaults();
      expect(receiveAll(right, 4)).to.deep.equal(['a', 'b', 'c', 'd']);
    });
  });

  describe(`batches, ${path}`, () => {
    const own = closingAfterEach();
    withPath();

    for (const host of ['127.0.0.1', '::1']) {
      it(`sizes, addresses and the mark of truncation are right, on ${host}`, () => {
        const [server, left, right] = echoSockets(own, host);
        const sizes = [0, 1, 8, 9, 8];
        for (const [index, size] of sizes.entries()) {
          const client = index % 2 === 0 ? left : right;
          client.sendTo(Buffer.alloc(size, String(index)), server.localAddress);
        }
        awaitReady(server, Interest.READABLE);
        const batch = new DatagramBatch(8, 8);
        expect(server.recvMany(batch)).to.equal(5);
        for (const [index, size] of sizes.entries()) {
          expect(text(batch, index)).to.equal(String(index).repeat(Math.min(size, 8)));
          expect(batch.truncated(index)).to.equal(size > 8);
          const client = index % 2 === 0 ? left : right;
          expect(batch.address(index)).to.deep.equal(client.localAddress);
        }
        expect(server.recvMany(batch)).to.equal(0);
        expect(batch.count).to.equal(0);
      });
    }

    it('what is changed in the batch is what goes back', () => {
      const [server, client] = echoSockets(own);
      client.sendMany(batchOf(['abc', 'def'], server));
      const batch = new DatagramBatch(2, 64);
      awaitReady(server, Interest.READABLE);
      expect(server.recvMany(batch)).to.equal(2);
      batch.data(0)[0] = 'x'.charCodeAt(0);
      batch.set(1, bytes('longer'), batch.address(1));
      expect(server.sendMany(batch)).to.equal(2);
      expect(receiveAll(client, 2)).to.deep.equal(['xbc', 'longer']);
    });

    it('each datagram of a batch may go elsewhere, and a batch may be sent again', () => {
      const [server, left, right] = echoSockets(own);
      const batch = new DatagramBatch(3, 64);
      batch.set(0, bytes('l'), left.localAddress);
      batch.set(1, bytes('r'), right.localAddress);
      for (let round = 0; round < 3; round++) {
        expect(server.sendMany(batch)).to.equal(2);
        expect(receiveAll(left, 1)).to.deep.equal(['l']);
        expect(receiveAll(right, 1)).to.deep.equal(['r']);
      }
      expect(server.sendMany(batch, 2)).to.equal(0);
    });

    it('an error in the middle says how many went before it', () => {
      const [server, client] = echoSockets(own);
      const batch = batchOf(['a', 'b', 'c', 'd'], server);
      batch.set(2, bytes('c'), '[::1]:9');
      const error = thrownBy(() => client.sendMany(batch));
      expect(error).to.include({ code: 'EAFNOSUPPORT', syscall: 'sendmmsg', sent: 2 });
      expect(client.sendMany(batch, 3)).to.equal(1);
      expect(receiveAll(server, 3)).to.deep.equal(['a', 'b', 'd']);
    });

    it('a closed socket refuses, an empty batch or not', () => {
      const [server] = echoSockets(own);
      const batch = new DatagramBatch(2, 64);
      server.close();
      for (const count of [0, 2]) {
        batch.count = count;
        expect(thrownBy(() => server.sendMany(batch)).code).to.equal('ERR_SOURCE_CLOSED');
      }
      expect(thrownBy(() => server.recvMany(batch)).code).to.equal('ERR_SOURCE_CLOSED');
      expect(batch.count).to.equal(0);
    });

    it('memory that was transferred away is an error and not a crash', () => {
      const [server, client] = echoSockets(own);
      const batch = batchOf(['a'], server);
      client.sendMany(batch);
      const buffer = batch.data(0).buffer as ArrayBuffer;
      structuredClone(buffer, { transfer: [buffer] });
      for (const use of [
        () => client.sendMany(batch),
        () => server.recvMany(batch),
        () => batch.data(0),
        () => batch.set(0, bytes('b'), '127.0.0.1:9'),
      ]) {
        batch.count = 1;
        expect(thrownBy(use).code).to.equal('ERR_INVALID_ARG_VALUE');
      }
    });
  });
}

describe('batches in steady state', () => {
  const own = closingAfterEach();

  it('10,000 rounds of echo allocate next to nothing', function () {
    this.timeout(10_000);
    const [server, client] = echoSockets(own);
    const sending = batchOf(
      Array.from({ length: 32 }, (_, n) => `datagram ${n}`),
      server,
    );
    const receiving = new DatagramBatch(32, 64);
    const roundTrip = () => {
      client.sendMany(sending);
      server.recvMany(receiving);
      server.sendMany(receiving);
      client.recvMany(receiving);
    };
    for (let round = 0; round < 1000; round++) roundTrip();
    const before = process.memoryUsage();
    for (let round = 0; round < 10_000; round++) roundTrip();
    const after = process.memoryUsage();
    // 320,000 datagrams there and back: one object each would be 20 MB.
    expect(after.heapUsed - before.heapUsed).to.be.below(8e6);
    expect(after.arrayBuffers - before.arrayBuffers).to.be.below(1e6);
    expect(receiving.count).to.equal(32);
  });
});

describeWays(
  'multicast and broadcast',
  (way, own) => {
    const families = [
      { host: '127.0.0.1', any: '0.0.0.0', group: '239.255.77.1', iface: '127.0.0.1' },
      // Linux has no route to groups by way of its loopback interface for IPv6.
      ...outward('IPv6').map(({ name }) => {
        return { host: '::1', any: '::', group: 'ff02::7701', iface: `%${name}` };
      }),
    ];
    for (const { host, any, group, iface } of families) {
      it(`a member of ${group} hears what is sent there until it leaves`, async () => {
        const loop = way.open();
        const member = own(UdpSocket.bind({ host: any, port: 0 }, { reuseAddress: true }));
        const sender = own(UdpSocket.bind({ host: any, port: 0 }));
        const { port } = member.localAddress;
        member.joinMulticast(group, iface);
        sender.setMulticastInterface(iface);
        sender.setMulticastLoop(true);
        sender.setMulticastTtl(0);
        loop.register(member, 1);
        sender.sendTo(bytes('to all'), { host: group, port });
        const buffer = Buffer.alloc(64);
        await way.drive(loop, {
          readable: (l) => {
            const datagram = member.recvFrom(buffer);
            expect(datagram?.size).to.equal('to all'.length);
            expect(datagram?.address.port).to.equal(sender.localAddress.port);
            l.deregister(member);
            l.shutdown();
          },
        });
        member.leaveMulticast(group, iface);
        sender.sendTo(bytes('to nobody'), { host: group, port });
        // Loopback delivers before sendto(2) returns: what is not there now will not come.
        sender.sendTo(bytes('marker'), { host, port });
        awaitReady(member, Interest.READABLE);
        expect(member.recvFrom(buffer)?.size).to.equal('marker'.length);
        expect(member.recvFrom(buffer)).to.equal(null);
      });
    }
  },
  ['run', 'runOnce'],
);

describe('options of UDP sockets', () => {
  const own = closingAfterEach();
  const open = (host = '127.0.0.1') => own(UdpSocket.bind({ host, port: 0 }));

  it('S6: what sendTo() throws names the address, in the shape of Node', () => {
    for (const host of ['127.0.0.1', '::1']) {
      const { address, port } = open(host).localAddress;
      const tooLong = Buffer.alloc(1 << 17);
      const error = thrownBy(() => open(host).sendTo(tooLong, { host, port }));
      expect(error).to.include({ code: 'EMSGSIZE', syscall: 'sendto', address, port });
      expect(Object.hasOwn(error, 'errno')).to.equal(true);
    }
  });

  it('an interface of IPv6 is named by index or name, in any form, or in the group', () => {
    const socket = open('::1');
    const index = binding.interfaceIndex('lo');
    const names = [index, `${index}`, `%${index}`, 'lo', '%lo', '::%lo'];
    for (const name of names) {
      socket.joinMulticast('ff01::7702', name);
      // The same membership under any other name.
      expect(thrownBy(() => socket.joinMulticast('ff01::7702%lo')).code).to.equal('EADDRINUSE');
      socket.leaveMulticast('ff01::7702', 'lo');
      socket.setMulticastInterface(name);
    }
  });

  it('errors name the group, or the interface', () => {
    const socket = open();
    expect(thrownBy(() => socket.joinMulticast('127.0.0.1', '127.0.0.1'))).to.include({
      code: 'EINVAL',
      syscall: 'setsockopt',
      address: '127.0.0.1',
    });
    const { code } = thrownBy(() => socket.leaveMulticast('239.255.77.3', '127.0.0.1'));
    expect(code).to.equal('EADDRNOTAVAIL');
    expect(thrownBy(() => socket.setMulticastInterface('no-such'))).to.include({
      code: 'ENODEV',
      syscall: 'if_nametoindex',
      address: 'no-such',
    });
    for (const [group, iface] of [['nowhere'], ['239.1.1.1', 'lo'], ['ff02::1', '::%']]) {
      const error = thrownBy(() => socket.joinMulticast(group, iface));
      expect(error.code, group).to.equal('ERR_INVALID_ADDRESS');
    }
    expect(thrownBy(() => socket.joinMulticast('239.1.1.1', 1)).code).to.equal(
      'ERR_INVALID_ARG_TYPE',
    );
  });

  // By way of the loopback interface they come back on their own.
  for (const { address } of outward('IPv4')) {
    it(`setMulticastLoop(false) keeps datagrams to groups from this machine (${address})`, () => {
      const member = own(UdpSocket.bind('0.0.0.0:0'));
      const sender = own(UdpSocket.bind('0.0.0.0:0'));
      const { port } = member.localAddress;
      member.joinMulticast('239.255.77.4', address);
      sender.setMulticastInterface(address);
      sender.setMulticastTtl(0);
      const buffer = Buffer.alloc(8);
      const hears = (): boolean => {
        sender.sendTo(bytes('group'), { host: '239.255.77.4', port });
        sender.sendTo(bytes('end'), { host: '127.0.0.1', port });
        awaitReady(member, Interest.READABLE);
        const first = member.recvFrom(buffer)?.size;
        return first === 5 && member.recvFrom(buffer)?.size === 3;
      };
      sender.setMulticastLoop(false);
      expect(hears()).to.equal(false);
      sender.setMulticastLoop();
      expect(hears()).to.equal(true);
    });
  }

  it('broadcasting must be allowed first', () => {
    const sender = own(UdpSocket.bind('0.0.0.0:0'));
    const { port } = sender.localAddress;
    const broadcast = () => sender.sendTo(bytes('a'), { host: '127.255.255.255', port });
    expect(thrownBy(broadcast).code).to.equal('EACCES');
    sender.setBroadcast();
    expect(broadcast()).to.equal(1);
    awaitReady(sender, Interest.READABLE);
    expect(sender.recvFrom(Buffer.alloc(8))?.size).to.equal(1);
    sender.setBroadcast(false);
    expect(thrownBy(broadcast).code).to.equal('EACCES');
  });

  for (const host of ['127.0.0.1', '::1']) {
    it(`times to live have their limits, both sides, on ${host}`, () => {
      const socket = open(host);
      for (const ttl of [1, 255]) socket.setTtl(ttl);
      for (const ttl of [0, 255]) socket.setMulticastTtl(ttl);
      for (const ttl of [0, 256, 1.5])
        expect(thrownBy(() => socket.setTtl(ttl))).instanceOf(RangeError);
      for (const ttl of [-1, 256]) {
        expect(thrownBy(() => socket.setMulticastTtl(ttl))).instanceOf(RangeError);
      }
    });
  }

  it('a datagram longer than the buffer is cut, and said to be; one that fits is not', () => {
    const [left, right] = [open(), open()];
    for (const [sent, size, truncated] of [
      ['1234', 4, false],
      ['12345', 4, true],
      ['', 0, false],
    ] as const) {
      left.sendTo(bytes(sent), right.localAddress);
      awaitReady(right, Interest.READABLE);
      expect(right.recvFrom(new Uint8Array(4))).to.include({ size, truncated });
    }
  });

  it('a part of a buffer can be sent to an address', () => {
    const [left, right] = [open(), open()];
    expect(left.sendTo(bytes('abcdef'), right.localAddress, 2, 4)).to.equal(2);
    expect(receiveAll(right, 1)).to.deep.equal(['cd']);
    expect(thrownBy(() => left.sendTo(bytes('a'), right.localAddress, 2))).instanceOf(RangeError);
  });
});
