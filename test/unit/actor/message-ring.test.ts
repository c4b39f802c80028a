/** The ring of a mailbox against a plain array. */
import { expect } from 'chai';
import { MessageRing } from '../../../src/actor/message-ring.js';
import type { Request } from '../../../src/actor/request.js';
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
});
