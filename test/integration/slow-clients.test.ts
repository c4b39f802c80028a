/** Connections that hardly say anything; the method is in `test/soak/slow-clients.ts`. */
import { expect } from 'chai';
import { slowClients } from '../soak/slow-clients.js';
import { leavesNothingBehind } from '../support/leaks.js';

leavesNothingBehind();

/** The scenario takes some 5 s; the rest is for machines that are slower or busy. */
const DEADLINE_MS = 60_000;

describe('slow clients', () => {
  it('N7: are kept while they speak in time, and ended in time when they do not', async () => {
    const lines: string[] = [];
    const size = {
      connections: 200,
      periodMs: 1_000,
      bytes: 1,
      idleTimeoutMs: 3_000,
      pollers: ['thread'],
      bytesPerConnectionMax: Infinity,
    } as const;
    const { failures } = await slowClients(size, (line) => lines.push(line));
    expect(failures, lines.join('\n')).to.deep.equal([]);
  }).timeout(DEADLINE_MS);
});
