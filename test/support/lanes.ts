/** Lanes without loops: what stands around their ends in tests. */
import type { Lane } from '../../src/loop/crossing.js';
import { SharedInlet } from '../../src/channel/inlet.js';
import { Outlet } from '../../src/channel/outlet.js';
import type { SidePoster, SideReceiver } from '../../src/channel/side-channel.js';
import type { ThreadSupport } from '../../src/poll/driver.js';
import { nativeDriver } from '../../src/poll/native-driver.js';

/** A side channel within one thread. */
export class MemorySide implements SidePoster, SideReceiver {
  readonly posts: (readonly unknown[])[] = [[]];
  /** Thrown by the next post. */
  failure: Error | null = null;

  post(values: readonly unknown[]): void {
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    this.posts.push(values);
  }

  take(_lane: number, sequence: number): readonly unknown[] {
    const values = this.posts[sequence];
    if (values === undefined) throw new RangeError('nothing was posted');
    return values;
  }

  close(): void {}
}

/** Threads that are only said to exist have keys from here on. */
export const PRETENDED = 1_000_000;
const PRETENDED_MAX = 8;

const ALIVE = 0;
const DEAD = 1;

/**
 * Real threads, and pretended ones, of which one receives and sleeps on a
 * word instead of in a poller. A worker makes another of the same words.
 */
export class Bell implements ThreadSupport {
  /** How often it was rung; then a word for each pretended thread. */
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly thisThread: number;

  constructor(words?: Int32Array<SharedArrayBuffer>, thread = nativeDriver.threads.thisThread) {
    this.words = words ?? new Int32Array(new SharedArrayBuffer(4 * (1 + PRETENDED_MAX)));
    this.thisThread = thread;
  }

  isAlive(thread: number): boolean {
    if (thread < PRETENDED) return nativeDriver.threads.isAlive(thread);
    return this.words[1 + thread - PRETENDED] === ALIVE;
  }

  /** Says that a pretended thread has ended. */
  end(thread: number): void {
    this.words[1 + thread - PRETENDED] = DEAD;
  }

  wake(): void {
    Atomics.add(this.words, 0, 1);
    Atomics.notify(this.words, 0);
  }

  yield(): void {}

  trustThisThread(): void {}

  publishMessage(words: Int32Array, index: number, value: number): number {
    return Atomics.exchange(words, index, value);
  }

  get rung(): number {
    return Atomics.load(this.words, 0);
  }
}

/** What an inbox does with an inlet. */
export class Drain<M = unknown> {
  readonly bell: Bell;
  readonly inlet: SharedInlet<M>;
  naps = 0;
  readonly #runs: { lane: Lane<M>; count: number }[] = [];

  constructor(capacity: number, bell = new Bell()) {
    this.bell = bell;
    const inbox = undefined as never;
    this.inlet = new SharedInlet<M>({ capacity, wakeKey: 2 ** 40 + 7, inbox }, bell);
  }

  /** All that is there. */
  take(): M[] {
    const messages: M[] = [];
    this.inlet.intake((lane, count) => this.#runs.push({ lane, count }));
    for (const { lane, count } of this.#runs.splice(0)) {
      for (let taken = 0; taken < count; taken++) {
        this.inlet.release();
        messages.push(lane.take());
      }
    }
    return messages;
  }

  /** As {@link take}, but blocks the thread until there is something; throws after `limitMs`. */
  waitAndTake(limitMs = 10_000): M[] {
    for (;;) {
      const messages = this.take();
      if (messages.length > 0) return messages;
      const { rung } = this.bell;
      if (!this.inlet.fallAsleep()) continue;
      this.naps += 1;
      const outcome = Atomics.wait(this.bell.words, 0, rung, limitMs);
      this.inlet.wakeUp();
      if (outcome === 'timed-out') throw new Error('no message woke the receiver');
    }
  }

  outlet(bell = this.bell): Outlet<M> {
    return new Outlet<M>(this.inlet.handle, bell);
  }
}
