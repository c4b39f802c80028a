/**
 * An actor that crashes, and what becomes of it.
 *
 * A crash ends the instance, not the actor: a new instance takes over the
 * mailbox, after a back-off that doubles. The message that crashed is not
 * delivered again. When the budget of restarts is used up the actor stops, and
 * those who watch it hear why.
 */
import { type ActorContext, ActorSystem, Handler } from 'millrace';

class Divider extends Handler<number> {
  override started(): void {
    console.log('Started');
  }

  override notify(_context: ActorContext<number>, divisor: number): number {
    if (divisor === 0) throw new RangeError('division by zero');
    return 100 / divisor;
  }
}

const system = await ActorSystem.start({ shards: 0 });
system.on('crash', ({ error, decision }) => console.log(`Crash: ${String(error)}; ${decision}`));
system.on('restart', ({ attempt, delayMs }) => console.log(`Restart ${attempt}, ${delayMs} ms`));

const divider = await system.spawn(Divider, {
  supervision: { maxRestarts: 2, withinMs: 5000, backoffMs: 20 },
});
const stopped = new Promise((resolve) => {
  divider.watch((reason) => resolve(reason.kind));
});

for (const divisor of [4, 0, 5, 0, 10, 0]) {
  try {
    console.log(`100 / ${divisor} = ${await divider.ask<number>(divisor)}`);
  } catch (error) {
    console.log(`100 / ${divisor}: ${String(error)}`);
  }
}
console.log(`Ended: ${String(await stopped)}`);

await system.stop();
