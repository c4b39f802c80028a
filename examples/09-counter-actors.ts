/**
 * Counters that are asked: actors on one thread.
 *
 * An actor is a handler with an address. What its notify() returns answers
 * those who ask; the methods of its class can be called through a proxy.
 */
import { type ActorContext, ActorSystem, Handler } from 'millrace';

class Counter extends Handler<number> {
  #total: number;

  constructor(first: number) {
    super();
    this.#total = first;
  }

  override notify(_context: ActorContext<number>, amount: number): number {
    this.#total += amount;
    return this.#total;
  }

  reset(): number {
    const total = this.#total;
    this.#total = 0;
    return total;
  }
}

const system = await ActorSystem.start({ shards: 0 });
const apples = await system.spawn(Counter, { name: 'apples', args: [0] });
const pears = await system.spawn(Counter, { name: 'pears', args: [10] });

for (let amount = 1; amount <= 4; amount++) {
  apples.send(amount);
  pears.send(-amount);
}
console.log(`Apples: ${await apples.ask<number>(0)}, pears: ${await pears.ask<number>(0)}`);

const found = await system.lookup('apples');
console.log(`Reset ${found?.name} at ${await found?.proxy<Counter>().reset()}`);
console.log(`Apples: ${await apples.ask<number>(1)}`);

await system.stop();
