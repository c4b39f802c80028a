/** One task, from `run()` until its promise settles. */
import type { Timeout } from '../loop/timer-wheel.js';
import type { ComputeThread } from './compute-thread.js';
import type { TaskPriority } from './task-priority.js';
import type { Queueable } from './task-queue.js';
import type { Target } from './targets.js';

/** What is asked for, checked. */
export interface TaskRequest {
  readonly priority: TaskPriority;
  readonly signal: AbortSignal | undefined;
  /** From the submission on. */
  readonly timeoutMs: number | undefined;
  readonly transfer: readonly object[] | undefined;
  readonly onProgress: ((value: unknown) => unknown) | undefined;
}

/** Who waits for the result; null: nobody does. */
export interface Caller {
  resolve(value: unknown): void;
  reject(error: unknown, ending: Ending): void;
}

/** How a task ended, for the metrics. */
export const Ending = { COMPLETED: 0, FAILED: 1, CANCELLED: 2 } as const;
export type Ending = (typeof Ending)[keyof typeof Ending];

/** What to run, how, and for whom. */
export interface Order {
  /** The module's URL, and the name of its export. */
  readonly href: string;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly request: TaskRequest;
  readonly caller: Caller | null;
}

/** An order of another thread. */
export interface RelayedOrder extends Order {
  readonly caller: Caller;
  /** When it was called there, on the clock that all threads share. */
  readonly calledMs: number;
}

/** Where it stands among others. */
interface Place {
  readonly target: Target;
  readonly sequence: number;
  readonly nowMs: number;
  readonly isRelayed: boolean;
}

export class Task implements Queueable {
  readonly priority: TaskPriority;
  readonly sequence: number;
  readonly submittedMs: number;
  readonly target: Target;
  /** What its results move is to move once more, to the thread of its caller. */
  readonly isRelayed: boolean;
  isQueued = false;
  isSettled = false;
  /** Whether the metrics have counted its end, which they may see before the pool does. */
  isCounted = false;

  /** What it holds for its call and its caller; given up when it settles. */
  request: TaskRequest | null;
  args: readonly unknown[] | null;
  caller: Caller | null;
  timeout: Timeout | null = null;

  /** Where it was sent, and as which position; null while it is queued. */
  thread: ComputeThread | null = null;
  position = 0;
  /** How long it was expected to run when it was sent. */
  expectedMs = 0;

  constructor({ args, request, caller }: Order, { target, sequence, nowMs, isRelayed }: Place) {
    this.target = target;
    this.isRelayed = isRelayed;
    this.args = args;
    this.request = request;
    this.caller = caller;
    this.priority = request.priority;
    this.sequence = sequence;
    this.submittedMs = nowMs;
  }

  /** Arguments that are moved can be sent once only, and so not ahead. */
  get isMoving(): boolean {
    return this.request?.transfer !== undefined;
  }

  /** Gives up all that it holds: a queue or a table may keep the task itself a little longer. */
  release(): void {
    this.isSettled = true;
    this.request = null;
    this.args = null;
    this.caller = null;
    this.thread = null;
  }
}
