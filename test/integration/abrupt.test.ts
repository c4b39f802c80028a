/** Connections that end in every way; the method is in `test/soak/abrupt.ts`. */
import { expect } from 'chai';
import { abrupt, GROUNDS } from '../soak/abrupt.js';
import { leavesNothingBehind } from '../support/leaks.js';

leavesNothingBehind();

/** The scenario takes some 5 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 120_000;

describe('abrupt ends', () => {
  it('N1, N2, N4, N5: on TCP and Unix are each told once, and free their slots', async () => {
    const lines: string[] = [];
    const size = { rounds: 300, slots: 20, grounds: GROUNDS.slice(0, 2) };
    const { failures } = await abrupt(size, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
