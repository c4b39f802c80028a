/**
 * The signals of tasks. However many tasks share one, it has a single listener
 * of the pool: Node takes a crowd of them for a leak, and needs the longer the
 * more there are to find one.
 */
import type { Task } from './task.js';

export class AbortSignals {
  readonly #groups = new Map<AbortSignal, Group>();
  readonly #aborted: (task: Task) => void;

  /** `aborted` is called with each task of a signal. */
  constructor(aborted: (task: Task) => void) {
    this.#aborted = aborted;
  }

  add(signal: AbortSignal, task: Task): void {
    let group = this.#groups.get(signal);
    if (group === undefined) {
      group = new Group(this.#aborted);
      this.#groups.set(signal, group);
      signal.addEventListener('abort', group);
    }
    group.tasks.add(task);
  }

  remove(signal: AbortSignal, task: Task): void {
    const group = this.#groups.get(signal);
    if (group === undefined) return;
    group.tasks.delete(task);
    if (group.tasks.size > 0) return;
    signal.removeEventListener('abort', group);
    this.#groups.delete(signal);
  }
}

/** The tasks of one signal; itself the listener, which saves a closure. */
class Group {
  readonly tasks = new Set<Task>();
  readonly #aborted: (task: Task) => void;

  constructor(aborted: (task: Task) => void) {
    this.#aborted = aborted;
  }

  handleEvent(): void {
    for (const task of this.tasks) this.#aborted(task);
  }
}
