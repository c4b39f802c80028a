/** The ring of a mailbox against a plain array. */
import { expect } from 'chai';
import { MessageRing } from '../../../src/actor/message-ring.js';
import type { Request } from '../../../src/actor/request.js';
import { collectGarbage, heapBytes } from '../../support/garbage.js';
import { random } from '../../support/random.js';

const request = (method: string): Request => ({ method, answer() {}, fail() {} });

describe('MessageRing', () => {
  it('does as an array would, over many ups and downs', () => {
    const numbers = random();
    const ring = new MessageRing();
    const model: [number, Request | null][] = [];
    for (let step = 0; step < 20_000; step++) {
      const rising = Math.sin((step / 20_000) * Math.PI * 20) > 0 ? 0.7 : 0.3;
      if (numbers.next() < rising) {
        const wanted = step % 3 === 0 ? request(String(step)) : null;
        ring.push(step, wanted);
        model.push([step, wanted]);
      } else if (model.length > 0) {
        const got = [ring.message, ring.request];
        ring.drop();
        expect(got, `seed ${numbers.seed}`).to.deep.equal(model.shift());
      }
      expect(ring.size).to.equal(model.length);
    }
  });
  it('holds neither message nor request longer than it must', async () => {
    const ring = new MessageRing();
    const weak = [{}, request('r')].map((each) => new WeakRef(each));
    ring.push(weak[0].deref(), weak[1].deref() as Request);
    ring.push('waits', null);
    ring.drop();
    await new Promise(setImmediate);
    collectGarbage();
    expect(weak.map((each) => each.deref())).to.deep.equal([undefined, undefined]);
    expect(ring.message).to.equal('waits');
  });

  it('takes no more memory the longer it is used, and gives up that of a burst', () => {
    const rings = Array.from({ length: 3 }, () => new MessageRing());
    const before = heapBytes();
    for (const ring of rings) {
      for (let count = 0; count < 200_000; count++) {
        ring.push(count, null);
        if (ring.size > 2) ring.drop();
      }
    }
    expect(heapBytes() - before).to.be.below(500_000);
    for (const ring of rings) {
      for (let count = 0; count < 100_000; count++) ring.push(count, null);
      while (ring.size > 0) ring.drop();
    }
    expect(heapBytes() - before).to.be.below(500_000);
    // They are in use up to here.
    expect(rings.map(({ size }) => size)).to.deep.equal([0, 0, 0]);
  });

  it('after a burst has nothing in common with others after theirs', () => {
    const rings = Array.from({ length: 2 }, () => new MessageRing());
    for (const ring of rings) {
      for (let count = 0; count < 100; count++) ring.push(count, null);
      while (ring.size > 0) ring.drop();
    }
    for (const [index, ring] of rings.entries()) ring.push(index, request(String(index)));
    expect(rings.map(({ message }) => message)).to.deep.equal([0, 1]);
    expect(rings.map((ring) => ring.request?.method)).to.deep.equal(['0', '1']);
  });
});
