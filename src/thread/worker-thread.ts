/** A worker thread as its owner sees it: start, typed calls, stop, and the cause of its end. */
import { MessageChannel, type ResourceLimits, Worker } from 'node:worker_threads';
import { pack } from '../channel/codec/packed.js';
import { openThreadPort, type ThreadPort } from '../channel/thread-ports.js';
import { invalidType, MillraceError } from '../errors.js';
import {
  DEFAULT_START_TIMEOUT_MS,
  DEFAULT_STOP_TIMEOUT_MS,
  FAILED_START_STOP_MS,
} from '../limits.js';
import { requireOptions, requireTimeLimit } from '../validate.js';
import {
  type ControlLink,
  connect,
  type LinkOptions,
  methodsOf,
  type Remote,
} from './control-link.js';
import type { OwnerLife, StartMessage, ThreadLife } from './lifecycle.js';
import { transferListOf } from './parcel.js';
import { requireResourceLimits } from './resource-limits.js';

export interface WorkerThreadOptions {
  /** For messages, debuggers and profilers. @default 'worker' */
  name?: string;
  /** As for Node's Worker. On Node 24 and later `--max-old-space-size` overrules the heap's. */
  resourceLimits?: ResourceLimits;
  /** Until the entry must have called `serveThread()` and be up, in milliseconds. @default 10000 */
  startTimeoutMs?: number;
  /** How long a call may take, in milliseconds. 0: for ever. @default 10000 */
  callTimeoutMs?: number;
  /** What the thread may call here. @default nothing */
  ownerApi?: object;
  /** The error of calls to a thread that has ended. @default ERR_THREAD_EXITED */
  exitError?: (exit: ThreadExit) => Error;
  /** Gives the start up: the thread is stopped, and `start()` rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface ThreadExit {
  /** 0 for an end by itself, 1 for an error or terminate(), or what process.exit() was given. */
  code: number;
  /** What was thrown and not caught, whole; ERR_WORKER_OUT_OF_MEMORY; null if nothing was. */
  error: unknown;
}

/** Whether the thread ended by itself, or had to be terminated. */
export type ThreadEnd = 'exited' | 'terminated';

const OPTIONS = [
  'name',
  'resourceLimits',
  'startTimeoutMs',
  'callTimeoutMs',
  'ownerApi',
  'exitError',
  'signal',
];

/**
 * The thread keeps the process alive as Node's Worker does, until it ends or
 * {@link unref} is called; a call that waits and a stop under way do in any case.
 */
export class WorkerThread<Api> {
  readonly name: string;
  readonly threadId: number;
  /** Settles when the thread has gone; never rejects. */
  readonly exited: Promise<ThreadExit>;
  readonly #worker: Worker;
  readonly #link: ControlLink<ThreadLife>;
  /** What messages between the two threads cannot carry as bytes. */
  readonly #posts: ThreadPort;
  /** The error of calls once the thread has exited. */
  readonly #gone: Promise<Error>;
  #hasExited = false;
  #lastWords: unknown = null;
  #stopping: Promise<ThreadEnd> | null = null;

  /**
   * Starts a thread at `entry`, a module that calls `serveThread()`, and
   * resolves when it is up. Parts of `data` may be marked with `transfer()`.
   * When it rejects, the thread has gone.
   *
   * @throws (rejects) what the entry throws; MillraceError ERR_THREAD_EXITED,
   * ERR_THREAD_START_TIMEOUT; the abort reason; Node's own errors for an entry
   * or limits that it refuses; TypeError and RangeError for options
   */
  static async start<Api>(
    entry: URL,
    data: unknown,
    options?: WorkerThreadOptions,
  ): Promise<WorkerThread<Api>> {
    if (!(entry instanceof URL)) throw invalidType('entry', 'a URL', entry);
    const given = requireOptions('options', options, OPTIONS);
    const limitMs = requireTimeLimit(
      'options.startTimeoutMs',
      given.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
    );
    requireResourceLimits('options.resourceLimits', given.resourceLimits);
    given.signal?.throwIfAborted();
    const thread = new WorkerThread<Api>(entry, data, given);
    await thread.#comeUp(limitMs, given.signal);
    return thread;
  }

