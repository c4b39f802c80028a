/** What comes and goes leaves nothing behind; the method is in `test/soak/churn.ts`. */
import { expect } from 'chai';
import { churn, partOfHour } from '../soak/churn.js';

/** The scenario takes some 5 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 60_000;

/** An engine that is still warming up grows by about this much: a coarse net, for coarse leaks. */
const GROWTH_MAX_BYTES = 4 * 2 ** 20;

describe('churn', () => {
  it('of all that comes and goes leaks neither descriptors, threads nor memory', async () => {
    const lines: string[] = [];
    const size = { chunks: 25, amounts: partOfHour(1 / 200), growthMaxBytes: GROWTH_MAX_BYTES };
    const { failures } = await churn(size, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
