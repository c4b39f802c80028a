/**
 * Dispatcher: the inside of a pool. Takes tasks, has them run, and settles
 * them; the order is the scheduler's.
 *
 *   submit ──> scheduler ──> thread ──> result ──> settle
 *                 └── abort, deadline, death ────────^
 *
 * A task that was sent to a thread and has not begun counts as queued.
 */
import { callSafely } from '../call-safely.js';
import { closeFlights } from '../channel/close-flights.js';
import { discard } from '../channel/side-channel.js';
import { transfer } from '../channel/transfer.js';
import type { SenderHandle } from '../loop/crossing.js';
import { nativeDriver } from '../poll/native-driver.js';
import type { ThreadExit } from '../thread/worker-thread.js';
import { AbortSignals } from './abort-signals.js';
import { Claim } from './claims.js';
import {
  poolClosed,
  poolUnavailable,
  queueFull,
  taskTimedOut,
  threadExited,
} from './compute-errors.js';
import type { ComputeThread } from './compute-thread.js';
import { Crew, type CrewHost } from './crew.js';
import { publishFailure } from './failures.js';
import { type Answer, Outcome } from './messages.js';
import { type ComputeMetrics, Counters } from './metrics.js';
import type { ResolvedPoolOptions } from './options.js';
import type { PoolBackend } from './pool-backend.js';
import { PoolLoop, type PoolLoopHost } from './pool-loop.js';
import { Scheduler } from './scheduler.js';
import { Ending, type Order, type RelayedOrder, Task } from './task.js';
import { TaskPlaces } from './task-places.js';
import { TaskPriority } from './task-priority.js';
import { Targets } from './targets.js';

/** For a pool that other threads use. */
export interface Relaying {
  /** How many may; each has a number below. */
  readonly takers: number;
  /** Called when the metrics are not what they were, or soon may not be. */
  readonly changed: () => void;
}

const UNSHARED: Relaying = { takers: 0, changed: () => {} };

