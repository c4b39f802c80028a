/**
 * The tasks that wait, in the order of rule P1: the highest level first, and
 * inside a level the one that was submitted first.
 *
 *   level at time t = min(3, priority + floor((t - submitted) / agingMs))
 *
 * Ageing moves nothing. Of two tasks of one priority the earlier one is never
 * on a lower level, so each priority has a heap by sequence, and the next task
 * is the best of four heads, compared by the levels that they have by then.
 *
 * FastPriorityQueue finds an entry only by looking at all of them. So a task
 * that is removed is struck out where it stands, and swept out when it comes
 * to the head, or when half of the heap is struck out.
 */
import FastPriorityQueue from 'fastpriorityqueue';
import { TaskPriority } from './task-priority.js';

/** What the queue has to know of a task. */
export interface Queueable {
  readonly priority: TaskPriority;
  /** Grows from task to task. */
  readonly sequence: number;
  /** Never less than that of a task with a lower sequence. */
  readonly submittedMs: number;
  /** The queue's own note. */
  isQueued: boolean;
}

/** Fewer than these are not worth a sweep. */
const SWEEP_MIN = 32;

/** How much larger its memory may be than what the heap holds. */
const SLACK_FACTOR = 4;
const SLACK_MIN = 64;

const PRIORITIES = [
  TaskPriority.Critical,
  TaskPriority.High,
  TaskPriority.Normal,
  TaskPriority.Low,
] as const;

export class TaskQueue<T extends Queueable> {
  readonly #agingMs: number;
  readonly #lines: readonly Line<T>[] = [new Line(), new Line(), new Line(), new Line()];
  #size = 0;

  constructor(agingMs: number) {
    this.#agingMs = agingMs;
  }

  get size(): number {
    return this.#size;
  }

  /** How many tasks of this priority wait, whatever level they have reached. */
  depth(priority: TaskPriority): number {
    return this.#lines[priority].size;
  }

  /** A task that comes back takes its place again: the sequence decides. */
  add(task: T): void {
    task.isQueued = true;
    this.#lines[task.priority].add(task);
    this.#size += 1;
  }

  /** The task that is next at this time, or null. */
  peek(nowMs: number): T | null {
    let best: T | null = null;
    if (this.#size === 0) return best;
    for (const priority of PRIORITIES) {
      const head = this.#lines[priority].head();
      if (head !== null && (best === null || this.outranks(head, best, nowMs))) best = head;
    }
    return best;
  }

  /** Takes the task that {@link peek} gave. */
  take(task: T): void {
    task.isQueued = false;
    this.#lines[task.priority].takeHead();
    this.#size -= 1;
  }

  /** Takes a task out, wherever it stands. */
  remove(task: T): void {
    task.isQueued = false;
    this.#lines[task.priority].strike();
    this.#size -= 1;
  }

  /** Whether `task` is on a higher level than `other`, and may not be passed by it at all. */
  isAbove(task: T, other: T, nowMs: number): boolean {
    return this.#level(task, nowMs) > this.#level(other, nowMs);
  }

  /** Whether `task` is to begin before `other`. */
  outranks(task: T, other: T, nowMs: number): boolean {
    const difference = this.#level(task, nowMs) - this.#level(other, nowMs);
    return difference > 0 || (difference === 0 && task.sequence < other.sequence);
  }

  #level({ priority, submittedMs }: T, nowMs: number): number {
    const raised = Math.floor((nowMs - submittedMs) / this.#agingMs);
    return Math.min(TaskPriority.Critical, priority + Math.max(0, raised));
  }
}

/** The tasks of one priority. */
class Line<T extends Queueable> {
  readonly #heap = new FastPriorityQueue<T>(precedes);
  /** Entries of the heap that were struck out. */
  #struck = 0;
  /** The largest that the heap was since its memory was cut to size. */
  #peak = 0;

  get size(): number {
    return this.#heap.size - this.#struck;
  }

  add(task: T): void {
    this.#heap.add(task);
    if (this.#heap.size > this.#peak) this.#peak = this.#heap.size;
  }

  head(): T | null {
    for (;;) {
      const task = this.#heap.peek();
      if (task === undefined) return null;
      if (task.isQueued) return task;
      this.#struck -= 1;
      this.#poll();
    }
  }

  takeHead(): void {
    this.#poll();
  }

  /** One more entry is no longer queued. */
  strike(): void {
    this.#struck += 1;
    if (this.#struck >= SWEEP_MIN && this.#struck > this.size) this.#sweep();
  }

  /** The heap keeps what it gave away in its memory until something else takes the place. */
  #poll(): void {
    const heap = this.#heap;
    heap.poll();
    if (this.#peak <= SLACK_MIN || heap.size * SLACK_FACTOR > this.#peak) return;
    heap.trim();
    this.#peak = heap.size;
  }

  #sweep(): void {
    const left: T[] = [];
    for (let task = this.#heap.poll(); task !== undefined; task = this.#heap.poll()) {
      if (task.isQueued) left.push(task);
    }
    this.#heap.heapify(left);
    this.#struck = 0;
    this.#peak = left.length;
  }
}

/** The package is not stable by itself: equals come in any order. So none are equal. */
function precedes(left: Queueable, right: Queueable): boolean {
  return left.sequence < right.sequence;
}
