/**
 * Inbox: the bounded queue of messages for one loop, and those who wait for
 * room in it.
 *
 *   pushed 7 ─ popped 3 = 4 waiting
 *   ring:  [ . | m3 | m4 | m5 | m6 | . | . | . ]     grows by doubling,
 *                ^ head            ^ tail            up to the capacity
 *
 * Messages on the same thread are passed by reference. The counts only grow,
 * so that "everything that was queued at that moment" is one number to
 * compare with (rule L2).
 *
 * Other threads come in with the first `transfer()`, which opens an inlet.
 * Their messages stay in their lanes, and here is their place in the order
 * (`lane-runs.ts`). From then on the inlet counts the capacity, which is one
 * for all threads. Without it nothing of this costs anything.
 */
import type { Poller } from '../poll/driver.js';
import {
  crossing,
  type Inlet,
  type Lane,
  type MessageTarget,
  type SenderHandle,
} from './crossing.js';
import { LaneRuns } from './lane-runs.js';
import { channelClosed, NOT_TAKEN, publishRefusal } from './refusal.js';
import { Waiters } from './waiters.js';

const INITIAL_RING = 16;

/**
 * What an inlet calls. The type is that of a method, since the parameters of a
 * function's would keep a loop of numbers from being a loop of anything.
 */
interface Arrivals<M> {
  arrived(lane: Lane<M>, count: number): void;
}

export class Inbox<M> implements MessageTarget<M> {
  readonly capacity: number;
  readonly #poller: Pick<Poller, 'wake' | 'wakeKey'>;
  #ring: (M | undefined)[] = new Array(INITIAL_RING).fill(undefined);
  #mask = INITIAL_RING - 1;
  readonly #waiters = new Waiters<M>();

  /** Messages ever taken in; and ever handed out, or given up because they could not be read. */
  pushed = 0;
  popped = 0;
  #refused = 0;
  closed = false;

  /** Set while the loop sleeps and shares its thread; the next message wakes it (rule C5). */
  sleeping = false;

