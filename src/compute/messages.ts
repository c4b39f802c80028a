/**
 * What a pool and its threads send each other: few shapes, so that the codec
 * of the channel knows them all.
 */
import type { SenderHandle } from '../loop/crossing.js';

/** To the thread: from now on this number stands for this function. */
export interface Definition {
  readonly target: number;
  readonly href: string;
  readonly name: string;
}

/** To the thread: call it. */
export interface Call {
  readonly position: number;
  readonly target: number;
  /** Whether somebody listens to its progress. */
  readonly reports: boolean;
  /** Whether the pool has to know what its results move: see {@link Answer.moved}. */
  readonly isRelayed: boolean;
  readonly args: readonly unknown[];
}

export const Outcome = { RETURNED: 0, THREW: 1, PROGRESS: 2 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** To the pool: what came of a call, or how far it is. */
export interface Answer {
  /** The number of the thread. */
  readonly thread: number;
  readonly position: number;
  readonly outcome: Outcome;
  readonly value: unknown;
  /** Of a task of another thread: what the value moves, and will move again. */
  readonly moved: readonly object[] | null;
  /** On the clock of the system, which all threads share. 0 for progress. */
  readonly beganMs: number;
  readonly tookMs: number;
}

/** What a thread is started with. */
export interface ComputeThreadData {
  readonly thread: number;
  readonly pool: SenderHandle;
  readonly claims: SharedArrayBuffer;
}

/** What it serves on the control plane. */
export interface ComputeThreadApi {
  address(): SenderHandle;
}
