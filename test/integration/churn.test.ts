/** What comes and goes leaves nothing behind; the method is in `test/soak/churn.ts`. */
import { expect } from 'chai';
import { churn } from '../soak/churn.js';

/** The scenario takes some 5 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 60_000;

/** An engine that is still warming up grows by about this much: a coarse net, for coarse leaks. */
const GROWTH_MAX_BYTES = 4 * 2 ** 20;

describe('churn', () => {
  it('of datagrams and connections leaks neither descriptors nor memory', async () => {
    const lines: string[] = [];
    const size = { chunks: 20, datagrams: 40_000, connections: 4_000 };
    const print = (line: string) => lines.push(line);
    const { failures } = await churn({ ...size, growthMaxBytes: GROWTH_MAX_BYTES }, print);
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
