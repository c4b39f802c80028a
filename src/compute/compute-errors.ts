/** What tasks reject with, in words. */
import { MillraceError } from '../errors.js';
import type { ThreadExit } from '../thread/worker-thread.js';
import type { Task } from './task.js';

export function poolClosed(): MillraceError {
  return new MillraceError('ERR_POOL_CLOSED', 'the compute pool was closed; make another one');
}

export function queueFull(capacity: number): MillraceError {
  return new MillraceError(
    'ERR_QUEUE_FULL',
    `${capacity} tasks wait, as many as queueCapacity allows; wait for some, or raise it`,
  );
}

export function taskTimedOut({ target, request }: Task): MillraceError {
  return new MillraceError(
    'ERR_TASK_TIMEOUT',
    `${target.name}() was not done within ${request?.timeoutMs} ms of its submission`,
  );
}

export function threadExited({ target }: Task, { code, error }: ThreadExit): MillraceError {
  const cause = error === null ? undefined : { cause: error };
  const how = error instanceof Error ? `by an error: ${error.message}` : `with code ${code}`;
  const message = `the thread that ran ${target.name}() ended ${how}`;
  return new MillraceError('ERR_THREAD_EXITED', message, cause);
}

export function poolUnavailable(cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(
    'ERR_POOL_UNAVAILABLE',
    `no thread of the pool can be started: ${reason}; see resourceLimits`,
    { cause },
  );
}
