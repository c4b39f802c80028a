/**
 * Scheduler: which task goes to which thread, and when (rule P1).
 *
 *   add ──> queue ──feed──> thread (sent ahead) ──> begun
 *             ^               │
 *             └──── recall ───┘  for one that is more urgent, for a thread
 *                                that is stuck, given up, or dead
 *
 * A little is sent to each thread ahead of its turn, so that the thread need
 * not wait for this one between two tasks. What was sent and has not begun is
 * fetched back whenever the order of the queue would have it so: who looks from
 * outside sees one queue, not what lies with the threads.
 */
import { nativeDriver } from '../poll/native-driver.js';
import { Claim } from './claims.js';
import type { ComputeThread } from './compute-thread.js';
import type { Crew } from './crew.js';
import type { Task } from './task.js';
import { TaskPriority } from './task-priority.js';
import { TaskQueue } from './task-queue.js';

export interface SchedulerHost {
  /** Its arguments cannot be sent to any thread. */
  unsendable(task: Task, error: unknown): void;
  /** Wants a call of {@link Scheduler.watched} after a while. */
  watch(): void;
  /** The metrics are not what they were. */
  changed(): void;
}

export class Scheduler {
  readonly #queue: TaskQueue<Task>;
  readonly #crew: Crew;
  readonly #host: SchedulerHost;
  /** Tasks with threads, begun or not, by priority. */
  readonly #sent = [0, 0, 0, 0];
  #isFeedDue = false;
  #isWatching = false;

  constructor(agingMs: number, crew: Crew, host: SchedulerHost) {
    this.#queue = new TaskQueue(agingMs);
    this.#crew = crew;
    this.#host = host;
  }

  /** Tasks that were sent to threads, begun or not. */
  get sent(): number {
    return this.#sent.reduce((sum, count) => sum + count);
  }

  /** Tasks of this priority that no thread has. */
  depth(priority: TaskPriority): number {
    return this.#queue.depth(priority);
  }

  /** The next of those that no thread has, at this time; null if there is none. */
  next(nowMs: number): Task | null {
    return this.#queue.peek(nowMs);
  }

  // --- To the threads ----------------------------------------------------

  add(task: Task): void {
    this.#queue.add(task);
    this.#host.changed();
    if (this.#hasSent(TaskPriority.Low, task.priority - 1)) this.#makeWay(task);
    else if (!this.#isFeedDue) this.feed();
  }

  /** Sends what is next, as long as threads take it. */
  feed(): void {
    if (this.#queue.size === 0) return;
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
      this.#host.unsendable(task, error);
      return;
    }
    this.#sent[task.priority] += 1;
    this.#host.changed();
    if (thread.count > 1) this.#watch();
  }

  /** A free thread that takes nothing is still skipping what was recalled; no answer will tell. */
  #lookAgain(): void {
    for (const thread of this.#crew.threads) {
      if (thread.isUp && thread.count === 0) this.#watch();
    }
  }

  // --- Who goes first ----------------------------------------------------

  /**
   * Fetches back what was sent ahead and has to wait now for this task. What is
   * next is sent when the caller is done with all that it submits, so that it
   * costs no more to submit a thousand tasks than one.
   */
  #makeWay(task: Task): void {
    const nowMs = nativeDriver.nowOrLater();
    const isOutranked = (sent: Task): boolean => this.#queue.outranks(task, sent, nowMs);
    for (const thread of this.#crew.threads) this.recall(thread, isOutranked);
    if (this.#isFeedDue) return;
    this.#isFeedDue = true;
    queueMicrotask(() => {
      this.#isFeedDue = false;
      this.feed();
    });
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
    if (this.withdraw(task)) this.#send(thread, task);
  }

  /** Whether threads have tasks of a priority in this range. */
  #hasSent(lowest: number, highest: number): boolean {
    for (let priority = lowest; priority <= highest; priority++) {
      if (this.#sent[priority] > 0) return true;
    }
    return false;
  }

  // --- Back from the threads ---------------------------------------------

  /** Into the queue again: what the thread has not begun, or those of it that `test` is true of. */
  recall(thread: ComputeThread, test?: (task: Task) => boolean): void {
    thread.recallAll((task) => {
      this.#sent[task.priority] -= 1;
      this.#queue.add(task);
    }, test);
  }

  /** False if a thread has begun it. Otherwise no thread has it any more. */
  withdraw(task: Task): boolean {
    const { thread } = task;
    if (thread === null) return true;
    if (!thread.recall(task)) return false;
    this.#sent[task.priority] -= 1;
    return true;
  }

  /** It has settled, wherever it is. */
  remove(task: Task): void {
    if (task.isQueued) this.#queue.remove(task);
    if (task.thread === null) return;
    task.thread.remove(task);
    this.#sent[task.priority] -= 1;
  }

  /** A thread is there to which nothing was sent yet. */
  welcome(newcomer: ComputeThread): void {
    // What waits behind others can begin there.
    if (this.#queue.size === 0) {
      for (const thread of this.#crew.threads) {
        if (thread !== newcomer && thread.count > 1) this.recall(thread);
      }
    }
    this.feed();
  }

  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#host.watch();
  }

  /** What lies with a thread that does not get on is better off in the queue. */
  watched(): void {
    this.#isWatching = false;
    let isAhead = false;
    for (const thread of this.#crew.threads) {
      if (thread.count < 2) continue;
      if (thread.answers === thread.answersBefore) {
        thread.isStuck = true;
        this.recall(thread);
      }
      thread.answersBefore = thread.answers;
      isAhead ||= thread.count > 1;
    }
    this.feed();
    if (isAhead) this.#watch();
  }
}
