import { expect } from 'chai';
import { OwnSlots } from '../../../src/net/slots.js';

describe('OwnSlots', () => {
  it('N4: there are as many as there may be, and those given back', () => {
    const slots = new OwnSlots(2);
    expect([slots.take(), slots.take(), slots.take()]).to.deep.equal([true, true, false]);
    slots.give();
    expect([slots.take(), slots.take()]).to.deep.equal([true, false]);
  });

  it('no identifier is given twice, from 1 on', () => {
    const slots = new OwnSlots(1);
    expect([slots.nextId(), slots.nextId(), slots.nextId()]).to.deep.equal([1, 2, 3]);
  });
});
