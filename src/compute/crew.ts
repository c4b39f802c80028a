/**
 * Crew: the threads of a pool. Starts one when there is work for another, and
 * the next in the place of one that has gone.
 *
 * A thread that cannot be started is tried again after a back-off, three times
 * in all; after that only if there are tasks that want one.
 */
import { setTimeout as pause } from 'node:timers/promises';
import {
  COMPUTE_BACKOFF_MAX_MS,
  COMPUTE_BACKOFF_MS,
  COMPUTE_START_FAILURES_MAX,
  COMPUTE_STOP_MS,
  RECYCLE_STOP_MS,
} from '../limits.js';
import type { SenderHandle } from '../loop/crossing.js';
import { type ThreadExit, WorkerThread } from '../thread/worker-thread.js';
import { ComputeThread } from './compute-thread.js';
import type { ComputeThreadApi, ComputeThreadData } from './messages.js';
import type { ResolvedPoolOptions } from './options.js';

const ENTRY = new URL('../../workers/compute.js', import.meta.url);

export interface CrewHost {
  /** Where threads send their answers. */
  readonly address: SenderHandle;
  /** Tasks can be sent to it. */
  up(thread: ComputeThread): void;
  /** It has ended, asked to or not. */
  exited(thread: ComputeThread, exit: ThreadExit): void;
  /** Several starts in a row have failed; there will be no other unless somebody calls `grow()`. */
  startsFailed(error: unknown): void;
}

export class Crew {
  readonly #options: ResolvedPoolOptions;
  readonly #host: CrewHost;
  readonly #stopping = new AbortController();
  /** Those that are up, and those that were given up and have not ended. */
  readonly #threads = new Set<ComputeThread>();
  /** Those that are up, starting, or about to be started after a back-off. */
  #count = 0;
  #number = 0;
  #failures = 0;
  /** Ends of starts and of threads. */
  readonly #lives = new Set<Promise<void>>();

  constructor(options: ResolvedPoolOptions, host: CrewHost) {
    this.#options = options;
    this.#host = host;
  }

  /** Those to which tasks can be sent, or that still have some. */
  get threads(): ReadonlySet<ComputeThread> {
    return this.#threads;
  }

  /** Starts another thread, if the pool may have one more. */
  grow(): void {
    if (this.#count >= this.#options.threads || this.#stopping.signal.aborted) return;
    this.#count += 1;
    const life = this.#live();
    this.#lives.add(life);
    void life.then(() => this.#lives.delete(life));
  }

  /** Ends a thread whose task was given up, and starts another in its place. */
  recycle(thread: ComputeThread): void {
    if (thread.isRetired) return;
    this.#retire(thread, RECYCLE_STOP_MS);
    this.#count -= 1;
    this.grow();
  }

  /** The starts that failed are forgotten: a thread has done something. */
  noteFirstAnswer(): void {
    this.#failures = 0;
  }

  /** Starts no more threads. */
  close(): void {
    this.#stopping.abort();
  }

  /** Ends all threads. Resolves when they have gone. */
  async stop(): Promise<void> {
    this.close();
    for (const thread of this.#threads)
      if (!thread.isRetired) this.#retire(thread, COMPUTE_STOP_MS);
    await Promise.all(this.#lives);
  }

  /** From the start of a thread to its end. */
  async #live(): Promise<void> {
    let thread: ComputeThread;
    try {
      await this.#backOff();
      thread = await this.#start();
    } catch (error) {
      this.#startFailed(error);
      return;
    }
    this.#threads.add(thread);
    if (this.#stopping.signal.aborted) this.#retire(thread, RECYCLE_STOP_MS);
    else this.#host.up(thread);
    const exit = await thread.worker!.exited;
    if (!thread.isRetired) {
      thread.retire();
      this.#count -= 1;
      // One that came up and died before it did anything is no better than a failed start.
      if (thread.answers === 0 && thread.count === 0) this.#failures += 1;
      this.grow();
    }
    thread.ended();
    this.#host.exited(thread, exit);
  }

  /** Nobody will answer for it any more. */
  forget(thread: ComputeThread): void {
    this.#threads.delete(thread);
  }

  async #start(): Promise<ComputeThread> {
    this.#number += 1;
    const thread = new ComputeThread(this.#number);
    const data: ComputeThreadData = {
      thread: thread.number,
      pool: this.#host.address,
      claims: thread.claims.buffer,
    };
    const { resourceLimits } = this.#options;
    const { signal } = this.#stopping;
    const worker = await WorkerThread.start<ComputeThreadApi>(ENTRY, data, {
      name: `compute-${thread.number}`,
      ...(resourceLimits !== undefined && { resourceLimits }),
      signal,
    });
    // The tasks keep the process alive, not the threads.
    worker.unref();
    try {
      thread.open(worker, await worker.remote.address());
      signal.throwIfAborted();
    } catch (error) {
      await worker.stop({ timeoutMs: RECYCLE_STOP_MS });
      throw error;
    }
    return thread;
  }

  #retire(thread: ComputeThread, timeoutMs: number): void {
    thread.retire();
    void thread.worker?.stop({ timeoutMs });
  }

  #startFailed(error: unknown): void {
    this.#count -= 1;
    if (this.#stopping.signal.aborted) return;
    this.#failures += 1;
    if (this.#failures < COMPUTE_START_FAILURES_MAX) this.grow();
    else if (this.#count === 0) this.#host.startsFailed(error);
  }

  async #backOff(): Promise<void> {
    if (this.#failures === 0) return;
    const doubled = COMPUTE_BACKOFF_MS * 2 ** (this.#failures - 1);
    const { signal } = this.#stopping;
    // The tasks that wait keep the process alive.
    await pause(Math.min(doubled, COMPUTE_BACKOFF_MAX_MS), undefined, { signal, ref: false });
  }
}
