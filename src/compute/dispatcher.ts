/**
 * Dispatcher: the inside of a pool. Takes tasks, keeps them in order, sends
 * them to threads, and settles them.
 *
 *   submit ──> queue ──feed──> thread (sent ahead) ──begin──> result ──> settle
 *                 ^               │
 *                 └──── recall ───┘  for one that is more urgent, for a thread
 *                                    that is stuck, given up, or dead
 *
 * A task that was sent and has not begun counts as queued, and is fetched back
 * whenever the order of the queue would have it so: who looks from outside sees
 * one queue and rule P1, not what lies with the threads.
 */
import { callSafely } from '../call-safely.js';
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
import { Ending, type Order, type RelayedOrder, Task } from './task.js';
import { TaskPlaces } from './task-places.js';
import { TaskPriority } from './task-priority.js';
import { TaskQueue } from './task-queue.js';
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
  readonly #queue: TaskQueue<Task>;
  readonly #targets = new Targets();
  readonly #counters = new Counters();
  readonly #signals = new AbortSignals<Task>((task) => this.#abort(task));
  readonly #crew: Crew;
  /** One for each task that was submitted and has not settled, wherever it was. */
  readonly places: TaskPlaces;
  readonly #changed: () => void;
  /** Of the threads to which an answer may belong, by number. */
  readonly #threads = new Map<number, ComputeThread>();
  /** Tasks with threads, by priority. */
  readonly #sent = [0, 0, 0, 0];
  /** Tasks that were submitted and have not settled. */
  #pending = 0;
  #sequence = 0;
  /** Made with the first task: a pool that is never used costs nothing. */
  #loop: PoolLoop | null = null;
  #isFeedDue = false;
  #isWatching = false;
  #isClosing = false;
  #closed: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  constructor(options: ResolvedPoolOptions, { takers, changed }: Relaying = UNSHARED) {
    this.#options = options;
    this.places = TaskPlaces.create(options, takers);
    this.#changed = changed;
    this.#queue = new TaskQueue(options.agingMs);
    this.#crew = new Crew(options, this);
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
    this.#queue.add(task);
    this.#changed();
    if (this.#hasSent(TaskPriority.Low, task.priority - 1)) this.#makeWay(task);
    else if (!this.#isFeedDue) this.#feed();
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

  /** Whether threads have tasks of a priority in this range. */
  #hasSent(lowest: number, highest: number): boolean {
    for (let priority = lowest; priority <= highest; priority++) {
      if (this.#sent[priority] > 0) return true;
    }
    return false;
  }

  // --- Order -------------------------------------------------------------

  /** Sends what is next, as long as threads take it. */
  #feed(): void {
    const nowMs = nativeDriver.nowOrLater();
    for (;;) {
      const task = this.#queue.peek(nowMs);
      if (task === null) break;
      const thread = this.#threadFor(task);
      if (thread === null || thread.count > 0) this.#crew.grow();
      if (thread === null) {
        this.#lookAgain();
        break;
      }
      const urgent = this.#urgentElsewhere(task, thread, nowMs);
      if (urgent === null) {
        this.#queue.take(task);
        this.#send(thread, task);
      } else if (thread.count === 0) {
        this.#move(urgent, thread);
      } else {
        // Sent ahead, the task might pass it. Whichever thread is free first tells.
        break;
      }
    }
  }

  /**
   * Of the tasks on a higher level that other threads have and did not begin,
   * the one that comes first; null if there is none.
   */
  #urgentElsewhere(task: Task, thread: ComputeThread, nowMs: number): Task | null {
    let first: Task | null = null;
    if (!this.#hasSent(task.priority + 1, TaskPriority.Critical)) return first;
    for (const other of this.#crew.threads) {
      if (other === thread) continue;
      other.eachFromLast((sent, claim) => {
        if (claim !== Claim.SENT || sent.isMoving || !this.#queue.isAbove(sent, task, nowMs))
          return;
        if (first === null || this.#queue.outranks(sent, first, nowMs)) first = sent;
      });
    }
    return first;
  }

  /** From a thread that has not got to it, unless it does at this moment. */
  #move(task: Task, thread: ComputeThread): void {
    if (task.thread?.recall(task) !== true) return;
    this.#noteGone(task);
    this.#send(thread, task);
  }

  /** A free thread that takes nothing is still skipping what was recalled; no answer will tell. */
  #lookAgain(): void {
    for (const thread of this.#crew.threads) {
      if (thread.isUp && thread.count === 0) this.#watch();
    }
  }

  /** The one with the least to do, of those that take it. */
  #threadFor(task: Task): ComputeThread | null {
    let best: ComputeThread | null = null;
    for (const thread of this.#crew.threads) {
      if (best !== null && thread.loadMs >= best.loadMs) continue;
      if (thread.accepts(task)) best = thread;
      if (best?.count === 0) break;
    }
    return best;
  }

  #send(thread: ComputeThread, task: Task): void {
    try {
      if (!thread.send(task)) {
        this.#queue.add(task);
        return;
      }
    } catch (error) {
      this.#fail(task, error);
      return;
    }
    this.#sent[task.priority] += 1;
    this.#changed();
    if (thread.count > 1) this.#watch();
  }

  /**
   * Fetches back what was sent ahead and has to wait now for this task. What is
   * next is sent when the caller is done with all that it submits, so that it
   * costs no more to submit a thousand tasks than one.
   */
  #makeWay(task: Task): void {
    const nowMs = nativeDriver.nowOrLater();
    const isOutranked = (sent: Task): boolean => this.#queue.outranks(task, sent, nowMs);
    for (const thread of this.#crew.threads) this.#recall(thread, isOutranked);
    if (this.#isFeedDue) return;
    this.#isFeedDue = true;
    queueMicrotask(() => {
      this.#isFeedDue = false;
      this.#feed();
    });
  }

  #recall(thread: ComputeThread, test?: (task: Task) => boolean): void {
    thread.recallAll((task) => {
      this.#noteGone(task);
      this.#queue.add(task);
    }, test);
  }

  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#loop?.watch();
  }

  /** What lies with a thread that does not get on is better off in the queue. */
  watched(): void {
    this.#isWatching = false;
    let isAhead = false;
    for (const thread of this.#crew.threads) {
      if (thread.count < 2) continue;
      if (thread.answers === thread.answersBefore) {
        thread.isStuck = true;
        this.#recall(thread);
      }
      thread.answersBefore = thread.answers;
      isAhead ||= thread.count > 1;
    }
    this.#feed();
    if (isAhead) this.#watch();
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
    if (this.#queue.size > 0) this.#feed();
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
    if (task.isSettled || (thread !== null && !thread.recall(task))) return;
    if (thread !== null) this.#noteGone(task);
    this.#reject(task, Ending.CANCELLED, reason);
    if (thread !== null) this.#feed();
  }

  #drop(task: Task, ending: Ending, error: unknown): void {
    const { thread } = task;
    const isBegun = thread !== null && !thread.recall(task);
    if (thread !== null && !isBegun) this.#noteGone(task);
    // First the others, so that none of them begins meanwhile; then it is certain who runs.
    if (isBegun) this.#recall(thread);
    const isRunning = isBegun && thread.claims.look(task.position) === Claim.RUNNING;
    this.#reject(task, ending, error);
    if (isRunning) this.#crew.recycle(thread);
    if (thread !== null) this.#feed();
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
    if (task.isQueued) this.#queue.remove(task);
    if (task.thread !== null) {
      task.thread.remove(task);
      this.#noteGone(task);
    }
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

  /** It is no longer with a thread. */
  #noteGone({ priority }: Task): void {
    this.#sent[priority] -= 1;
  }

  // --- Threads -----------------------------------------------------------

  get address(): SenderHandle {
    return (this.#loop as PoolLoop).address;
  }

  up(thread: ComputeThread): void {
    this.#threads.set(thread.number, thread);
    // What waits behind others can begin here.
    if (this.#queue.size === 0) {
      for (const other of this.#crew.threads) if (other.count > 1) this.#recall(other);
    }
    this.#feed();
  }

  exited(thread: ComputeThread, exit: ThreadExit): void {
    this.#loop?.noteExit(thread, exit);
  }

  /** What it had begun has ended with it; the rest goes on elsewhere. */
  ended(exited: ComputeThread, exit: ThreadExit): void {
    this.#recall(exited);
    exited.eachFromLast((task) => this.#fail(task, threadExited(task, exit)));
    this.#threads.delete(exited.number);
    this.#crew.forget(exited);
    this.#feed();
  }

  startsFailed(error: unknown): void {
    for (const thread of this.#crew.threads) if (thread.isUp) return;
    const unavailable = poolUnavailable(error);
    this.#emptyQueue((task) => this.#fail(task, unavailable));
  }

  #emptyQueue(dispose: (task: Task) => void): void {
    // The order is of no account, and any time will do.
    for (let task = this.#queue.peek(0); task !== null; task = this.#queue.peek(0)) dispose(task);
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
    return this.#sent.reduce((sum, count) => sum + count);
  }

  metrics(): ComputeMetrics {
    const depths = DEPTHS.map((priority) => this.#queue.depth(priority));
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
    for (const thread of this.#crew.threads) this.#recall(thread);
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

function discarded({ moved }: Answer): void {
  if (moved !== null) discard(moved);
}

const DEPTHS = [
  TaskPriority.Low,
  TaskPriority.Normal,
  TaskPriority.High,
  TaskPriority.Critical,
] as const;
