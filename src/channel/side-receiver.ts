/** The receiving end of the side channel: what came for a loop, until a lane asks for it. */
import { listenToLane, listenToLoop } from './broadcast.js';
import { discard, FIRST, type Post, type SideReceiver, type SideSource } from './side-channel.js';
import { listenToThreads, receiveFromThreads, stopListening } from './thread-ports.js';

export class LoopSideReceiver implements SideReceiver {
  readonly #loop: string;
  /** Where lanes begin of threads that have no port to this one. */
  readonly #shared: SideSource;
  /** Where lanes go on. */
  readonly #lanes = new Map<number, SideSource>();
  /** What was received for later, by lane and sequence. */
  readonly #waiting = new Map<number, Map<number, readonly unknown[]>>();
  /** Lanes that have begun. */
  #begun: number[] = [];

  constructor(loop: string) {
    this.#loop = loop;
    this.#shared = listenToLoop(loop, this.#keep);
    listenToThreads(loop, this.#keep);
  }

  /** The lanes that have begun since the last call. */
  takeBegun(): number[] {
    this.#shared.receive();
    receiveFromThreads();
    const begun = this.#begun;
    this.#begun = [];
    return begun;
  }

  take(lane: number, sequence: number): readonly unknown[] {
    if (!this.#has(lane, sequence)) this.#lanes.get(lane)?.receive();
    if (!this.#has(lane, sequence)) this.#shared.receive();
    const posts = this.#waiting.get(lane);
    const values = posts?.get(sequence);
    if (values === undefined) throw new RangeError('nothing is on the side channel');
    posts?.delete(sequence);
    return values;
  }

  /** From now on the lane is listened to on its own. */
  openLane(lane: number, header: Int32Array): void {
    if (this.#lanes.get(lane) !== this.#shared) return;
    this.#lanes.set(lane, listenToLane(this.#loop, lane, header, this.#keep));
  }

  /** What it has posted can still be taken. */
  closeLane(lane: number): void {
    const source = this.#lanes.get(lane);
    source?.receive();
    source?.close();
    this.#lanes.delete(lane);
  }

  /** Nothing of it will be taken any more. */
  forgetLane(lane: number): void {
    for (const values of this.#waiting.get(lane)?.values() ?? []) discard(values);
    this.#waiting.delete(lane);
  }

  /** Nothing will be taken any more. */
  close(): void {
    receiveFromThreads();
    stopListening(this.#loop);
    this.#shared.close();
    for (const source of this.#lanes.values()) source.close();
    for (const lane of this.#waiting.keys()) this.forgetLane(lane);
  }

  #has(lane: number, sequence: number): boolean {
    return this.#waiting.get(lane)?.has(sequence) === true;
  }

  readonly #keep = ([lane, sequence, values]: Post, source: SideSource): void => {
    let posts = this.#waiting.get(lane);
    if (posts === undefined) this.#waiting.set(lane, (posts = new Map()));
    posts.set(sequence, values);
    if (sequence !== FIRST) return;
    this.#lanes.set(lane, source);
    this.#begun.push(lane);
  };
}
