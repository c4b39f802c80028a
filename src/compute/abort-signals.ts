/**
 * The signals of tasks. However many tasks share one, it has a single listener
 * of the pool: Node takes a crowd of them for a leak, and needs the longer the
 * more there are to find one.
 */

export class AbortSignals<T> {
  readonly #groups = new Map<AbortSignal, Group<T>>();
  readonly #aborted: (task: T) => void;

  /** `aborted` is called with each task of a signal. */
  constructor(aborted: (task: T) => void) {
    this.#aborted = aborted;
  }

  add(signal: AbortSignal, task: T): void {
    let group = this.#groups.get(signal);
    if (group === undefined) {
      group = new Group(this.#aborted);
      this.#groups.set(signal, group);
      signal.addEventListener('abort', group);
    }
    group.tasks.add(task);
  }

  remove(signal: AbortSignal, task: T): void {
    const group = this.#groups.get(signal);
    if (group === undefined) return;
    group.tasks.delete(task);
    if (group.tasks.size > 0) return;
    signal.removeEventListener('abort', group);
    this.#groups.delete(signal);
  }
}

/** The tasks of one signal; itself the listener, which saves a closure. */
class Group<T> {
  readonly tasks = new Set<T>();
  readonly #aborted: (task: T) => void;

  constructor(aborted: (task: T) => void) {
    this.#aborted = aborted;
  }

  handleEvent(): void {
    for (const task of this.tasks) this.#aborted(task);
  }
}
