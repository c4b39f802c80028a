/** Rule L2 with real processes and sockets; the method is in `test/soak/stalls.ts`. */
import { expect } from 'chai';
import { stalls } from '../soak/stalls.js';

/** The scenario takes some 15 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 90_000;

describe('stalls', () => {
  it('L2: deliver no stale timeout, wherever they happen', async () => {
    const lines: string[] = [];
    const { failures } = await stalls({ stalls: 5, parallel: 48 }, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
