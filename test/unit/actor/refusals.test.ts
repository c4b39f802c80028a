/** What is counted, told and summed up of messages that come to nothing: rules A4, A10. */
import { expect } from 'chai';
import type { ActorRef } from '../../../src/actor/actor-ref.js';
import { createCounters } from '../../../src/actor/counters.js';
import { Refusals } from '../../../src/actor/refusals.js';
import { refusedChannel } from '../../../src/actor/reports.js';
import type { ShardHost } from '../../../src/actor/shard.js';

const [first, second] = ['first', 'second'].map((name) => ({ name }) as unknown as ActorRef);

describe('Refusals', () => {
  let listened: Set<string>;
  let told: unknown[];
  let wakes: number;
  let onEmit: (event: string) => void;
  let counters: ReturnType<typeof createCounters>;
  let refusals: Refusals;

  beforeEach(() => {
    listened = new Set(['refused', 'deadLetter']);
    told = [];
    wakes = 0;
    onEmit = () => {};
    counters = createCounters();
    const host = {
      listens: (event: string) => listened.has(event),
      emit: (event: string, payload: object) => {
        told.push([event, ...Object.values(payload)]);
        onEmit(event);
      },
    };
    refusals = new Refusals(host as unknown as ShardHost, counters, () => void (wakes += 1));
  });

  it('A4: each is counted by its reason, whether or not anybody listens', () => {
    listened.clear();
    for (const reason of ['full', 'stopped', 'dropOldest', 'dropNewest'] as const) {
      refusals.add(first, reason, 'm');
    }
    refusals.addMany(first, 'shardExit', 5);
    refusals.flush();
    expect(counters).to.include({
      refusedFull: 1,
      refusedStopped: 6,
      droppedOldest: 1,
      droppedNewest: 1,
    });
    expect([told, wakes]).to.deep.equal([[], 0]);
  });

  it('A4: a dead letter is told at once, the sums at the end of the tick and once', () => {
    refusals.add(first, 'full', 'a');
    expect(told).to.deep.equal([['deadLetter', first, 'full', 'a']]);
    listened.delete('deadLetter');
    refusals.add(first, 'full', 'b');
    refusals.add(first, 'stopped', 'c');
    refusals.addMany(second, 'shardExit', 7);
    expect(told).to.have.length(1);
    refusals.flush();
    expect(told.slice(1)).to.deep.equal([
      ['refused', first, 'full', 2],
      ['refused', first, 'stopped', 1],
      ['refused', second, 'shardExit', 7],
    ]);
    refusals.flush();
    expect(told).to.have.length(4);
  });

  it('asks for a tick with the first of a sum, and not with the others', () => {
    for (let count = 0; count < 3; count++) refusals.add(first, 'full', count);
    refusals.addMany(second, 'shardExit', 7);
    expect(wakes).to.equal(1);
    refusals.flush();
    refusals.add(first, 'full', 'again');
    expect(wakes).to.equal(2);
  });

  it('a listener that is refused a message itself is not called for that one', () => {
    onEmit = (event) => {
      if (event === 'deadLetter') refusals.add(second, 'full', 'of the listener');
    };
    refusals.add(first, 'full', 'a');
    refusals.add(first, 'full', 'b');
    expect(told).to.deep.equal([
      ['deadLetter', first, 'full', 'a'],
      ['deadLetter', first, 'full', 'b'],
    ]);
    expect(counters.refusedFull).to.equal(4);
    refusals.flush();
    expect(told.slice(2)).to.deep.equal([
      ['refused', first, 'full', 2],
      ['refused', second, 'full', 2],
    ]);
  });

  it('what is refused while the sums are told belongs to the next sums', () => {
    onEmit = (event) => {
      if (event === 'refused' && told.length < 3) refusals.add(first, 'stopped', 'meanwhile');
    };
    listened.delete('deadLetter');
    refusals.add(first, 'full', 'a');
    refusals.flush();
    expect(told).to.deep.equal([['refused', first, 'full', 1]]);
    expect(wakes).to.equal(2);
    refusals.flush();
    expect(told.at(-1)).to.deep.equal(['refused', first, 'stopped', 1]);
  });

  it('C3: each is published, where somebody has subscribed', () => {
    const published: unknown[] = [];
    const subscriber = (message: unknown) => void published.push(message);
    refusedChannel.subscribe(subscriber);
    refusals.add(first, 'full', 'a');
    refusedChannel.unsubscribe(subscriber);
    refusals.add(first, 'full', 'b');
    expect(published).to.deep.equal([{ actor: first, reason: 'full', message: 'a' }]);
  });
});
