/** Ends of threads and processes under load; the method is in `test/soak/teardown.ts`. */
import { expect } from 'chai';
import { teardown } from '../soak/teardown.js';

/** The scenario takes some 10 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 90_000;

describe('teardown', () => {
  it('of threads and processes under load neither crashes, nor hangs, nor leaks', async () => {
    const lines: string[] = [];
    const size = { workers: 40, processes: 10 };
    const { failures } = await teardown(size, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
