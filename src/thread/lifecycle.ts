/**
 * What the two sides of a worker thread say to each other about its life,
 * beside the API that it serves, on the same link and so in one order with it.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Packed } from '../channel/codec/packed.js';

/** The thread's `workerData`. */
export interface StartMessage {
  /** The thread's end of the link; `parentPort` is left to others. */
  control: MessagePort;
  /** Its end of the port for what messages between the two threads cannot carry as bytes. */
  posts: MessagePort;
  data: Packed;
}

/** What every thread serves. */
export interface ThreadLife {
  /** Answered when the thread is up, or could not come up. */
  threadReady(): Promise<{ error: unknown } | null>;
  /** Answered at once; the thread ends in its own time. */
  threadStop(timeoutMs: number): void;
}

/** What every owner of a thread serves. */
export interface OwnerLife {
  /** The error that is about to end the thread. Node's own report loses parts of it. */
  threadLastWords(error: unknown): void;
}
