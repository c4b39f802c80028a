/**
 * Messages that come to nothing: counted, published one by one where somebody
 * listens, and summed up over a tick for the event `refused`.
 */
import type { ActorRef } from './actor-ref.js';
import type { ActorCounters } from './counters.js';
import { type RefusalReason, refusedChannel } from './reports.js';
import type { ShardHost } from './shard.js';

/** Which counter counts what. */
const COUNTERS = {
  full: 'refusedFull',
  stopped: 'refusedStopped',
  shardExit: 'refusedStopped',
  dropOldest: 'droppedOldest',
  dropNewest: 'droppedNewest',
} as const satisfies Record<RefusalReason, keyof ActorCounters>;

export class Refusals {
  readonly #host: ShardHost;
  readonly #counters: ActorCounters;
  readonly #wake: () => void;
  #sums = new Map<ActorRef, Map<RefusalReason, number>>();
  #isEmitting = false;

  constructor(host: ShardHost, counters: ActorCounters, wake: () => void) {
    this.#host = host;
    this.#counters = counters;
    this.#wake = wake;
  }

  add(actor: ActorRef, reason: RefusalReason, message: unknown): void {
    this.#counters[COUNTERS[reason]] += 1;
    if (refusedChannel.hasSubscribers) refusedChannel.publish({ actor, reason, message });
    if (this.#host.listens('refused')) this.#sum(actor, reason);
    // A listener that sends to a full mailbox in its turn is not called for that.
    if (this.#isEmitting || !this.#host.listens('deadLetter')) return;
    this.#isEmitting = true;
    this.#host.emit('deadLetter', { actor, reason, message });
    this.#isEmitting = false;
  }

  /** Messages of which nothing is left but their number. */
  addMany(actor: ActorRef, reason: RefusalReason, count: number): void {
    this.#counters[COUNTERS[reason]] += count;
    if (this.#host.listens('refused')) this.#sum(actor, reason, count);
  }

  /** At the end of a tick. */
  flush(): void {
    if (this.#sums.size === 0) return;
    const sums = this.#sums;
    this.#sums = new Map();
    for (const [actor, counts] of sums) {
      for (const [reason, count] of counts) this.#host.emit('refused', { actor, reason, count });
    }
  }

  #sum(actor: ActorRef, reason: RefusalReason, count = 1): void {
    // Outside of a tick somebody has to see to it that there is one.
    if (this.#sums.size === 0) this.#wake();
    const counts = this.#sums.get(actor) ?? new Map<RefusalReason, number>();
    counts.set(reason, (counts.get(reason) ?? 0) + count);
    this.#sums.set(actor, counts);
  }
}
