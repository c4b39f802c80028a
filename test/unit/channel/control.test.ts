/** The words of a loop, which all its senders share, seen from both sides. */
import { expect } from 'chai';
import {
  closeControl,
  createControl,
  givePlacesBack,
  hasPlacesTaken,
  isClosed,
  loadPair,
  mustWake,
  takePlace,
  Word,
} from '../../../src/channel/control.js';
import { waitAsync } from '../../../src/channel/wait-async.js';

const CAPACITY = 3;

describe('the control words of a loop', () => {
  let words: Int32Array;

  beforeEach(() => {
    words = createControl({ capacity: CAPACITY, thread: 1, wakeKey: 2 });
  });

  it('carry any number that is one exactly', () => {
    for (const wakeKey of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
      const other = createControl({ capacity: 7, thread: 2 ** 53 - 1 - wakeKey, wakeKey });
      expect(loadPair(other, Word.WAKE_KEY)).to.equal(wakeKey);
      expect(loadPair(other, Word.THREAD)).to.equal(2 ** 53 - 1 - wakeKey);
      expect(other[Word.CAPACITY]).to.equal(7);
    }
  });

  it('C1: have as many places as the capacity, and those given back', () => {
    const take = () => takePlace(words, CAPACITY);
    expect(hasPlacesTaken(words)).to.equal(false);
    expect([take(), take(), take(), take()]).to.deep.equal([true, true, true, false]);
    givePlacesBack(words, 2);
    expect([take(), take(), take()]).to.deep.equal([true, true, false]);
    expect(hasPlacesTaken(words)).to.equal(true);
    givePlacesBack(words, 3);
    expect(hasPlacesTaken(words)).to.equal(false);
  });

  it('C1: a place that another thread takes in that moment is not taken twice', () => {
    const { compareExchange } = Atomics;
    let others = 2;
    // As if other threads had come between the look at the word and the exchange.
    Atomics.compareExchange = ((...args: Parameters<typeof compareExchange>) => {
      if (others > 0) words[Word.WAITING] += 1;
      others -= 1;
      return compareExchange(...args);
    }) as typeof compareExchange;
    try {
      expect(takePlace(words, CAPACITY)).to.equal(true);
      expect(words[Word.WAITING]).to.equal(3);
      givePlacesBack(words, 1);
      others = 1;
      expect(takePlace(words, CAPACITY)).to.equal(false);
    } finally {
      Atomics.compareExchange = compareExchange;
    }
    expect(words[Word.WAITING]).to.equal(3);
  });

  it('C2: a closed loop has no place, whatever is given back', () => {
    takePlace(words, CAPACITY);
    closeControl(words);
    expect([isClosed(words), hasPlacesTaken(words)]).to.deep.equal([true, true]);
    givePlacesBack(words, 1);
    expect([isClosed(words), hasPlacesTaken(words)]).to.deep.equal([true, false]);
    expect(takePlace(words, CAPACITY)).to.equal(false);
    closeControl(words);
    expect(isClosed(words)).to.equal(true);
  });

  it('C5: of several senders one wakes a loop that sleeps, and none a loop that is awake', () => {
    expect(mustWake(words)).to.equal(false);
    words[Word.SLEEPING] = 1;
    expect([mustWake(words), mustWake(words)]).to.deep.equal([true, false]);
  });

  for (const [what, change] of [
    ['a place given back', () => givePlacesBack(words, 1)],
    ['the end of the loop', () => closeControl(words)],
  ] as const) {
    /** What an outlet does before it waits. */
    function announceWaiter(): number {
      takePlace(words, CAPACITY);
      const room = Atomics.load(words, Word.ROOM);
      Atomics.store(words, Word.WAITERS, 1);
      return room;
    }

    function wait(room: number): Promise<string> {
      return waitAsync(words as Int32Array<SharedArrayBuffer>, Word.ROOM, room, 5000);
    }

    it(`C1: ${what} wakes those who wait, once`, async () => {
      const waiting = wait(announceWaiter());
      change();
      expect(await waiting).to.equal('ok');
      expect(words[Word.WAITERS]).to.equal(0);
    });

    it(`C1: ${what} between the last look and the wait is not missed`, async () => {
      const room = announceWaiter();
      change();
      expect(await wait(room)).to.equal('not-equal');
    });
  }

  it('C1: a place costs nothing more where nobody waits for it', () => {
    takePlace(words, CAPACITY);
    givePlacesBack(words, 1);
    expect(words[Word.ROOM]).to.equal(0);
  });
});
