/**
 * The side channel: how a lane hands over what bytes cannot carry. That is
 * segments, and in messages what `encoder.foreign` lists.
 *
 *   sender:    post(values)  ── [lane, sequence, values] ──>  receiver: take(lane, sequence)
 *
 * The receiver has to find there, at once, what was posted before a message
 * was published. Two ways do that:
 *
 *   a port        between two threads that were given one (`thread-ports.ts`):
 *                 the owner of a thread and that thread, any two of a system
 *   a broadcast   between two threads that have exchanged nothing but a
 *                 sender's handle (`broadcast.ts`): it can move nothing but bytes
 *
 * What was received for later waits in `side-receiver.ts`.
 */
import { MessagePort } from 'node:worker_threads';

/** The sending end, for one lane. */
export interface SidePoster {
  /**
   * What `moved` lists is no longer usable here afterwards.
   *
   * @throws DataCloneError
   */
  post(values: readonly unknown[], moved: ReadonlySet<unknown> | undefined): void;
  close(): void;
}

/** The receiving end, for all lanes of a loop. */
export interface SideReceiver {
  /** What a lane posted as number `sequence`. Throws if it is not there. */
  take(lane: number, sequence: number): readonly unknown[];
}

/** A lane's number, the number of its post, and the values. */
export type Post = readonly [lane: number, sequence: number, values: readonly unknown[]];

/** The post with which a lane begins. */
export const FIRST = 0;

/** Where posts come in. */
export interface SideSource {
  /** Keeps all that has arrived. */
  receive(): void;
  close(): void;
}

/** Takes posts from a source, for later. */
export type KeepPost = (post: Post, source: SideSource) => void;

/** Makes what is listed unusable here, as a transfer does. */
export function detach(moved: ReadonlySet<unknown>): void {
  const values = [...moved];
  try {
    discard(structuredClone(values, { transfer: values as ArrayBuffer[] }));
  } catch (error) {
    throw toDataCloneError(error);
  }
}

/** Values that nobody will have: a port among them would stay open, and its other end too. */
export function discard(values: readonly unknown[]): void {
  for (const value of values) if (value instanceof MessagePort) value.close();
}

/** Node 20 throws a TypeError for what must be moved, and others for what it cannot post. */
export function toDataCloneError(error: unknown): Error {
  if (error instanceof DOMException && error.name === 'DataCloneError') return error;
  const { message } = error as Error;
  return new DOMException(message, 'DataCloneError');
}
