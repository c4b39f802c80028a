import { expect } from 'chai';
import { Counters } from '../../../src/compute/metrics.js';
import { MetricsBoard } from '../../../src/compute/metrics-board.js';
import { Ending } from '../../../src/compute/task.js';

describe('MetricsBoard', () => {
  it('is read as it was published last, zeros before that', () => {
    const counters = new Counters();
    const board = MetricsBoard.create(counters.read(0, []));
    const reader = new MetricsBoard(board.shared);
    expect(reader.read()).to.deep.equal(counters.read(0, []));
    for (let round = 1; round <= 3; round++) {
      counters.submitted += 10;
      counters.ended(Ending.COMPLETED);
      counters.ended(Ending.CANCELLED);
      const metrics = counters.read(2, [round, 3, 4, 5]);
      board.publish(metrics);
      expect(reader.read()).to.deep.equal(metrics);
    }
  });

  it('what is not published is not read', () => {
    const counters = new Counters();
    const board = MetricsBoard.create(counters.read(0, []));
    counters.submitted = 1;
    expect(new MetricsBoard(board.shared).read()).to.include({ tasksSubmitted: 0 });
  });

  it('has the living histograms', () => {
    const counters = new Counters();
    const board = MetricsBoard.create(counters.read(0, []));
    counters.ran(1, 2);
    const { waitTime, runTime } = new MetricsBoard(board.shared).read();
    expect([waitTime.count, runTime.count]).to.deep.equal([1, 1]);
  });

  it('counts past 2^31 publications', () => {
    const counters = new Counters();
    const board = MetricsBoard.create(counters.read(0, []));
    new Int32Array(board.shared.board)[0] = 2 ** 31 - 2;
    for (let round = 1; round <= 5; round++) {
      counters.submitted = round;
      board.publish(counters.read(0, []));
      expect(board.read()).to.include({ tasksSubmitted: round });
    }
  });
});
