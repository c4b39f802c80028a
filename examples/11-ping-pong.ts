/**
 * Ping and pong in two threads.
 *
 * Each player runs in a shard of its own. The ball carries a reference to the
 * player who hit it last, and so can be played back from the other thread. A
 * module is imported in the thread that its actor runs in: here it is this
 * very file, whose lower part is for the main thread alone.
 */
import { isMainThread } from 'node:worker_threads';
import { type ActorContext, type ActorRef, ActorSystem, Handler } from 'millrace';

interface Ball {
  hitsLeft: number;
  rally: string[];
  from: ActorRef<Ball>;
}

export class Player extends Handler<Ball> {
  readonly #sound: string;
  #over: (rally: string[]) => void = () => {};

  constructor(sound: string) {
    super();
    this.#sound = sound;
  }

  override notify(context: ActorContext<Ball>, { hitsLeft, rally, from }: Ball): void {
    if (hitsLeft === 0) {
      this.#over(rally);
      return;
    }
    const hit = `${this.#sound} in shard ${context.self.shard}`;
    from.send({ hitsLeft: hitsLeft - 1, rally: [...rally, hit], from: context.self });
  }

  /** Resolves when a ball comes to rest here. */
  rest(): Promise<string[]> {
    return new Promise((resolve) => {
      this.#over = resolve;
    });
  }
}

if (isMainThread) {
  const system = await ActorSystem.start({ shards: 2 });
  const module = new URL(import.meta.url);
  const ping = await system.spawn<Ball>(module, { args: ['ping'], shard: 0 });
  const pong = await system.spawn<Ball>(module, { args: ['pong'], shard: 1 });
  const rest = ping.proxy<Player>().rest();
  ping.send({ hitsLeft: 4, rally: [], from: pong });
  for (const hit of await rest) console.log(hit);
  await system.stop();
}
