/** A reader that is in no hurry; the method is in `test/soak/slow-reader.ts`. */
import { expect } from 'chai';
import { slowReader } from '../soak/slow-reader.js';
import { leavesNothingBehind } from '../support/leaks.js';

leavesNothingBehind();

/** The scenario takes some 3 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 60_000;

describe('a slow reader', () => {
  it('N3: costs the server memory by its high mark only, and gets every byte', async () => {
    const lines: string[] = [];
    const size = {
      chunks: 512,
      rounds: 1,
      echoMs: 50,
      idleMs: 100,
      slowMs: 200,
      spareBytes: 4 * 2 ** 20,
      latencyRatioMax: Infinity,
    };
    const { failures } = await slowReader(size, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
