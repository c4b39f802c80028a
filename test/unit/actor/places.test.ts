/** The places of mailboxes in shared memory, as the threads of a system use them. */
import { expect } from 'chai';
import type { MailboxPolicy } from '../../../src/actor/options.js';
import { Places, Taken } from '../../../src/actor/places.js';
import { DROPPED_IN_FLIGHT_MAX, PLACES_MAX } from '../../../src/limits.js';

const REFUSE: MailboxPolicy = { capacity: 2, overflow: 'refuse', serial: false };
const SHARD = 3;

describe('Places', () => {
  it('a slot has as many places as its mailbox; those given back can be taken again', () => {
    const places = new Places();
    expect(places.open(5, 7, REFUSE, 1)).to.equal(true);
    expect(places.take(5, 7, SHARD, 0)).to.equal(Taken.DONE);
    expect(places.take(5, 7, SHARD, 1)).to.equal(Taken.FULL);
    expect(places.takeOwn(5)).to.equal(false);
    places.release(5);
    expect(places.takeOwn(5)).to.equal(true);
    expect(places.count(5)).to.equal(2);
    expect(places.capacity(5)).to.equal(2);
  });

  it('an actor of the past takes nothing, and leaves its successor its places', () => {
    const places = new Places();
    places.open(0, 1, REFUSE, 0);
    places.take(0, 1, SHARD, 0);
    places.close(0);
    expect(places.isOpen(0, 1)).to.equal(false);
    expect(places.take(0, 1, SHARD, 1)).to.equal(Taken.GONE);
    places.open(0, 2, REFUSE, 0);
    expect(places.take(0, 1, SHARD, 1)).to.equal(Taken.GONE);
    // What was on its way to the first arrives, and gives its place back.
    places.release(0);
    expect(places.count(0)).to.equal(0);
    expect(places.take(0, 2, SHARD, 1)).to.equal(Taken.DONE);
  });

  it('A10: the newest is dropped where there is no place for it, exactly', () => {
    const places = new Places();
    places.open(0, 1, { ...REFUSE, overflow: 'dropNewest' }, 1);
    expect(places.drops(0)).to.equal(true);
    expect(places.capacity(0)).to.equal(2);
    expect(places.take(0, 1, SHARD, 0)).to.equal(Taken.DONE);
    expect(places.hasRoom(0)).to.equal(false);
    expect(places.take(0, 1, SHARD, 1)).to.equal(Taken.FULL);
  });

  it('a mailbox that drops the oldest is bounded by what may be on its way', () => {
    const places = new Places();
    const policy = { ...REFUSE, overflow: 'dropOldest' } as const;
    places.open(0, 1, policy, DROPPED_IN_FLIGHT_MAX + 1);
    expect(places.drops(0)).to.equal(true);
    expect(places.capacity(0)).to.equal(2);
    expect(places.take(0, 1, SHARD, 0)).to.equal(Taken.DONE);
    expect(places.take(0, 1, SHARD, 0)).to.equal(Taken.FULL);
  });

  it('the place that a dead sender has not used is known', () => {
    const places = new Places();
    places.open(4, 1, REFUSE, 0);
    expect(places.unsent(SHARD)).to.equal(null);
    places.take(4, 1, SHARD, 41);
    places.sent(SHARD);
    expect(places.unsent(SHARD)).to.equal(null);
    places.take(4, 1, SHARD, 42);
    expect(new Places(places.buffer).unsent(SHARD)).to.deep.equal({ slot: 4, sent: 42 });
    expect(places.unsent(SHARD)).to.equal(null);
  });

  it('of a dead shard, tells what was lost, and takes nothing more', () => {
    const places = new Places();
    places.open(0, 1, REFUSE, 2);
    places.open(3, 9, REFUSE, 0);
    // One that is stopping, and one to which no other thread may send.
    places.open(4, 8, REFUSE, 1);
    places.close(4);
    places.lose(6, 7, 5);
    const lost: number[][] = [];
    places.closeAll((slot, generation, count) => lost.push([slot, generation, count]));
    expect(lost).to.deep.equal([
      [0, 1, 2],
      [4, 8, 1],
      [6, 7, 5],
    ]);
    expect(places.take(3, 9, SHARD, 0)).to.equal(Taken.GONE);
  });

  it('places of delivered messages are told in batches, and all of them in the end', () => {
    const places = new Places();
    const other = new Places(places.buffer);
    places.open(0, 1, { ...REFUSE, capacity: 256 }, 0);
    for (let sent = 0; sent < 256; sent++) {
      expect(other.take(0, 1, SHARD, sent)).to.equal(Taken.DONE);
    }
    expect(other.take(0, 1, SHARD, 256)).to.equal(Taken.FULL);
    // A 64th of the capacity at once.
    for (const delivered of [1, 2, 3]) {
      places.releaseDelivered(0);
      expect(places.count(0), 'for the shard itself').to.equal(256 - delivered);
      expect(other.count(0), 'for others').to.equal(256);
    }
    places.releaseDelivered(0);
    expect(other.count(0)).to.equal(252);
    places.releaseDelivered(0);
    places.publishReleases();
    expect(other.count(0)).to.equal(251);
  });

  it('A4: a small mailbox is never fuller to others than it is', () => {
    const places = new Places();
    const other = new Places(places.buffer);
    places.open(0, 1, { ...REFUSE, capacity: 127 }, 3);
    places.releaseDelivered(0);
    expect(other.count(0)).to.equal(2);
  });

  it('what is held is told before another slot, its own thread or its next actor is served', () => {
    const policy = { ...REFUSE, capacity: 256 };
    const others: ((places: Places) => void)[] = [
      (places) => places.releaseDelivered(1),
      (places) => places.takeOwn(0),
      (places) => places.open(0, 2, { ...REFUSE, capacity: 1 }, 0),
    ];
    for (const [index, happens] of others.entries()) {
      const places = new Places();
      const other = new Places(places.buffer);
      places.open(0, 1, policy, 2);
      places.open(1, 1, policy, 1);
      places.releaseDelivered(0);
      expect(other.count(0)).to.equal(2);
      happens(places);
      // The place that is taken for a message of its own thread is counted again.
      expect(other.count(0)).to.equal(index === 1 ? 2 : 1);
    }
  });

  it('the next actor of a slot has a batch of its own', () => {
    const places = new Places();
    const other = new Places(places.buffer);
    places.open(0, 1, { ...REFUSE, capacity: 4096 }, 1);
    places.releaseDelivered(0);
    places.open(0, 2, { ...REFUSE, capacity: 1 }, 1);
    places.releaseDelivered(0);
    expect(other.count(0)).to.equal(0);
  });

  it('A6: what a dead shard had delivered is not among what it has lost', () => {
    const places = new Places();
    places.open(0, 1, { ...REFUSE, capacity: 4096 }, 5);
    places.releaseDelivered(0);
    places.releaseDelivered(0);
    const lost: number[][] = [];
    new Places(places.buffer).closeAll((...each) => lost.push(each));
    expect(lost).to.deep.equal([[0, 1, 3]]);
  });

  it('beyond its last slot everything is taken, and nothing counted', () => {
    const places = new Places();
    expect(places.open(PLACES_MAX - 1, 1, REFUSE, 0)).to.equal(true);
    expect(places.open(PLACES_MAX, 1, REFUSE, 0)).to.equal(false);
    for (let count = 0; count < 5; count++) {
      expect(places.take(PLACES_MAX, 1, SHARD, count)).to.equal(Taken.DONE);
    }
    places.release(PLACES_MAX);
    places.releaseDelivered(PLACES_MAX);
    places.lose(PLACES_MAX, 1, 1);
    expect(places.isOpen(PLACES_MAX, 1)).to.equal(true);
    expect(places.drops(PLACES_MAX)).to.equal(false);
  });

  it('who waits for room is woken by a place given back, and by the end', async () => {
    const places = new Places();
    places.open(0, 1, REFUSE, 2);
    for (const change of [() => places.release(0), () => places.close(0)]) {
      places.expectRoom(0);
      const room = places.room(0);
      change();
      await room;
    }
  });
});
