/** The actor of docs/how-to/use-the-compute-pool.md: a store that makes snapshots of itself. */
import { type ActorContext, Handler, type MillraceError, TaskPriority } from 'millrace';

const TASKS = new URL('./snapshot-tasks.js', import.meta.url);
const encoder = new TextEncoder();

/** Sets a key, or asks for a snapshot. */
export type Command = { key: string; value: string } | 'snapshot';

export class SnapshotStore extends Handler<Command> {
  readonly #entries = new Map<string, string>();
  #latest = new AbortController();
  #share = 0;

  /** How much of the snapshot under way is done, from 0 to 1. */
  share(): number {
    return this.#share;
  }

  /** Answers a snapshot with its chunks, or with null if there is none this time. */
  override notify(context: ActorContext<Command>, command: Command): unknown {
    if (command === 'snapshot') return this.#snapshot(context);
    this.#entries.set(command.key, command.value);
    return this.#entries.size;
  }

  override stopped(): void {
    this.#latest.abort();
  }

  async #snapshot(context: ActorContext<Command>): Promise<Uint8Array[] | null> {
    // Nobody needs the one before any more, whether it waits or runs.
    this.#latest.abort();
    this.#latest = new AbortController();
    const { signal } = this.#latest;
    const state = encoder.encode(JSON.stringify([...this.#entries]));
    const tasks = context.compute.module<typeof import('./snapshot-tasks.js')>(TASKS).with({
      priority: TaskPriority.Low,
      signal,
      timeoutMs: 60_000,
      transfer: [state.buffer],
      onProgress: (share: number) => {
        this.#share = share;
      },
    });
    try {
      return await tasks.compress(state);
    } catch (error) {
      if (signal.aborted || (error as MillraceError).code === 'ERR_QUEUE_FULL') return null;
      throw error;
    }
  }
}
