/** Slots and generations of actors. */
import { expect } from 'chai';
import type { Cell } from '../../../src/actor/cell.js';
import { CellTable, type Place } from '../../../src/actor/cell-table.js';

const create = (place: Place) => ({ ...place }) as Cell;

describe('CellTable', () => {
  it('a slot is used again under another generation, and the old one finds nothing', () => {
    const table = new CellTable();
    const [first, second] = [table.insert(create), table.insert(create)];
    table.remove(first);
    const third = table.insert(create);
    expect(third.slot).to.equal(first.slot);
    expect(table.find(first.slot, first.generation)).to.equal(null);
    expect(table.find(third.slot, third.generation)).to.equal(third);
    expect(table.find(second.slot, second.generation)).to.equal(second);
    expect(table.find(99, 1)).to.equal(null);
    expect(table.all()).to.have.members([second, third]);
    expect(table.size).to.equal(2);
  });

  it('what throws while it is made takes no slot', () => {
    const table = new CellTable();
    const fail = () => {
      throw new Error('mine');
    };
    expect(() => table.insert(fail)).to.throw('mine');
    expect(table.size).to.equal(0);
    expect(table.insert(create).slot).to.equal(0);
  });

  it('generations differ also after the last has gone', () => {
    const table = new CellTable();
    const first = table.insert(create);
    table.remove(first);
    const second = table.insert(create);
    expect(second.slot).to.equal(first.slot);
    expect(table.find(first.slot, first.generation)).to.equal(null);
  });
});
