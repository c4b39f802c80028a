/** Rule L6, watched from outside; the method is in `test/soak/idle.ts`. */
import { expect } from 'chai';
import { idle } from '../soak/idle.js';

/** The scenario takes some 6 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 60_000;

describe('idle', () => {
  it('loops are not woken at all', async () => {
    const lines: string[] = [];
    const { failures } = await idle({ observeMs: 5_000 }, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