  #inlet: Inlet<M> | null = null;
  #isInletAsleep = false;
  readonly #runs = new LaneRuns<M>();
  readonly #onArrival: Arrivals<M>['arrived'] = (lane, count) => {
    this.#runs.add(lane, count, this.pushed);
    this.pushed += count;
  };

  /** The poller is woken when the loop sleeps. */
  constructor(capacity: number, poller: Pick<Poller, 'wake' | 'wakeKey'>) {
    this.capacity = capacity;
    this.#poller = poller;
  }

  get size(): number {
    return this.pushed - this.popped;
  }

  /** On whichever thread. */
  get refused(): number {
    return this.#refused + (this.#inlet?.refused ?? 0);
  }

  /** Messages of other threads that could not be read (rule C6). */
  get lost(): number {
    return this.#runs.lost;
  }

  /** Messages of other threads ever let in. */
  get arrived(): number {
    return this.#runs.announced;
  }

  /** Whether other threads may send. */
  get isShared(): boolean {
    return this.#inlet !== null;
  }

  /** False if full or closed; the message was not taken then. */
  offer(message: M): boolean {
    if (this.closed || !this.#reserve()) return this.#refuse(message);
    this.#push(message);
    return true;
  }

  /** Resolves when the message was taken; those who wait are served in turn. */
  async offerAsync(message: M, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.closed) throw channelClosed(NOT_TAKEN);
    if (this.#reserve()) {
      this.#push(message);
      return;
    }
    await this.#waiters.wait(message, signal);
  }

  /**
   * The oldest message. Only to be called when there is one. Throws once for a
   * lane that is broken; the next call goes on with what follows.
   */
  take(): M {
    try {
      return this.popped < this.#runs.nextAt ? this.#takeOwn() : this.#runs.take();
    } finally {
      this.popped += 1;
      this.#makeRoom();
    }
  }

  wake(): void {
    if (!this.closed) this.#poller.wake();
  }

  /**
   * Refuses from now on, rejects those who wait, and returns what was never
   * handed out, from whichever thread. What cannot be read is counted only.
   */
  close(): M[] {
    if (this.closed) return [];
    this.closed = true;
    this.#waiters.rejectAll(() => channelClosed(NOT_TAKEN));
    const left: M[] = [];
    while (this.size > 0) {
      try {
        left.push(this.take());
      } catch {}
    }
    this.#ring = [];
    return this.#inlet === null ? left : left.concat(this.#inlet.close());
  }

  // --- Other threads -----------------------------------------------------

  /**
   * What makes a sender on another thread.
   *
   * @throws MillraceError ERR_CHANNEL_CLOSED
   */
  transfer(): SenderHandle {
    if (this.closed) throw channelClosed('no other thread can send to it');
    this.#inlet ??= this.#openInlet();
    return this.#inlet.handle;
  }

  /** Lets in what has arrived from other threads. */
  intake(): void {
    const inlet = this.#inlet;
    if (inlet === null || this.closed) return;
    inlet.intake(this.#onArrival);
    this.#giveUpBroken();
    // A place may also become free because a sender elsewhere gave it back.
    if (this.#waiters.size > 0) this.#admitWaiters();
  }

  /** Lets senders on other threads know of all places that became free. */
  publishReleases(): void {
    if (!this.closed) this.#inlet?.publishReleases();
  }

  /**
   * The thread is about to sleep, or to block: from now on a message from
   * another thread wakes it. False if one has come already (rule C5).
   */
  fallAsleep(): boolean {
    const inlet = this.#inlet;
    if (inlet === null) return true;
    inlet.publishReleases();
    this.#isInletAsleep = inlet.fallAsleep();
    return this.#isInletAsleep;
  }

  wakeUp(): void {
    this.sleeping = false;
    if (!this.#isInletAsleep) return;
    this.#isInletAsleep = false;
    this.#inlet?.wakeUp();
  }

  // --- Inside ------------------------------------------------------------

  #openInlet(): Inlet<M> {
    const { capacity } = this;
    const inlet = crossing().openInlet<M>({
      capacity,
      wakeKey: this.#poller.wakeKey,
      inbox: this,
    });
    for (let taken = 0; taken < this.size; taken++) inlet.reserve();
    // Opened from outside a tick, it finds the loop asleep, and has to know.
    if (this.sleeping) this.#isInletAsleep = inlet.fallAsleep();
    return inlet;
  }

  /** Takes a place for a message of this thread. */
  #reserve(): boolean {
    if (this.#inlet === null) return this.size < this.capacity;
    // With senders elsewhere there may be room although somebody waits here,
    // whom nobody may overtake.
    return this.#admitWaiters() && this.#inlet.reserve();
  }

  #takeOwn(): M {
    const index = this.#head() & this.#mask;
    const message = this.#ring[index] as M;
    this.#ring[index] = undefined;
    return message;
  }

  /** Messages of this thread alone ever taken out of the ring, */
  #head(): number {
    return this.popped - this.#runs.passed;
  }

  /** and ever put into it. */
  #tail(): number {
    return this.pushed - this.#runs.announced;
  }

  #makeRoom(): void {
    if (this.#inlet !== null) {
      this.#inlet.release();
      this.#giveUpBroken();
    }
    if (this.#waiters.size > 0) this.#admitWaiters();
  }

  /** Keeps the oldest message one that can be read. */
  #giveUpBroken(): void {
    while (this.popped >= this.#runs.nextAt && this.#runs.isNextBroken) {
      const count = this.#runs.giveUp();
      this.popped += count;
      for (let released = 0; released < count; released++) this.#inlet?.release();
    }
  }

  #push(message: M): void {
    if (this.#tail() - this.#head() > this.#mask) this.#grow();
    this.#ring[this.#tail() & this.#mask] = message;
    this.pushed += 1;
    if (this.sleeping) {
      this.sleeping = false;
      this.#poller.wake();
    }
  }

  #grow(): void {
    const ring: (M | undefined)[] = new Array((this.#mask + 1) * 2).fill(undefined);
    const mask = ring.length - 1;
    const tail = this.#tail();
    for (let at = this.#head(); at < tail; at++) {
      ring[at & mask] = this.#ring[at & this.#mask];
    }
    this.#ring = ring;
    this.#mask = mask;
  }

  /**
   * Fills places that became free at once, so that a later `send()` cannot
   * overtake a sender that already waits. Returns whether nobody waits.
   */
  #admitWaiters(): boolean {
    while (this.#waiters.size > 0) {
      const hasRoom = this.#inlet === null ? this.size < this.capacity : this.#inlet.reserve();
      if (!hasRoom) return false;
      this.#push(this.#waiters.admit());
    }
    return true;
  }

  #refuse(message: M): false {
    this.#refused += 1;
    const reason = this.closed ? 'closed' : 'full';
    publishRefusal({ reason, capacity: this.capacity, message });
    return false;
  }
}
