/** ComputePool: the public face of a pool. What happens to a task is in `dispatcher.ts`. */
import { invalidType, MillraceError } from '../errors.js';
import { Dispatcher } from './dispatcher.js';
import type { ComputeMetrics } from './metrics.js';
import {
  type CloseOptions,
  type ComputePoolOptions,
  requireCallable,
  resolveCloseOptions,
  resolvePoolOptions,
  resolveTaskOptions,
  type TaskOptions,
} from './options.js';
import type { PoolBackend } from './pool-backend.js';
import type { Caller, TaskRequest } from './task.js';
import { createTaskModule, type TaskModule } from './task-module.js';

const NO_ARGS: readonly unknown[] = Object.freeze([]);

/**
 * Runs functions of modules on threads of its own: the most urgent first, and
 * the longer one waits, the more urgent it gets.
 *
 * A thread runs one task at a time, an asynchronous one until its promise has
 * settled. Threads are started when there are tasks for them, and stay until
 * `close()`. The pool keeps the process alive while tasks wait or run.
 *
 * Belongs to the thread that made it, which may be a worker thread; that of an
 * actor system serves the actors of all its threads. Promises settle when the
 * thread that called comes to it: not during a long callback, and not while
 * `loop.runSync()` has taken it over.
 */
export class ComputePool {
  readonly #backend: PoolBackend;

  /**
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError
   * ERR_OUT_OF_RANGE
   */
  constructor(options?: ComputePoolOptions);
  /** @internal A pool that is there already, perhaps on another thread. */
  constructor(options: undefined, backend: PoolBackend);
  constructor(options?: ComputePoolOptions, backend?: PoolBackend) {
    this.#backend = backend ?? new Dispatcher(resolvePoolOptions('options', options));
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#backend.isClosing;
  }

  /**
   * Calls the export `fn` of the module with the arguments, on a thread of the
   * pool, and resolves with what it returns, or with what the promise that it
   * returns resolves with. Rejects with the very error that it throws.
   *
   * Arguments and results are copied as a structured clone would; arguments
   * when the task is sent to its thread, so leave them alone until it is done.
   * What cannot be cloned rejects with the DataCloneError. A result may be
   * marked with `transfer()`.
   *
   * An aborted task leaves the queue at once; one that is running rejects at
   * once, and its thread is ended and replaced. So does `timeoutMs`, with
   * ERR_TASK_TIMEOUT.
   *
   * @param module resolved and imported in the thread, once for each
   * @throws (rejects) MillraceError ERR_QUEUE_FULL, ERR_POOL_CLOSED,
   * ERR_TASK_TIMEOUT, ERR_MODULE_NOT_FOUND, ERR_MODULE_FAILED,
   * ERR_NO_SUCH_FUNCTION, ERR_THREAD_EXITED with the cause,
   * ERR_POOL_UNAVAILABLE; the abort reason; DataCloneError; TypeError
   * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_UNKNOWN_OPTION;
   * RangeError ERR_OUT_OF_RANGE
   */
  run<R = unknown>(
    module: URL,
    fn: string,
    args?: readonly unknown[],
    options?: TaskOptions,
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      requireCallable(module, fn, args);
      const caller: Caller = { resolve, reject };
      this.#submit(module, fn, args, resolveTaskOptions(options), caller);
    });
  }

  /**
   * As {@link run}, for a task whose result nobody waits for. Returns false if
   * the pool is full or closed: the task was not taken. If the task fails, it
   * is counted as failed and published on the diagnostics channel
   * `millrace:task-failed`.
   *
   * @throws TypeError and RangeError as {@link run}; the abort reason
   */
  spawn(module: URL, fn: string, args?: readonly unknown[], options?: TaskOptions): boolean {
    requireCallable(module, fn, args);
    const request = resolveTaskOptions(options);
    try {
      this.#submit(module, fn, args, request, null);
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  /**
   * The functions of a module, each running as a task. `with(options)` gives
   * them with options for each task. Not thenable, so it may be returned from
   * an async function. An export named `with` is reached by {@link run}.
   *
   * @typeParam T the module: `typeof import('./tasks.js')`
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError
   * ERR_OUT_OF_RANGE, for options
   */
  module<T>(module: URL): TaskModule<T> {
    if (!(module instanceof URL)) throw invalidType('module', 'a URL', module);
    return this.#moduleWith<T>(new URL(module.href), undefined);
  }

  /**
   * What was counted so far; on other threads of an actor system, as it was
   * published last. The histograms are the living ones.
   */
  metrics(): ComputeMetrics {
    return this.#backend.metrics();
  }

  /**
   * Takes no more tasks, waits for those that are there, and ends the threads.
   * With `drain: false` tasks, waiting and running, reject with
   * ERR_POOL_CLOSED; this may also follow a close that still waits. Resolves
   * when the threads have gone. Idempotent.
   *
   * @throws (rejects) TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; in
   * an actor MillraceError ERR_NOT_IN_ACTOR
   */
  async close(options?: CloseOptions): Promise<void> {
    const { drain } = resolveCloseOptions(options);
    await this.#backend.close(drain);
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #moduleWith<T>(module: URL, options: TaskOptions | undefined): TaskModule<T> {
    const request = resolveTaskOptions(options);
    return createTaskModule<T>(
      (name, args) =>
        new Promise((resolve, reject) => {
          requireCallable(module, name, args);
          this.#submit(module, name, args, request, { resolve, reject });
        }),
      (others) => this.#moduleWith<T>(module, others),
    );
  }

  #submit(
    module: URL,
    name: string,
    args: readonly unknown[] | undefined,
    request: TaskRequest,
    caller: Caller | null,
  ): void {
    const { href } = module;
    this.#backend.submit({ href, name, args: args ?? NO_ARGS, request, caller });
  }
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  return error.code === 'ERR_QUEUE_FULL' || error.code === 'ERR_POOL_CLOSED';
}