  private constructor(entry: URL, data: unknown, options: WorkerThreadOptions) {
    const { name = 'worker', resourceLimits, callTimeoutMs, ownerApi = {} } = options;
    const { port1, port2 } = new MessageChannel();
    const posts = new MessageChannel();
    const ownerLife: OwnerLife = {
      threadLastWords: (error: unknown) => {
        this.#lastWords = error;
      },
    };
    const linkOptions: LinkOptions = {
      serve: methodsOf(ownerLife, ownerApi),
      peerGone: () => this.#gone,
    };
    if (callTimeoutMs !== undefined) linkOptions.callTimeoutMs = callTimeoutMs;
    this.name = name;
    this.#posts = openThreadPort(posts.port1);
    try {
      this.#link = connect<ThreadLife>(port1, linkOptions);
      this.#worker = new Worker(entry, {
        name,
        workerData: {
          control: port2,
          posts: posts.port2,
          data: pack(data, transferListOf(data)),
        } satisfies StartMessage,
        transferList: [port2, posts.port2, ...transferListOf(data)],
        ...(resourceLimits !== undefined && { resourceLimits }),
        ...inheritedFlags(),
      });
    } catch (error) {
      port1.close();
      this.#posts.end();
      throw error;
    }
    this.threadId = this.#worker.threadId;
    this.exited = this.#watch();
    this.#gone = this.exited.then(options.exitError ?? this.#exitError);
    void this.exited.then(() => this.#link.close(this.#gone));
  }

  /** The thread's API. Rejections: what a method throws, ERR_CALL_TIMEOUT, `exitError`. */
  get remote(): Remote<Api> {
    return this.#link.remote as unknown as Remote<Api>;
  }

  /** The thread's API with another limit of time, in milliseconds. 0: for ever. */
  within(timeoutMs: number): Remote<Api> {
    return this.#link.within(timeoutMs) as unknown as Remote<Api>;
  }

  /**
   * Asks the thread to end, after all calls made before; it closes what it
   * has open and ends by itself. If it has not by the deadline, it is
   * terminated: the last resort, since terminating a thread with an addon
   * crashes some versions of Node. Resolves when the thread has gone. Further
   * calls join the first.
   */
  async stop(options?: { timeoutMs?: number }): Promise<ThreadEnd> {
    const { timeoutMs = DEFAULT_STOP_TIMEOUT_MS } = requireOptions('options', options, [
      'timeoutMs',
    ]);
    const limitMs = requireTimeLimit('options.timeoutMs', timeoutMs);
    this.#stopping ??= this.#stop(limitMs);
    return this.#stopping;
  }

  /** The thread keeps the process alive again. */
  ref(): void {
    this.#worker.ref();
  }

  /** The process may end although the thread has not. */
  unref(): void {
    this.#worker.unref();
  }

  async #comeUp(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const giveUp = (): void => void this.stop();
    signal?.addEventListener('abort', giveUp);
    const failure = await this.#link
      .within(limitMs)
      .threadReady()
      .catch(async (error: unknown) => ({ error: await this.#startError(error, limitMs) }));
    signal?.removeEventListener('abort', giveUp);
    if (failure === null && signal?.aborted !== true) return;
    await this.stop({ timeoutMs: FAILED_START_STOP_MS });
    throw signal?.aborted === true ? signal.reason : failure?.error;
  }

  /** Why there was no answer: a limit of time, or the thread's end. */
  async #startError(error: unknown, limitMs: number): Promise<unknown> {
    if (error instanceof MillraceError && error.code === 'ERR_CALL_TIMEOUT') {
      const message = `thread "${this.name}" was not up within ${limitMs} ms`;
      return new MillraceError('ERR_THREAD_START_TIMEOUT', message);
    }
    const exit = await this.exited;
    return exit.error ?? error;
  }

  async #stop(limitMs: number): Promise<ThreadEnd> {
    let end: ThreadEnd = 'exited';
    const terminate = (): void => {
      if (this.#hasExited) return;
      end = 'terminated';
      void this.#worker.terminate();
    };
    this.#worker.ref();
    // Answered or not: it is the thread's exit that counts.
    this.#link
      .within(0)
      .threadStop(limitMs)
      .catch(() => {});
    // If this thread was busy, the news of the exit may wait behind the timer.
    const timer = setTimeout(() => setImmediate(terminate), limitMs);
    await this.exited;
    clearTimeout(timer);
    return end;
  }

  #watch(): Promise<ThreadExit> {
    return new Promise((resolve) => {
      let reported: unknown = null;
      this.#worker.on('error', (error) => {
        reported = error;
      });
      this.#worker.on('exit', (code) => {
        this.#hasExited = true;
        // Node 26 may tell of the exit before it brings what was posted before.
        this.#link.drain();
        this.#posts.end();
        resolve({ code, error: wholeError(reported, this.#lastWords) });
      });
    });
  }

  readonly #exitError = ({ code, error }: ThreadExit): Error => {
    const cause = error === null ? undefined : { cause: error };
    const how = error instanceof Error ? `by an error: ${error.message}` : `with code ${code}`;
    return new MillraceError('ERR_THREAD_EXITED', `thread "${this.name}" ended ${how}`, cause);
  };
}

/**
 * What Node reports as the cause of an end, replaced by the thread's own
 * account of it. The thread may also have spoken of an error that it survived.
 */
function wholeError(reported: unknown, lastWords: unknown): unknown {
  if (!(reported instanceof Error) || !(lastWords instanceof Error)) return reported;
  return reported.message === lastWords.message ? lastWords : reported;
}

/**
 * A thread inherits the flags of the process, and those that are not for
 * threads do no harm. One does: `--input-type` belongs to `--eval`, and an
 * entry that is a file refuses it. A list of our own would have to be free of
 * all that threads refuse; V8's flags hold for the whole process anyway.
 */
function inheritedFlags(): { execArgv?: string[] } {
  return process.execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {};
}
