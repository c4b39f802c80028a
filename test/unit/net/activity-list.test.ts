import { expect } from 'chai';
import { ActivityList, type Member } from '../../../src/net/activity-list.js';
import { random } from '../../support/random.js';

class Fake implements Member {
  previous: Member | null = null;
  next: Member | null = null;
  activeAtMs = 0;
  quietAtMs: number | null = null;

  quiet(): void {
    this.quietAtMs = now;
  }
}

let now = 0;

describe('ActivityList', () => {
  it('finds those that were quiet for the limit, and no others, whatever happened', () => {
    const { seed, next } = random();
    const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
    const limitMs = 100;
    const list = new ActivityList(limitMs);
    /** And when something last happened to each. */
    const live = new Map<Fake, number>();
    for (now = 0; now < 5000; now += integer(0, 10)) {
      const choice = integer(0, 9);
      const members = [...live.keys()];
      const member = members[integer(0, Math.max(0, members.length - 1))];
      if (choice < 3 || member === undefined) {
        const added = new Fake();
        live.set(added, now);
        list.add(added, now);
      } else if (choice < 8) {
        list.touch(member, now);
        live.set(member, now);
      } else {
        list.remove(member);
        live.delete(member);
      }
      const due = [...live.keys()].filter((each) => live.get(each)! + limitMs <= now);
      list.expire(now);
      expect(
        members.filter(({ quietAtMs }) => quietAtMs !== null),
        `seed ${seed}`,
      ).to.have.members(due);
      for (const each of due) live.delete(each);
      const dueMs = Math.min(...live.values()) + limitMs;
      expect(list.dueMs, `seed ${seed}`).to.equal(dueMs);
    }
  });

  it('is empty again, and due never', () => {
    const list = new ActivityList(1);
    const [first, second] = [new Fake(), new Fake()];
    list.add(first, 0);
    list.add(second, 1);
    list.remove(first);
    expect(list.dueMs).to.equal(2);
    list.remove(second);
    expect(list.dueMs).to.equal(Infinity);
  });
});
