import { expect } from 'chai';
import { TaskPlaces } from '../../../src/compute/task-places.js';

describe('TaskPlaces', () => {
  function create(queueCapacity: number, threads: number): [TaskPlaces, TaskPlaces] {
    const places = TaskPlaces.create({ queueCapacity, threads }, 2);
    return [places, new TaskPlaces(places.buffer)];
  }

  it('has one for each that may wait and one for each thread, for all takers together', () => {
    const [own, other] = create(2, 1);
    expect(other.capacity).to.equal(2);
    expect([own.take(), other.takeFor(0), other.takeFor(1)]).to.deep.equal([true, true, true]);
    expect([own.take(), other.takeFor(0), other.takeFor(1)]).to.deep.equal([false, false, false]);
    own.release();
    expect([other.takeFor(1), own.take()]).to.deep.equal([true, false]);
  });

  it('the pool may take what it knows to be free before it is given back', () => {
    const [own, other] = create(0, 1);
    expect([own.take(), own.take(), own.take(1)]).to.deep.equal([true, false, true]);
    own.release();
    expect(other.takeFor(0)).to.equal(false);
    own.release();
    expect(other.takeFor(0)).to.equal(true);
  });

  it('notes what each taker has ever taken, but for what was not sent', () => {
    const [own, other] = create(10, 1);
    for (let count = 0; count < 3; count++) other.takeFor(1);
    other.giveBack(1);
    own.release();
    expect([own.taken(0), own.taken(1)]).to.deep.equal([0, 2]);
  });

  it('a place that is given back is free', () => {
    const [, other] = create(0, 1);
    for (let count = 0; count < 5; count++) {
      expect(other.takeFor(0)).to.equal(true);
      other.giveBack(0);
    }
  });

  it('all can see that the pool is closed', () => {
    const [own, other] = create(0, 1);
    expect(other.closed).to.equal(false);
    own.close();
    expect(other.closed).to.equal(true);
  });
});
