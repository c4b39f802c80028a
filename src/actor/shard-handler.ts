import type { EventLoop } from '../loop/event-loop.js';
import { Handler, type Lateness, type SignalInfo } from '../loop/handler.js';
import type { EventSet } from '../poll/event-set.js';
import type { Token } from '../poll/token.js';
import type { ActorTimer } from './actor-timer.js';
import type { Cell } from './cell.js';
import type { Context } from './context.js';
import { Alarm } from './deadlines.js';
import { Mail } from './mail.js';
import type { Shard } from './shard.js';

/** What the timeouts of a shard's loop carry. */
export type ShardTimer = ActorTimer | Alarm;

type ShardLoop = EventLoop<Cell | Mail, ShardTimer>;

/** The handler of a shard's loop: finds the actor that an event is for. */
export class ShardHandler extends Handler<Cell | Mail, ShardTimer> {
  readonly #shard: Shard;

  constructor(shard: Shard) {
    super();
    this.#shard = shard;
  }

  override notify(_loop: ShardLoop, item: Cell | Mail): void {
    if (item instanceof Mail) this.#shard.peers?.receive(item);
    else item.deliver();
  }

  override ready(_loop: ShardLoop, token: Token, events: EventSet): void {
    const entry = this.#shard.sources.find(token);
    if (entry !== null) (entry.owner as Context).ready(entry, events);
  }

  override timeout(_loop: ShardLoop, timer: ShardTimer, late: Lateness): void {
    if (timer instanceof Alarm) timer.deadlines.ring(late.dueMs);
    else timer.owner.fired(timer, late);
  }

  override signal(_loop: ShardLoop, info: SignalInfo): void {
    this.#shard.signals.deliver(info);
  }

  override interrupted(): void {
    for (const cell of this.#shard.interruptible) {
      cell.invoke('interrupted', (handler, loop) => handler.interrupted?.(loop));
    }
  }

  override tick(): void {
    for (const cell of this.#shard.ticking) {
      cell.invoke('tick', (handler, loop) => handler.tick?.(loop));
    }
    this.#shard.places?.publishReleases();
    this.#shard.flushReports();
  }
}
