/** Who spawned an actor, as far as the actor has to know. */
import type { ActorRef } from './actor-ref.js';
import type { Link } from './link.js';
import { MailKind } from './mail.js';

/** On the same thread the cell of the parent, else a {@link RemoteParent}. */
export interface Parent {
  readonly ref: ActorRef;
  /** Whether it takes no children any more. */
  readonly isEnding: boolean;
  childStopped(child: ActorRef): void;
  /** The child has escalated. */
  childCrashed(error: unknown): void;
}

/**
 * How a parent is named to other threads: the actor, which instance of it, and
 * in which thread, since the shard may have died and be up again: `senderOf()`.
 */
export type ParentAddress = readonly [ref: ActorRef, instance: number, thread: number];

export class RemoteParent implements Parent {
  readonly ref: ActorRef;
  readonly link: Link;
  readonly #instance: number;
  readonly #thread: number;

  constructor(link: Link, [ref, instance, thread]: ParentAddress) {
    this.ref = ref;
    this.link = link;
    this.#instance = instance;
    this.#thread = thread;
  }

  get isEnding(): boolean {
    return !this.link.leadsTo(this.#thread) || this.ref.closed;
  }

  childStopped(child: ActorRef): void {
    this.link.postAnyway(MailKind.CHILD_STOPPED, this.ref.place(), 0, child);
  }

  childCrashed(error: unknown): void {
    // Instances of the next thread are counted anew.
    if (!this.link.leadsTo(this.#thread)) return;
    this.link.postAnyway(MailKind.CHILD_CRASHED, this.ref.place(), this.#instance, error);
  }
}