export class Dispatcher implements PoolBackend, CrewHost, PoolLoopHost {
  readonly #options: ResolvedPoolOptions;
  readonly #targets = new Targets();
  readonly #counters = new Counters();
  readonly #signals = new AbortSignals<Task>((task) => this.#abort(task));
  readonly #crew: Crew;
  readonly #scheduler: Scheduler;
  /** One for each task that was submitted and has not settled, wherever it was. */
  readonly places: TaskPlaces;
  readonly #changed: () => void;
  /** Of the threads to which an answer may belong, by number. */
  readonly #threads = new Map<number, ComputeThread>();
  /** Tasks that were submitted and have not settled. */
  #pending = 0;
  #sequence = 0;
  /** Made with the first task: a pool that is never used costs nothing. */
  #loop: PoolLoop | null = null;
  #isClosing = false;
  #closed: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  constructor(options: ResolvedPoolOptions, { takers, changed }: Relaying = UNSHARED) {
    this.#options = options;
    this.places = TaskPlaces.create(options, takers);
    this.#changed = changed;
    this.#crew = new Crew(options, this);
    this.#scheduler = new Scheduler(options.agingMs, this.#crew, {
      unsendable: (task, error) => this.#fail(task, error),
      watch: () => this.#loop?.watch(),
      changed,
    });
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  // --- Submission --------------------------------------------------------

  /** @throws MillraceError ERR_POOL_CLOSED, ERR_QUEUE_FULL; the abort reason; a system error */
  submit(order: Order): void {
    if (this.#isClosing) throw poolClosed();
    order.request.signal?.throwIfAborted();
    const loop = (this.#loop ??= new PoolLoop(this));
    if (!this.places.take() && !this.places.take(this.#endedUnread())) {
      throw queueFull(this.#options.queueCapacity);
    }
    this.#admit(loop, order, false);
  }

  /**
   * As {@link submit}, for another thread, which has taken the place.
   *
   * @throws MillraceError ERR_POOL_CLOSED; a system error
   */
  relay(order: RelayedOrder): Task {
    try {
      if (this.#isClosing) throw poolClosed();
      return this.#admit((this.#loop ??= new PoolLoop(this)), order, true);
    } catch (error) {
      this.places.release();
      throw error;
    }
  }

  /** Counts a task of another thread whose arguments could not be sent here. */
  countUnsent(): void {
    this.#counters.submitted += 1;
    this.#counters.ended(Ending.FAILED);
    this.#changed();
  }

  #admit(loop: PoolLoop, order: Order | RelayedOrder, isRelayed: boolean): Task {
    const { href, name, request } = order;
    const nowMs = nativeDriver.nowOrLater();
    const target = this.#targets.of(href, name);
    const task = new Task(order, { target, sequence: this.#sequence++, nowMs, isRelayed });
    if (request.signal !== undefined) this.#signals.add(request.signal, task);
    if (request.timeoutMs !== undefined) {
      const elapsedMs = 'calledMs' in order ? nowMs - order.calledMs : 0;
      loop.setDeadline(task, Math.max(0, request.timeoutMs - elapsedMs));
    }
    this.#counters.submitted += 1;
    if (this.#pending === 0) loop.ref();
    this.#pending += 1;
    this.#scheduler.add(task);
    return task;
  }

  /** Tasks that have ended, and of which the answers were not read yet. */
  #endedUnread(): number {
    let ended = 0;
    for (const thread of this.#crew.threads) {
      thread.eachFromLast((_, claim) => {
        if (claim === Claim.RETURNED || claim === Claim.THREW) ended += 1;
      });
    }
    return ended;
  }

  watched(): void {
    this.#scheduler.watched();
  }

  // --- Answers -----------------------------------------------------------

  answered(answer: Answer): void {
    const { outcome, position } = answer;
    const thread = this.#threads.get(answer.thread);
    if (thread === undefined) return;
    const task = thread.at(position);
    const value = task === null ? discarded(answer) : received(answer);
    if (outcome === Outcome.PROGRESS) {
      thread.claims.releaseReport();
      const onProgress = task?.request?.onProgress;
      if (onProgress !== undefined) callSafely('onProgress of a task', () => onProgress(value));
      return;
    }
    thread.answers += 1;
    thread.isStuck = false;
    if (thread.answers === 1) this.#crew.noteFirstAnswer();
    if (task === null) return;
    task.target.note(answer.tookMs);
    this.#counters.ran(answer.beganMs - task.submittedMs, answer.tookMs);
    if (outcome === Outcome.THREW) {
      this.#fail(task, value);
    } else {
      const { caller } = task;
      this.#settle(task, Ending.COMPLETED);
      caller?.resolve(value);
    }
  }

  /** After the last answer of a tick. */
  ticked(): void {
    this.#scheduler.feed();
  }

  // --- Ends --------------------------------------------------------------

  expired(task: Task): void {
    this.#drop(task, Ending.FAILED, taskTimedOut(task));
  }

  #abort(task: Task): void {
    this.#drop(task, Ending.CANCELLED, task.request?.signal?.reason);
  }

  /** Gives a task up, whether it waits or runs. */
  cancel(task: Task, reason: unknown): void {
    if (!task.isSettled) this.#drop(task, Ending.CANCELLED, reason);
  }

  /** Gives a task up that no thread has begun; another one goes on. */
  cancelQueued(task: Task, reason: unknown): void {
    const { thread } = task;
    if (task.isSettled || !this.#scheduler.withdraw(task)) return;
    this.#reject(task, Ending.CANCELLED, reason);
    if (thread !== null) this.#scheduler.feed();
  }

  #drop(task: Task, ending: Ending, error: unknown): void {
    const { thread } = task;
    const isBegun = thread !== null && !this.#scheduler.withdraw(task);
    // First the others, so that none of them begins meanwhile; then it is certain who runs.
    if (isBegun) this.#scheduler.recall(thread);
    const isRunning = isBegun && thread.claims.look(task.position) === Claim.RUNNING;
    this.#reject(task, ending, error);
    if (isRunning) this.#crew.recycle(thread);
    if (thread !== null) this.#scheduler.feed();
  }

  #fail(task: Task, error: unknown): void {
    this.#reject(task, Ending.FAILED, error);
  }

  #reject(task: Task, ending: Ending, error: unknown): void {
    const { caller, target } = task;
    this.#settle(task, ending);
    if (caller !== null) caller.reject(error, ending);
    else if (ending === Ending.FAILED) publishFailure(target, error);
  }

  /** The books are in order before its caller hears of it. */
  #settle(task: Task, ending: Ending): void {
    this.#scheduler.remove(task);
    if (!task.isCounted) this.#counters.ended(ending);
    const signal = task.request?.signal;
    if (signal !== undefined) this.#signals.remove(signal, task);
    if (task.timeout !== null) this.#loop?.clearDeadline(task);
    task.release();
    this.places.release();
    this.#pending -= 1;
    this.#changed();
    if (this.#pending > 0) return;
    this.#loop?.unref();
    this.#drained?.();
  }

  // --- Threads -----------------------------------------------------------

  get address(): SenderHandle {
    return (this.#loop as PoolLoop).address;
  }

  up(thread: ComputeThread): void {
    this.#threads.set(thread.number, thread);
    this.#scheduler.welcome(thread);
  }

  exited(thread: ComputeThread, exit: ThreadExit): void {
    this.#loop?.noteExit(thread, exit);
  }

  /** What it had begun has ended with it; the rest goes on elsewhere. */
  ended(exited: ComputeThread, exit: ThreadExit): void {
    this.#scheduler.recall(exited);
    exited.eachFromLast((task) => this.#fail(task, threadExited(task, exit)));
    this.#threads.delete(exited.number);
    this.#crew.forget(exited);
    this.#scheduler.feed();
  }

  startsFailed(error: unknown): void {
    for (const thread of this.#crew.threads) if (thread.isUp) return;
    const unavailable = poolUnavailable(error);
    this.#emptyQueue((task) => this.#fail(task, unavailable));
  }

  #emptyQueue(dispose: (task: Task) => void): void {
    // The order is of no account, and any time will do.
    for (let task = this.#scheduler.next(0); task !== null; task = this.#scheduler.next(0)) {
      dispose(task);
    }
  }

  /** Nothing can be received any more. */
  failed(error: unknown): void {
    this.#isClosing = true;
    this.places.close();
    this.#crew.close();
    this.#giveUpAll((task) => this.#fail(task, error));
    void this.#crew.stop();
  }

  // --- Metrics, and the end ----------------------------------------------

  /** Tasks that were sent to threads, begun or not. */
  get sent(): number {
    return this.#scheduler.sent;
  }

  metrics(): ComputeMetrics {
    const depths = DEPTHS.map((priority) => this.#scheduler.depth(priority));
    let active = 0;
    for (const thread of this.#crew.threads) {
      thread.eachFromLast((task, claim) => {
        if (claim === Claim.SENT) {
          depths[task.priority] += 1;
        } else if (claim === Claim.RUNNING) {
          active += 1;
        } else if (!task.isCounted) {
          task.isCounted = true;
          this.#counters.ended(claim === Claim.THREW ? Ending.FAILED : Ending.COMPLETED);
        }
      });
    }
    return this.#counters.read(active, depths);
  }

  /** Idempotent; a close that gives up what is left may follow one that waits for it. */
  close(drain: boolean): Promise<void> {
    this.#isClosing = true;
    this.places.close();
    if (!drain) {
      this.#crew.close();
      const error = poolClosed();
      this.#giveUpAll((task) => this.#reject(task, Ending.CANCELLED, error));
    }
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  #giveUpAll(dispose: (task: Task) => void): void {
    for (const thread of this.#crew.threads) this.#scheduler.recall(thread);
    this.#emptyQueue(dispose);
    for (const thread of this.#crew.threads) {
      const isBusy = thread.count > 0;
      thread.eachFromLast(dispose);
      if (isBusy) this.#crew.recycle(thread);
    }
  }

  async #finish(): Promise<void> {
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    const loop = this.#loop;
    if (loop === null) return;
    loop.ref();
    await this.#crew.stop();
    await loop.close();
  }
}

/** What it moves will move once more, to the thread of the caller. */
function received({ value, moved }: Answer): unknown {
  return moved === null ? value : transfer(value as object, moved);
}

function discarded({ value, moved }: Answer): void {
  if (moved !== null) discard(moved);
  closeFlights(nativeDriver, value);
}

const DEPTHS = [
  TaskPriority.Low,
  TaskPriority.Normal,
  TaskPriority.High,
  TaskPriority.Critical,
] as const;
