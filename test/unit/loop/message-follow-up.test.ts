/** Another tick after messages, for what their answers lead to: taken where it pays. */
import { expect } from 'chai';
import { EventLoop } from '../../../src/loop/event-loop.js';
import { Turn } from '../../../src/poll/driver.js';
import { FakeDriver } from '../../support/fake-driver.js';

/** How many turns the loop takes until it sleeps, if nothing more comes. */
function turnsUntilIdle({ poller }: FakeDriver): number {
  let turns = 1;
  while (poller.runTurns(1) === Turn.MORE) turns += 1;
  return turns;
}

describe('the tick after messages', () => {
  it('C5: who answers between ticks need not wake the loop', () => {
    const driver = new FakeDriver();
    const loop = new EventLoop<number>({ driver });
    const got: number[] = [];
    void loop.run({ notify: (_, message) => void got.push(message) });
    turnsUntilIdle(driver);
    const sender = loop.channel();
    const wakesBefore = driver.poller.wakes;
    for (let message = 0; message < 100; message++) {
      sender.send(message);
      expect(driver.poller.runTurns(1)).to.equal(Turn.MORE);
    }
    expect(got).to.have.length(100);
    expect(driver.poller.wakes - wakesBefore).to.equal(1);
    loop.close();
  });

  it('where nothing comes of it, a message costs one tick, but for a try now and then', () => {
    const driver = new FakeDriver();
    const loop = new EventLoop<number>({ driver });
    void loop.run({});
    turnsUntilIdle(driver);
    const sender = loop.channel();
    const measure = () => {
      let turns = 0;
      for (let message = 0; message < 160; message++) {
        sender.send(message);
        turns += turnsUntilIdle(driver);
      }
      return turns;
    };
    measure();
    expect(measure()).to.be.within(160, 175);
    loop.close();
  });
});
