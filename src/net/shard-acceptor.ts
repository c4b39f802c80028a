/** ShardAcceptor: the actor that listens, and moves connections to the shard with the fewest. */
import type { ActorContext } from '../actor/actor-context.js';
import type { ActorRef } from '../actor/actor-ref.js';
import { Handler } from '../loop/handler.js';
import { currentDriver } from '../poll/current-driver.js';
import { Acceptor, type Bound, type Reception, unbind } from './acceptor.js';
import { Count } from './counts.js';
import type { NetStream } from './endpoint.js';
import type { NetAddress } from './handlers.js';
import { tooMany } from './server-errors.js';
import type { ServerBoard } from './server-board.js';
import { bindOnBoard } from './shard-bind.js';
import { boardOf, nameOf, reclaimed, type Order, type ShardPlan } from './shard-server.js';

export class ShardAcceptor extends Handler<never> implements Reception {
  readonly #board: ServerBoard;
  readonly #plan: ShardPlan;
  readonly #bound: Bound;
  /** Null for a shard that has been given up. */
  #servers: readonly (ActorRef<Order> | null)[] = [];

  /** Throws what the system says to the address. */
  constructor(plan: ShardPlan) {
    super();
    this.#plan = plan;
    this.#board = boardOf(plan);
    this.#bound = bindOnBoard(currentDriver(), plan.settings, this.#board);
  }

  address(): NetAddress {
    return this.#bound.localAddress;
  }

  override async started(context: ActorContext<never>): Promise<void> {
    // By name: with the shard they may have died together, and come back in any order.
    const names = Array.from({ length: this.#plan.shards }, (_, shard) =>
      nameOf(this.#plan, shard),
    );
    this.#servers = await Promise.all(names.map((name) => context.lookup<Order>(name)));
    const host = context.admit({ dismissed: () => undefined });
    const group = {
      host,
      dispatch: (acceptor: Acceptor) => {
        try {
          acceptor.perform();
        } catch (error) {
          host.escaped(error);
        }
      },
    };
    // Registered with the loop by this; closed by stopped().
    void new Acceptor(group, this.#bound, this);
  }

  override stopped(): void {
    unbind(this.#bound);
  }

  /** Shards that are down, or have a full mailbox, are passed over. */
  admit(stream: NetStream): void {
    let current = stream;
    for (const shard of this.#board.byLoad()) {
      const epoch = this.#board.take(shard);
      if (epoch === null) {
        // On the thread of the first shard, which counts for it.
        this.#board.countsOf(0)[Count.FAILED] += 1;
        this.refused(tooMany(current, this.#plan.settings.maxConnections));
        break;
      }
      const handle = current.transfer();
      this.#board.moves(shard, handle);
      if (this.#servers[shard]?.send({ kind: 'serve', handle, epoch }) === true) return;
      this.#board.give(shard, epoch);
      const back = reclaimed(handle);
      // The shard has just died, and what was moving to it was closed.
      if (back === null) return;
      current = back;
    }
    current.close();
  }

  /** For the handler of the first shard, which is this one. */
  refused(error: Error): void {
    this.#servers[0]?.send({ kind: 'refused', error });
  }
}
