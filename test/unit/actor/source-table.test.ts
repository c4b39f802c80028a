/** Who registered a source, and how entries of closed ones go. */
import { expect } from 'chai';
import { type SourceEntry, SourceTable } from '../../../src/actor/source-table.js';
import type { Source } from '../../../src/index.js';

/** As much of a source as the table looks at. */
class FakeSource {
  registration: { token: number } | null = null;
}

function add(table: SourceTable, source: FakeSource, disowned: SourceEntry[] = []): SourceEntry {
  const owner = { disown: (entry: SourceEntry) => void disowned.push(entry) };
  const wanted = { owner, source: source as unknown as Source, token: 7 };
  return table.add(wanted, (key) => {
    source.registration = { token: key };
  });
}

describe('SourceTable', () => {
  it('finds by key and by source, and nothing after a removal', () => {
    const table = new SourceTable();
    const source = new FakeSource();
    const entry = add(table, source);
    expect(table.find(entry.key)).to.equal(entry);
    expect(table.of(source as unknown as Source)).to.equal(entry);
    table.remove(entry);
    expect(table.find(entry.key)).to.equal(null);
    expect(table.of(source as unknown as Source)).to.equal(null);
  });

  it('adds nothing when the registration throws', () => {
    const table = new SourceTable();
    const fail = () => {
      throw new Error('mine');
    };
    const owner = { disown: () => {} };
    const source = new FakeSource() as unknown as Source;
    expect(() => table.add({ owner, source, token: 1 }, fail)).to.throw('mine');
    expect(table.find(0)).to.equal(null);
  });

  it('gives up entries of sources that have closed, and tells their owners', () => {
    const table = new SourceTable();
    const disowned: SourceEntry[] = [];
    const keys = new Set<number>();
    const open = new FakeSource();
    const kept = add(table, open);
    for (let count = 0; count < 10_000; count++) {
      const source = new FakeSource();
      keys.add(add(table, source, disowned).key);
      source.registration = null;
    }
    expect(keys.size).to.be.below(200);
    expect(disowned.length).to.be.above(9800);
    expect(table.of(open as unknown as Source)).to.equal(kept);
  });
});
