/** The mailbox of an actor that has stopped before a reference to it came here. */
import { actorStopped, notTransferable } from './actor-errors.js';
import { ActorRef, type Identity } from './actor-ref.js';
import type { Place } from './cell-table.js';
import type { Mailbox, Question } from './mailbox.js';
import type { RefusalReason } from './reports.js';
import type { StopReason } from './stop-reason.js';

/** What it needs of its thread; there is none of it after the system has stopped. */
export interface Afterlife {
  refuse(actor: ActorRef, reason: RefusalReason, message: unknown): void;
  inform(watcher: (reason: StopReason) => unknown, reason: StopReason): void;
}

export class StoppedMailbox implements Mailbox {
  readonly ref: ActorRef;
  readonly #place: Place;
  readonly #reason: StopReason;
  readonly #afterlife: Afterlife | null;

  constructor(identity: Identity, place: Place, reason: StopReason, afterlife: Afterlife | null) {
    this.ref = new ActorRef(this, identity);
    this.#place = place;
    this.#reason = reason;
    this.#afterlife = afterlife;
  }

  get closed(): boolean {
    return true;
  }

  offer(message: unknown): boolean {
    this.#afterlife?.refuse(this.ref, 'stopped', message);
    return false;
  }

  offerAsync(): Promise<void> {
    return Promise.reject(actorStopped(this.ref));
  }

  ask({ message }: Question): Promise<unknown> {
    this.#afterlife?.refuse(this.ref, 'stopped', message);
    return Promise.reject(actorStopped(this.ref));
  }

  wake(): void {}

  transfer(): never {
    throw notTransferable(this.ref);
  }

  place(): Place {
    return this.#place;
  }

  async stop(): Promise<void> {}

  watch(stopped: (reason: StopReason) => unknown): () => void {
    let isWanted = true;
    // Not before the caller has what takes the wish back.
    queueMicrotask(() => {
      if (isWanted) this.#afterlife?.inform(stopped, this.#reason);
    });
    return () => {
      isWanted = false;
    };
  }
}
