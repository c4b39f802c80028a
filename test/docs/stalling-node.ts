/** A Raft node whose thread can be stopped from outside, as a disk or a collection would. */
import { RaftNode, type Status } from './raft-node.js';

export class StallingNode extends RaftNode {
  /**
   * Stops the thread for `stallMs`, and on until `words` holds 2; it holds 1
   * meanwhile. Returns how things were before.
   */
  stall(words: Int32Array, stallMs: number): Status {
    const before = this.status();
    const endMs = performance.now() + stallMs;
    Atomics.store(words, 0, 1);
    while (performance.now() < endMs) Atomics.wait(words, 1, 0, endMs - performance.now());
    Atomics.wait(words, 0, 1);
    return before;
  }
}
