/** What a task calls to tell its caller how far it is. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { MillraceError } from '../errors.js';

/** A task that is being run on this thread, as far as its progress goes. */
export interface Reporter {
  report(value: unknown): void;
}

/** The task under way: there is one at a time. */
let current: Reporter | null = null;

/**
 * Tells apart what a task left behind, timers above all, from the task that
 * runs now. To run a function in it makes all promises of the thread slower,
 * and so it is left to tasks to whose progress somebody listens.
 */
const followed = new AsyncLocalStorage<Reporter>();

/** For a task to whose progress nobody listens. */
const SILENT: Reporter = Object.freeze({ report: () => {} });

/** Calls the function as a task, which lasts until {@link leaveTask}. */
export function callInTask<R>(reporter: Reporter, call: () => R): R {
  current = reporter;
  return followed.run(reporter, call);
}

export function enterSilentTask(): void {
  current = SILENT;
}

export function leaveTask(): void {
  current = null;
}

/**
 * Called in a task, directly or anywhere below it, also after an `await`: sends
 * `value` to the `onProgress` of its caller. Reports arrive in order, and all
 * of them before the result. Without an `onProgress` it does nothing. If the
 * thread of the pool is more than 1,024 reports behind, it blocks until that
 * has caught up.
 *
 * @param value anything that can be cloned; copied at once
 * @throws MillraceError ERR_NOT_IN_TASK outside of a task, also when called
 * by something that a task left behind; DataCloneError
 */
export function reportProgress(value: unknown): void {
  if (current === null) throw notInTask();
  // A task that nobody follows has no store; but neither has what it left behind.
  if ((followed.getStore() ?? SILENT) !== current) throw notInTask();
  current.report(value);
}

function notInTask(): MillraceError {
  return new MillraceError(
    'ERR_NOT_IN_TASK',
    'reportProgress() is for functions that a ComputePool runs, while they run',
  );
}
