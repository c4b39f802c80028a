/**
 * The queue against a model: a plain list, searched from end to end each time.
 * Random operations from a seed that is printed when they disagree.
 */
import { expect } from 'chai';
import { TaskPriority } from '../../../src/compute/task-priority.js';
import { type Queueable, TaskQueue } from '../../../src/compute/task-queue.js';
import { random } from '../../support/random.js';

interface Entry extends Queueable {
  readonly priority: TaskPriority;
  readonly sequence: number;
  readonly submittedMs: number;
  isQueued: boolean;
}

class Model {
  readonly entries: Entry[] = [];
  readonly #agingMs: number;

  constructor(agingMs: number) {
    this.#agingMs = agingMs;
  }

  next(nowMs: number): Entry | null {
    let best: Entry | null = null;
    for (const entry of this.entries) {
      const difference = best === null ? 1 : this.level(entry, nowMs) - this.level(best, nowMs);
      const isEarlier = difference === 0 && entry.sequence < (best?.sequence ?? 0);
      if (difference > 0 || isEarlier) best = entry;
    }
    return best;
  }

  level({ priority, submittedMs }: Entry, nowMs: number): number {
    return Math.min(3, priority + Math.floor((nowMs - submittedMs) / this.#agingMs));
  }

  remove(entry: Entry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
  }
}

function entryOf(priority: TaskPriority, sequence: number, submittedMs = 0): Entry {
  return { priority, sequence, submittedMs, isQueued: false };
}

/** Takes all, as they come at that time; their sequences. */
function drain(queue: TaskQueue<Entry>, nowMs: number): number[] {
  const taken: number[] = [];
  for (let next = queue.peek(nowMs); next !== null; next = queue.peek(nowMs)) {
    queue.take(next);
    taken.push(next.sequence);
  }
  return taken;
}

const { Low, Normal, High, Critical } = TaskPriority;

describe('TaskQueue', () => {
  it('P1: does as a list, through random adds, takes, removals and returns', () => {
    for (let round = 0; round < 60; round++) {
      const { seed, next } = random();
      const agingMs = 1 + Math.floor(next() * 50);
      const queue = new TaskQueue<Entry>(agingMs);
      const model = new Model(agingMs);
      const taken: Entry[] = [];
      let nowMs = 0;
      let sequence = 0;
      for (let step = 0; step < 1500; step++) {
        nowMs += next() < 0.3 ? next() * agingMs : 0;
        const what = next();
        if (what < 0.4) {
          const priority = Math.floor(next() * 4) as TaskPriority;
          const added = entryOf(priority, sequence++, nowMs);
          queue.add(added);
          model.entries.push(added);
        } else if (what < 0.65) {
          const expected = model.next(nowMs);
          const found = queue.peek(nowMs);
          expect(found, `seed ${seed}, step ${step}`).to.equal(expected);
          if (found !== null) {
            queue.take(found);
            model.remove(found);
            taken.push(found);
          }
        } else if (what < 0.85 && model.entries.length > 0) {
          const removed = model.entries[Math.floor(next() * model.entries.length)];
          queue.remove(removed);
          model.remove(removed);
        } else if (taken.length > 0) {
          const back = taken.splice(Math.floor(next() * taken.length), 1)[0];
          queue.add(back);
          model.entries.push(back);
        }
        expect(queue.size, `seed ${seed}`).to.equal(model.entries.length);
        for (const priority of [Low, Normal, High, Critical]) {
          const depth = model.entries.filter((each) => each.priority === priority).length;
          expect(queue.depth(priority), `seed ${seed}`).to.equal(depth);
        }
      }
      const rest: number[] = [];
      for (let left = model.next(nowMs); left !== null; left = model.next(nowMs)) {
        model.remove(left);
        rest.push(left.sequence);
      }
      expect(drain(queue, nowMs), `seed ${seed}`).to.deep.equal(rest);
    }
  });

  it('P1: one priority comes in the order of its sequence, whatever the order of the adds', () => {
    const queue = new TaskQueue<Entry>(1000);
    for (const sequence of [3, 0, 4, 1, 2]) queue.add(entryOf(Normal, sequence));
    expect(drain(queue, 0)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('P1: a level is gained at the very millisecond, and not before', () => {
    const queue = new TaskQueue<Entry>(1000);
    const old = entryOf(Low, 0, 0);
    queue.add(old);
    const young = entryOf(Normal, 1, 500);
    queue.add(young);
    expect(queue.peek(999.9)).to.equal(young);
    expect(queue.peek(1000)).to.equal(old);
    // Both have gained one by now.
    expect(queue.peek(1999.9)).to.equal(young);
    expect(queue.peek(2000)).to.equal(old);
  });

  it('P1: nothing rises above Critical', () => {
    const queue = new TaskQueue<Entry>(1000);
    queue.add(entryOf(Critical, 0, 0));
    queue.add(entryOf(Low, 1, 0));
    expect(drain(queue, 100_000)).to.deep.equal([0, 1]);
  });

  it('removals cost the same in a queue of 100 and of 100,000', () => {
    // Looked at a hundred times as often, the large one must not take ten times as long.
    const perRemoval = (size: number): number => {
      const queue = new TaskQueue<Entry>(1000);
      const entries = Array.from({ length: size }, (_, sequence) => entryOf(Low, sequence));
      for (const each of entries) queue.add(each);
      const beganMs = performance.now();
      for (let at = size - 1; at >= 0; at -= 2) queue.remove(entries[at]);
      return (performance.now() - beganMs) / (size / 2);
    };
    for (let warmUp = 0; warmUp < 100; warmUp++) perRemoval(100);
    const small = Math.max(...Array.from({ length: 50 }, () => perRemoval(100)));
    const large = Math.min(...Array.from({ length: 3 }, () => perRemoval(100_000)));
    expect(large).to.be.below(Math.max(small, 0.0005) * 10);
  });
});
