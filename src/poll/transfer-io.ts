/**
 * Handles that move between threads: their part of the Driver contract.
 *
 * A handle belongs to the thread that opened it, until that one releases it.
 * Then it is in flight, and belongs to nobody, until one thread acquires it.
 * What is in flight is never forgotten: the driver closes it when no thread is
 * left that could acquire it, and before that with the thread that it is
 * entrusted to (`ThreadSupport` in `driver.ts`).
 */
import type { Handle } from './driver.js';

export interface TransferIo {
  /**
   * Lets go of a handle without closing it. Nothing may be registered for it.
   * Returns its generation, a number from 1 that is never returned twice;
   * -EBADF for a handle that is not open here, -EEXIST for one in flight.
   *
   * @param kind any number, for {@link acquire} to repeat
   */
  release(handle: Handle, kind: number): number;

  /**
   * Takes over a handle that is in flight; returns what it is called here.
   * -ENOENT, and nothing happens, unless all three are those of one
   * {@link release} that nobody has answered yet.
   */
  acquire(handle: Handle, generation: number, kind: number): number;

  /** Handles in flight, between whichever threads. */
  countInFlight(): number;
}
