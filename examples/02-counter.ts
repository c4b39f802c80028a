/**
 * Counter: a handler with state.
 *
 * All callbacks of a handler run one after another on its loop's thread, so a
 * plain field is all the state it needs. Messages of one sender arrive in the
 * order in which they were sent.
 */
import { EventLoop, Handler } from 'millrace';

const LAST = 4;

class Counter extends Handler<number> {
  #total = 0;

  override notify(loop: EventLoop<number>, message: number): void {
    this.#total += message;
    console.log(`Message: ${message}, Total: ${this.#total}`);
    if (message === LAST) loop.shutdown();
  }
}

const loop = new EventLoop<number>();
const sender = loop.channel();

for (let message = 0; message <= LAST; message++) sender.send(message);
await loop.run(new Counter());
loop.close();
