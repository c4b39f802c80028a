/**
 * Mailbox: all that a reference knows of its actor. On the actor's own thread
 * it is the actor's cell; on others it is a link to it.
 */
import type { MessageTarget } from '../loop/crossing.js';
import type { Place } from './cell-table.js';
import type { StopReason } from './stop-reason.js';

export interface Question {
  /** The method to be called with the message as its arguments; null: `notify()` answers. */
  method: string | null;
  message: unknown;
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

export interface Mailbox<M = unknown> extends MessageTarget<M> {
  /** Where the actor is, for references on other threads; they can send to it from then on. */
  place(): Place;
  /** Settles always (rule A5). */
  ask(question: Question): Promise<unknown>;
  /** Resolves when the actor has stopped. */
  stop(reason: StopReason, timeoutMs: number): Promise<void>;
  /** Calls once, when the actor has stopped, with the reason. Returns what takes the wish back. */
  watch(stopped: (reason: StopReason) => unknown): () => void;
}
