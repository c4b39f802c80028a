/**
 * Supervision: what is done about an actor that crashed. Pure logic, one
 * supervisor for each actor, made at its first crash (rule A2).
 *
 *   crash ──> restart   a new instance, after a back-off that doubles
 *         ├─> resume    the same instance goes on
 *         ├─> stop      also when the budget of restarts is used up
 *         └─> escalate  the actor stops, and its parent crashes
 */

/**
 * What to do about a crash: make a new instance, go on with the same one, stop
 * the actor, or stop it and crash whoever spawned it.
 */
export type CrashAction = 'restart' | 'resume' | 'stop' | 'escalate';

export const CRASH_ACTIONS: readonly CrashAction[] = ['restart', 'resume', 'stop', 'escalate'];

/** What is done about crashes of an actor, each by itself. */
export interface SupervisionOptions {
  /** What a crash leads to. @default 'restart' */
  onCrash?: CrashAction;
  /** Restarts within `withinMs` at most; one crash more stops the actor. From 0. @default 3 */
  maxRestarts?: number;
  /** The window of `maxRestarts`, in milliseconds. Above 0. @default 5000 */
  withinMs?: number;
  /**
   * Before the first restart, in milliseconds; doubles with each one after it.
   * From 0. @default 100
   */
  backoffMs?: number;
  /**
   * What the back-off grows to, in milliseconds. At least `backoffMs`.
   * @default 5000, or `backoffMs` if that is more
   */
  backoffMaxMs?: number;
}

export type SupervisionPolicy = Readonly<Required<SupervisionOptions>>;

export type Decision =
  | { readonly action: 'restart'; readonly attempt: number; readonly delayMs: number }
  | { readonly action: 'resume' | 'stop' | 'escalate' };

export class Supervisor {
  readonly #policy: SupervisionPolicy;
  /** When the restarts inside the window were decided. */
  #restartsMs: number[] = [];
  /** Crashes in a row, with no quiet window between them: what the back-off grows with. */
  #streak = 0;
  /** When the restart decided last takes place, or took place. */
  #restartAtMs = -Infinity;

  constructor(policy: SupervisionPolicy) {
    this.#policy = policy;
  }

  /** Times are those of any one monotonic clock. */
  decide(nowMs: number): Decision {
    const { onCrash, maxRestarts, withinMs } = this.#policy;
    if (onCrash !== 'restart') return { action: onCrash };
    this.#restartsMs = this.#restartsMs.filter((restartMs) => nowMs - restartMs < withinMs);
    if (this.#restartsMs.length >= maxRestarts) return { action: 'stop' };
    // The quiet time is counted from the restart, not from the crash before
    // it: a back-off as long as the window must not reset itself.
    if (nowMs - this.#restartAtMs >= withinMs) this.#streak = 0;
    const delayMs = this.#delayMs();
    this.#streak += 1;
    this.#restartsMs.push(nowMs);
    this.#restartAtMs = nowMs + delayMs;
    return { action: 'restart', attempt: this.#streak, delayMs };
  }

  /** The restart took place only now, since it took its time: quiet time is counted from here. */
  restarted(nowMs: number): void {
    this.#restartAtMs = nowMs;
  }

  #delayMs(): number {
    const { backoffMs, backoffMaxMs } = this.#policy;
    // Not even endless doubling makes something of nothing, only NaN.
    if (backoffMs === 0) return 0;
    return Math.min(backoffMs * 2 ** this.#streak, backoffMaxMs);
  }
}
