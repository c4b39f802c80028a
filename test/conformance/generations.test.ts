/**
 * Rule S3: no event reaches the successor of the source it was meant for.
 *
 * Goal: descriptor numbers are given away again at once, so a source that is
 * opened in a callback often has the number of one that was closed in the same
 * callback, and whose event has been fetched already.
 *
 * Method: two sockets are ready in each poll. The handler of whichever comes
 * first closes the other and opens a new one, which gets the same number and
 * the same slot, and asks for what cannot happen to it. If it hears of
 * anything, that was its predecessor's event. The same test with generations
 * switched off must find such events, or it would prove nothing.
 */
import { expect } from 'chai';
import { EventLoop, Interest, UdpSocket } from '../../src/index.js';
import type { Poller } from '../../src/poll/driver.js';
import { EVENT_WORDS } from '../../src/poll/driver.js';
import { nativeDriver } from '../../src/poll/native-driver.js';
import { PollOpt } from '../../src/poll/poll-opt.js';
import { Registry } from '../../src/poll/registry.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays, type Way } from '../support/loops.js';
import { closingAfterEach } from '../support/sockets.js';

leavesNothingBehind();

const WITNESS = -1;

interface Churn {
  crossDeliveries: number;
  reusedNumbers: number;
  staleEvents: number;
}

/** Closes and reopens in `rounds` ticks. */
async function churn(way: Way, rounds: number): Promise<Churn> {
  const loop = way.open();
  const pair = [UdpSocket.bind('127.0.0.1:0'), UdpSocket.bind('127.0.0.1:0')] as const;
  const sources: [UdpSocket, UdpSocket] = [...pair];
  for (const [token, source] of sources.entries()) loop.register(source, token, Interest.WRITABLE);
  const result: Churn = { crossDeliveries: 0, reusedNumbers: 0, staleEvents: 0 };
  let left = rounds;
  let victim: number | null = null;

  const replace = (index: number) => {
    const { handle } = sources[index];
    sources[index].close();
    const successor = UdpSocket.bind('127.0.0.1:0');
    if (successor.handle === handle) result.reusedNumbers += 1;
    // Nobody sends to it, so that nothing at all is to be heard of it.
    loop.register(successor, WITNESS, Interest.READABLE);
    sources[index] = successor;
    victim = index;
  };
  try {
    await way.drive(loop, {
      readable: () => expect.fail('nothing was sent'),
      writable: (_, token) => {
        if (token === WITNESS) result.crossDeliveries += 1;
        else if (victim === null) replace(1 - token);
      },
      tick: (l) => {
        if (victim === null) return;
        l.reregister(sources[victim], victim, Interest.WRITABLE);
        victim = null;
        left -= 1;
        if (left === 0) l.shutdown();
      },
    });
  } finally {
    for (const source of sources) source.close();
  }
  result.staleEvents = loop.metrics().staleEvents;
  return result;
}

/** Makes every event pass for one of the present owner of its slot. Returns what undoes it. */
function withoutGenerations(): () => void {
  const { register, reregister, find } = Registry.prototype;
  const latest = new Map<number, number>();
  const note = (original: typeof register): typeof register =>
    function noting(this: Registry, source, ...wanted) {
      original.call(this, source, ...wanted);
      const { slot, generation } = source.registration!;
      latest.set(slot, generation);
    };
  Registry.prototype.register = note(register);
  Registry.prototype.reregister = note(reregister);
  Registry.prototype.find = function anyGeneration(slot) {
    return find.call(this, slot, latest.get(slot) ?? 0);
  };
  return () => Object.assign(Registry.prototype, { register, reregister, find });
}

describeWays('generations', (way) => {
  it('S3: 17,000 reused descriptor numbers, and no event of a predecessor', async () => {
    // Six ways make it 102,000.
    const rounds = 17_000;
    const { crossDeliveries, reusedNumbers, staleEvents } = await churn(way, rounds);
    expect(crossDeliveries).to.equal(0);
    expect(reusedNumbers).to.be.above(rounds * 0.99);
    expect(staleEvents).to.be.above(rounds * 0.99);
  });

  it('S3: the same test finds cross-deliveries when generations are switched off', async () => {
    const restore = withoutGenerations();
    try {
      const { crossDeliveries } = await churn(way, 100);
      expect(crossDeliveries).to.be.above(50);
    } finally {
      restore();
    }
  });

  it('S3: after deregister() or close() nothing comes, in the same tick either', async () => {
    const loop = way.open();
    const sources = [0, 1, 2, 3].map(() => UdpSocket.bind('127.0.0.1:0'));
    for (const [token, source] of sources.entries())
      loop.register(source, token, Interest.WRITABLE);
    const told: number[] = [];
    try {
      await way.drive(loop, {
        writable: (l, token) => {
          told.push(token);
          for (const [index, source] of sources.entries()) {
            if (index % 2 === 0) l.deregister(source);
            else source.close();
          }
          l.timeout(null, 10);
        },
        timeout: (l) => l.shutdown(),
      });
    } finally {
      for (const source of sources) source.close();
    }
    expect(told.length).to.equal(1);
    expect(loop.metrics().sources).to.equal(0);
  });
});

describe('generations at their end', () => {
  const own = closingAfterEach();
  let poller: Poller;

  beforeEach(() => {
    const options = { eventsCapacity: 16, mode: 'inline', turnBudgetMs: 1 } as const;
    poller = own(nativeDriver.openPoller(options));
  });

  it('S3: the number wraps around, and each event still finds its own registration', () => {
    const registry = new Registry(poller, nativeDriver, 2 ** 32 - 3);
    const generations: number[] = [];
    for (let round = 0; round < 10; round++) {
      const source = UdpSocket.bind('127.0.0.1:0');
      registry.register(source, round, Interest.WRITABLE, PollOpt.LEVEL);
      expect(poller.poll(0)).to.equal(1);
      const [slot, generation] = poller.events.subarray(0, EVENT_WORDS);
      expect(registry.find(slot, generation)?.token).to.equal(round);
      generations.push(generation);
      source.close();
      expect(registry.find(slot, generation)).to.equal(null);
    }
    expect(new Set(generations).size).to.equal(10);
    expect(generations.slice(0, 5)).to.deep.equal([2 ** 32 - 3, 2 ** 32 - 2, 2 ** 32 - 1, 0, 1]);
  });

  it('S3: slots are used again, so the table is as long as the most that were open', () => {
    using loop = new EventLoop();
    for (let round = 0; round < 1000; round++) {
      const source = UdpSocket.bind('127.0.0.1:0');
      loop.register(source, round, Interest.WRITABLE);
      expect(source.registration?.slot).to.equal(0);
      source.close();
    }
    expect(loop.metrics().sources).to.equal(0);
  });
});
