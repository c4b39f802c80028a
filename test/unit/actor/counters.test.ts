/** The counts of a shard, as they outlive its thread. */
import { expect } from 'chai';
import {
  COUNTERS,
  createCounters,
  createSharedCounters,
  readCounters,
  writeCounters,
} from '../../../src/actor/counters.js';

describe('counters', () => {
  it('each is read where it was written', () => {
    const counters = createCounters();
    for (const [at, name] of COUNTERS.entries()) counters[name] = 2 ** 40 + at;
    const shared = createSharedCounters();
    writeCounters(shared, counters);
    expect(readCounters(shared)).to.deep.equal(counters);
    expect(new Set(shared)).to.have.lengthOf(COUNTERS.length);
  });
});
