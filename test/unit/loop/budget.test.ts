/** How often the clock is read in a tick, and what that means for callbacks that are slow. */
import { expect } from 'chai';
import { BUDGET_STRIDE_MAX } from '../../../src/limits.js';
import { Budget } from '../../../src/loop/budget.js';
import { FakeDriver } from '../../support/fake-driver.js';

const BUDGET_MS = 10;

describe('Budget', () => {
  let driver: FakeDriver;
  let budget: Budget;
  let reads: number;

  beforeEach(() => {
    driver = new FakeDriver();
    reads = 0;
    driver.now = () => {
      reads += 1;
      return driver.clockMs;
    };
    budget = new Budget(driver, BUDGET_MS);
    budget.begin(driver.clockMs);
  });

  /** After how many of these callbacks the budget is spent. */
  function callbacksOf(tookMs: number): number {
    for (let count = 1; count <= 1000; count++) {
      driver.clockMs += tookMs;
      if (budget.isSpent()) return count;
    }
    return Infinity;
  }

  it('reads the clock after the first callback, and then ever more rarely', () => {
    const readAfter: number[] = [];
    for (let count = 1; count <= 40; count++) {
      const before = reads;
      budget.isSpent();
      if (reads > before) readAfter.push(count);
    }
    expect(BUDGET_STRIDE_MAX).to.equal(8);
    expect(readAfter).to.deep.equal([1, 3, 7, 15, 23, 31, 39]);
  });

  it('L7: notices a slow callback at once in each tick, also after one of many quick ones', () => {
    for (let tick = 0; tick < 3; tick++) {
      expect(callbacksOf(BUDGET_MS)).to.equal(1);
      budget.begin(driver.clockMs);
      for (let count = 0; count < 17; count++) expect(budget.isSpent()).to.equal(false);
      budget.begin(driver.clockMs);
    }
  });

  it('is spent when the time is over, not before', () => {
    driver.clockMs += BUDGET_MS - 0.001;
    expect(budget.isSpent()).to.equal(false);
    budget.begin(1000);
    driver.clockMs = 1000 + BUDGET_MS;
    expect(budget.isSpent()).to.equal(true);
  });
});
