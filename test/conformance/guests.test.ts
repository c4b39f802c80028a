/** Guests: libraries on a loop that somebody else runs. The rules of the tick hold for them. */
import { expect } from 'chai';
import { type EventLoop, Interest, UdpSocket } from '../../src/index.js';
import type { Guest, GuestHost } from '../../src/loop/guest.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays, UNHURRIED_MS } from '../support/loops.js';
import { bytes, udpPair } from '../support/sockets.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const NOBODY: Guest = { dismissed: () => undefined };

const admit = (loop: EventLoop, guest = NOBODY): GuestHost => loop.admit(guest);

describeWays('guests', (way, own) => {
  it('L1, T1: each comes in its phase, and the handler hears of none', async () => {
    const loop = way.open({ tickBudgetMs: UNHURRIED_MS });
    const host = admit(loop);
    const [left, right] = udpPair(own);
    const order: string[] = [];
    host.register(left, Interest.READABLE, {
      ready: (bits) => {
        order.push(`guest's event ${bits}`);
        left.recv(new Uint8Array(1));
      },
    });
    host.timeout({ expire: () => order.push("guest's timeout") }, 0);
    loop.timeout('own', 0);
    loop.channel().send('m');
    right.send(bytes('x'));
    await way.drive(loop, {
      readable: () => order.push("handler's event"),
      notify: () => void order.push('message'),
      timeout: (_, payload) => void order.push(String(payload)),
      tick: (l) => {
        if (order.length === 4) l.shutdown();
      },
    });
    expect(order).to.deep.equal(["guest's event 1", 'message', "guest's timeout", 'own']);
  });

  it('S2: an event has all that happened, and LEVEL tells again', async () => {
    const loop = way.open();
    const host = admit(loop);
    const [left, right] = udpPair(own);
    const seen: number[] = [];
    host.register(left, Interest.READABLE | Interest.WRITABLE, {
      ready: (bits) => {
        seen.push(bits);
        if (seen.length === 3) loop.shutdown();
      },
    });
    right.send(bytes('x'));
    await way.drive(loop, {});
    expect(seen.at(-1)).to.equal(Interest.READABLE | Interest.WRITABLE);
  });

  it('S3: of two that are ready, the one that the other closes hears nothing', async () => {
    const loop = way.open();
    const host = admit(loop);
    const pairs = [udpPair(own), udpPair(own)];
    let calls = 0;
    for (const [index, [left, right]] of pairs.entries()) {
      host.register(left, Interest.READABLE, {
        ready: () => {
          calls += 1;
          left.recv(new Uint8Array(1));
          pairs[1 - index][0].close();
        },
      });
      right.send(bytes('x'));
    }
    loop.timeout('later', 20);
    await way.drive(loop, { timeout: (l) => l.shutdown() });
    expect(calls).to.equal(1);
    expect(pairs.filter(([left]) => left.closed)).to.have.length(1);
  });

  it('L5: what a guest throws ends the run, and the next goes on with the next event', async () => {
    const loop = way.open({ tickBudgetMs: UNHURRIED_MS });
    const host = admit(loop);
    const thrown = new Error('mine');
    const seen: number[] = [];
    for (const [index, [left, right]] of [udpPair(own), udpPair(own)].entries()) {
      host.register(left, Interest.READABLE, {
        ready: () => {
          left.recv(new Uint8Array(1));
          seen.push(index);
          if (seen.length === 2) loop.shutdown();
          else host.escaped(thrown);
        },
      });
      right.send(bytes('x'));
    }
    expect(await rejectionOf(way.drive(loop, {}))).to.equal(thrown);
    await way.drive(loop, {});
    expect(seen).to.have.members([0, 1]);
  });

  it('L5: and so does what the timeout of a guest throws', async () => {
    const loop = way.open();
    const host = admit(loop);
    const thrown = new Error('mine');
    const expire = () => {
      throw thrown;
    };
    host.timeout({ expire }, 0);
    expect(await rejectionOf(way.drive(loop, {}))).to.equal(thrown);
    loop.timeout('later', 0);
    await way.drive(loop, { timeout: (l) => l.shutdown() });
  });

  it("the tokens of guests are nobody's", () => {
    const loop = way.open();
    const host = admit(loop);
    const socket = own(UdpSocket.bind('127.0.0.1:0'));
    host.register(socket, Interest.READABLE, { ready: () => undefined });
    const first = loop.nextToken();
    const other = own(UdpSocket.bind('127.0.0.1:0'));
    loop.register(other, -1);
    expect(loop.nextToken()).to.equal(first + 1);
    expect(() => loop.register(socket, 1))
      .to.throw()
      .with.property('code', 'ERR_SOURCE_REGISTERED');
    socket.close();
    expect(loop.metrics().sources).to.equal(1);
  });

  it('L10: a loop that is closed dismisses its guests, once', () => {
    const loop = way.open();
    const dismissed: string[] = [];
    const guest = (name: string) => ({ dismissed: () => void dismissed.push(name) });
    admit(loop, guest('there'));
    admit(loop, guest('gone')).leave();
    loop.close();
    loop.close();
    expect(dismissed).to.deep.equal(['there']);
    expect(() => admit(loop))
      .to.throw()
      .with.property('code', 'ERR_LOOP_CLOSED');
  });
});
