/** Both sides of a claim on one thread, where each step can be looked at. */
import { expect } from 'chai';
import { waitAsync } from '../../../src/channel/wait-async.js';
import { Claim, CLAIMS, Claims } from '../../../src/compute/claims.js';

/** The largest position that fits its word. */
const LAST = 2 ** 31 - 1;

/** As in the table of `claims.ts`. */
const UNREAD = 16;
const UNREAD_MAX = 1024;

describe('Claims', () => {
  let pool: Claims;
  let thread: Claims;

  beforeEach(() => {
    pool = new Claims();
    thread = new Claims(pool.buffer);
  });

  it('a task that was begun cannot be recalled, and one that was recalled not begun', () => {
    pool.offer(3);
    expect(pool.look(3)).to.equal(Claim.SENT);
    expect([thread.begin(3), pool.recall(3), thread.begin(3)]).to.deep.equal([true, false, false]);
    expect(pool.look(3)).to.equal(Claim.RUNNING);
    pool.offer(4);
    expect([pool.recall(4), thread.begin(4), pool.recall(4)]).to.deep.equal([true, false, false]);
    expect(pool.look(4)).to.equal(Claim.RECALLED);
    expect(pool.look(5)).to.equal(Claim.NONE);
  });

  it('tells how a task has ended, to which nothing more can happen', () => {
    for (const [position, claim] of [Claim.RETURNED, Claim.THREW].entries()) {
      pool.offer(position);
      thread.begin(position);
      thread.end(position, claim);
      expect([pool.recall(position), thread.begin(position)]).to.deep.equal([false, false]);
      expect(pool.look(position)).to.equal(claim);
    }
  });

  it('each position has a claim of its own, up to as many as there are', () => {
    for (let position = 0; position < CLAIMS; position++) pool.offer(position);
    expect(pool.recall(7)).to.equal(true);
    for (let position = 0; position < CLAIMS; position++) {
      expect(pool.look(position)).to.equal(position === 7 ? Claim.RECALLED : Claim.SENT);
    }
    pool.offer(CLAIMS + 7);
    expect([pool.look(7), Claims.indexOf(CLAIMS + 7)]).to.deep.equal([Claim.SENT, 7]);
  });

  for (const [what, first] of [
    ['at first', 0],
    ['where positions do not fit their word any more', LAST - 10],
  ] as const) {
    it(`has room for as many as the thread has not handled: ${what}`, () => {
      const at = (offset: number) => first + offset;
      for (const passed of [first / 2, first]) {
        if (passed > 0) thread.handled(Math.floor(passed) - 1);
        pool.hasRoom(Math.floor(passed), 0);
      }
      expect(pool.hasRoom(at(CLAIMS - 1), 0)).to.equal(true);
      expect(pool.hasRoom(at(CLAIMS), 0)).to.equal(false);
      expect(pool.hasRoom(at(CLAIMS / 2 - 1), CLAIMS / 2)).to.equal(true);
      expect(pool.hasRoom(at(CLAIMS / 2), CLAIMS / 2)).to.equal(false);
      thread.handled(at(0));
      expect(pool.hasRoom(at(CLAIMS), 0)).to.equal(true);
      expect(pool.hasRoom(at(CLAIMS + 1), 0)).to.equal(false);
      thread.handled(at(20));
      expect(pool.hasRoom(at(CLAIMS + 20), 0)).to.equal(true);
      expect(pool.hasRoom(at(CLAIMS + 21), 0)).to.equal(false);
    });
  }

  /** As a thread that waits for a report to be read. */
  function waitForReader(): Promise<string> {
    return waitAsync(new Int32Array(pool.buffer), UNREAD, UNREAD_MAX, 5000);
  }

  it('a thread may be so many reports ahead, and then one for each that is read', () => {
    for (let count = 0; count < UNREAD_MAX; count++) expect(thread.admitReport()).to.equal(true);
    pool.releaseReport();
    expect(thread.admitReport()).to.equal(true);
    expect(new Int32Array(pool.buffer)[UNREAD]).to.equal(UNREAD_MAX);
  });

  it('who waits at the bound is woken by the first that is read', async () => {
    for (let count = 0; count < UNREAD_MAX; count++) thread.admitReport();
    const waiter = waitForReader();
    pool.releaseReport();
    expect(await waiter).to.equal('ok');
  });

  it('a thread that is given up reports no more, and is woken to learn it', async () => {
    for (let count = 0; count < UNREAD_MAX; count++) thread.admitReport();
    const waiter = waitForReader();
    pool.giveUp();
    expect(await waiter).to.equal('ok');
    expect(thread.admitReport()).to.equal(false);
    for (let count = 0; count < UNREAD_MAX; count++) pool.releaseReport();
    expect(thread.admitReport()).to.equal(false);
  });
});
