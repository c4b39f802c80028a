/** Tasks as nobody should write them; the method is in `test/soak/pool.ts`. */
import { expect } from 'chai';
import { pool } from '../soak/pool.js';
import { leavesNothingBehind } from '../support/leaks.js';

leavesNothingBehind();

/** The scenario takes some 6 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 120_000;

describe('a misused pool', () => {
  it('P2, P3, P4: settles every task, keeps its size, and its metrics always add up', async () => {
    const lines: string[] = [];
    const size = { chunks: 8, tasks: 400, growthMaxBytes: 48 * 2 ** 20 };
    const { failures } = await pool(size, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
