/** What can be set on a pool and on a task: names, ranges, defaults. */
import type { ResourceLimits } from 'node:worker_threads';
import { invalidType, invalidValue } from '../errors.js';
import {
  COMPUTE_THREADS_MAX,
  DEFAULT_AGING_MS,
  DEFAULT_COMPUTE_THREADS,
  DEFAULT_QUEUE_CAPACITY,
  QUEUE_CAPACITY_MAX,
} from '../limits.js';
import { requireResourceLimits } from '../thread/resource-limits.js';
import {
  requireBoolean,
  requireDuration,
  requireInteger,
  requireOptions,
  requirePeriod,
} from '../validate.js';
import type { TaskRequest } from './task.js';
import { TaskPriority } from './task-priority.js';

/** Options of a pool. */
export interface ComputePoolOptions {
  /**
   * Threads at most; each is started when there is a task for it. 1 to 256.
   * @default one less than the processors, at least 1
   */
  threads?: number;
  /**
   * Tasks that may wait, besides one for each thread: with all threads busy,
   * one more is refused. Exact. 0 to 2^24. @default 65536
   */
  queueCapacity?: number;
  /** How long a task waits for one level of priority, in milliseconds. Above 0. @default 1000 */
  agingMs?: number;
  /** Of each thread, as for Node's Worker. @default Node's own */
  resourceLimits?: ResourceLimits;
}

/** Options of one task. */
export interface TaskOptions {
  /** The most urgent begin first; waiting raises it. @default TaskPriority.Normal */
  priority?: TaskPriority;
  /** Gives the task up, waiting or running; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * For how long the task may wait and run, in milliseconds, from the call on.
   * Finite, at least 0. @default for ever
   */
  timeoutMs?: number;
  /**
   * What the arguments move to the thread instead of copying it. Such a task
   * is sent when a thread is free for it, and not ahead. @default nothing
   */
  transfer?: readonly object[];
  /**
   * Called with each value that the task gives to `reportProgress()`, in order,
   * before the promise settles. What it throws becomes a warning of the
   * process, and changes nothing else.
   */
  onProgress?: (value: never) => unknown;
}

/** Options of `pool.close()`. */
export interface CloseOptions {
  /** False: gives up all tasks, waiting and running. @default true */
  drain?: boolean;
}

export interface ResolvedPoolOptions {
  readonly threads: number;
  readonly queueCapacity: number;
  readonly agingMs: number;
  readonly resourceLimits: ResourceLimits | undefined;
}

const POOL_OPTIONS = ['threads', 'queueCapacity', 'agingMs', 'resourceLimits'];
const TASK_OPTIONS = ['priority', 'signal', 'timeoutMs', 'transfer', 'onProgress'];

const DEFAULT_REQUEST: TaskRequest = Object.freeze({
  priority: TaskPriority.Normal,
  signal: undefined,
  timeoutMs: undefined,
  transfer: undefined,
  onProgress: undefined,
});

/** `name` is that of the argument, for messages. */
export function resolvePoolOptions(
  name: string,
  options: ComputePoolOptions | undefined,
): ResolvedPoolOptions {
  const given = requireOptions(name, options, POOL_OPTIONS);
  const threads = given.threads ?? DEFAULT_COMPUTE_THREADS;
  const queueCapacity = given.queueCapacity ?? DEFAULT_QUEUE_CAPACITY;
  return {
    threads: requireInteger(`${name}.threads`, threads, { min: 1, max: COMPUTE_THREADS_MAX }),
    queueCapacity: requireInteger(`${name}.queueCapacity`, queueCapacity, {
      min: 0,
      max: QUEUE_CAPACITY_MAX,
    }),
    agingMs: requirePeriod(`${name}.agingMs`, given.agingMs ?? DEFAULT_AGING_MS),
    resourceLimits: requireResourceLimits(`${name}.resourceLimits`, given.resourceLimits),
  };
}

/** Without options the result is one and the same object. */
export function resolveTaskOptions(options: TaskOptions | undefined): TaskRequest {
  if (options === undefined) return DEFAULT_REQUEST;
  const given = requireOptions('options', options, TASK_OPTIONS);
  const { priority = TaskPriority.Normal, signal, timeoutMs, transfer, onProgress } = given;
  requirePriority('options.priority', priority);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidType('options.signal', 'an AbortSignal', signal);
  }
  if (timeoutMs !== undefined) requireDuration('options.timeoutMs', timeoutMs);
  if (transfer !== undefined) requireTransferList('options.transfer', transfer);
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalidType('options.onProgress', 'a function', onProgress);
  }
  return {
    priority,
    signal,
    timeoutMs,
    transfer: transfer === undefined || transfer.length === 0 ? undefined : [...transfer],
    onProgress: onProgress as TaskRequest['onProgress'],
  };
}

export function resolveCloseOptions(options: CloseOptions | undefined): { drain: boolean } {
  const { drain = true } = requireOptions('options', options, ['drain']);
  return { drain: requireBoolean('options.drain', drain) };
}

function requirePriority(name: string, value: unknown): TaskPriority {
  const max = TaskPriority.Critical;
  return requireInteger(name, value, { min: TaskPriority.Low, max }) as TaskPriority;
}

/** What to run: a module's URL, the name of an export, and its arguments. */
export function requireCallable(module: unknown, name: unknown, args: unknown): void {
  if (!(module instanceof URL)) throw invalidType('module', 'a URL', module);
  if (typeof name !== 'string') throw invalidType('fn', 'a string', name);
  if (name === '') throw invalidValue('fn', 'a string that is not empty', name);
  if (args !== undefined && !Array.isArray(args)) throw invalidType('args', 'an array', args);
}

function requireTransferList(name: string, value: unknown): void {
  const expected = 'an array of transferable objects';
  if (!Array.isArray(value)) throw invalidType(name, expected, value);
  for (const each of value) {
    if (typeof each !== 'object' || each === null) throw invalidType(name, expected, value);
  }
}
