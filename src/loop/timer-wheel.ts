/**
 * The timer wheel: pending timeouts in a ring of slots by deadline, so that
 * arming and clearing take constant time however many there are. It is scheme
 * 6 of Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), with
 * two changes:
 *
 * - Timeouts keep their exact deadlines. A slot only groups those to look at,
 *   so nothing is rounded: a timeout is late by the wake-up alone.
 * - Each slot knows a lower bound of its deadlines. The next deadline is found
 *   from the bounds, without turning the wheel slot by slot, so that an idle
 *   loop needs no ticks.
 *
 *   slot:        0      1      2      3    ...   size - 1
 *   bound:      2.9    inf    4.1    inf
 *   list:      2.9              4.1 - 1028.4         (1 ms slots, size 1024)
 *
 * The wheel knows no clock; times are whatever the caller counts in.
 */

/** Where a timeout is, if not in a slot. */
const NOWHERE = -1;
const DUE = -2;

/** The deadlines of an interval: whole periods after the first. */
interface Grid {
  readonly originMs: number;
  readonly periodMs: number;
}

/**
 * A pending timeout, as `timeout()` and `interval()` return it, for
 * `clearTimeout()`. Nothing in it is for users.
 */
export class Timeout {
  /** @internal */ readonly wheel: TimerWheel;
  /** @internal */ readonly payload: unknown;
  /** @internal */ deadlineMs: number;
  /** @internal Null for one-shot timeouts, to keep them small. */
  readonly grid: Grid | null;
  /** @internal Orders timeouts as they were armed. */
  sequence = 0;
  /** @internal */ place = NOWHERE;
  /** @internal Null outside of a list, like `previous`. */ next: Timeout | null = null;
  /** @internal */ previous: Timeout | null = null;

  /** @internal `periodMs` is 0 for one-shot timeouts. */
  constructor(wheel: TimerWheel, payload: unknown, deadlineMs: number, periodMs: number) {
    this.wheel = wheel;
    this.payload = payload;
    this.deadlineMs = deadlineMs;
    this.grid = periodMs === 0 ? null : { originMs: deadlineMs, periodMs };
  }
}

export class TimerWheel {
  readonly #slotsPerMs: number;
  readonly #mask: number;
  readonly #lists: (Timeout | null)[];
  /** No deadline in the slot is earlier; it may be older than the list. */
  readonly #bounds: Float64Array;
  #sequence = 0;
  #size = 0;

  /** Taken out by {@link collect}, in the order in which they fire. */
  #due: Timeout[] = [];
  #dueIndex = 0;

  /** No pending deadline is earlier; Infinity when none is pending. */
  #boundMs = Infinity;
  /** Whether the timeout that {@link #boundMs} came from was cleared. */
  #boundStale = false;

  constructor(slotMs: number, slots: number) {
    const size = 2 ** Math.ceil(Math.log2(slots));
    this.#slotsPerMs = 1 / slotMs;
    this.#mask = size - 1;
    this.#lists = new Array(size).fill(null);
    this.#bounds = new Float64Array(size).fill(Infinity);
  }

  /** How many timeouts are pending, those taken out to fire included. */
  get size(): number {
    return this.#size;
  }

  /** Whether some were collected and have not fired. */
  get hasDue(): boolean {
    return this.#dueIndex < this.#due.length;
  }

  /** When the next timeout may be due; Infinity when none is pending. */
  get nextMs(): number {
    if (this.#boundStale) {
      this.#boundStale = false;
      this.#boundMs = this.#bounds.reduce((least, bound) => Math.min(least, bound), Infinity);
    }
    return this.#boundMs;
  }

  /** The sequence number of the timeout to be armed next. */
  get sequence(): number {
    return this.#sequence;
  }

  arm(timeout: Timeout): void {
    const { deadlineMs } = timeout;
    const slot = (deadlineMs * this.#slotsPerMs) & this.#mask;
    const head = this.#lists[slot];
    timeout.sequence = this.#sequence++;
    timeout.place = slot;
    if (head !== null) {
      timeout.next = head;
      head.previous = timeout;
    }
    this.#lists[slot] = timeout;
    this.#size += 1;
    if (deadlineMs < this.#bounds[slot]) this.#bounds[slot] = deadlineMs;
    if (deadlineMs < this.#boundMs) this.#boundMs = deadlineMs;
  }

  /** Takes a timeout out. False if it was not pending. */
  clear(timeout: Timeout): boolean {
    if (timeout.place === NOWHERE) return false;
    if (timeout.place !== DUE) this.#unlink(timeout);
    timeout.place = NOWHERE;
    this.#size -= 1;
    if (timeout.deadlineMs <= this.#boundMs) this.#boundStale = true;
    return true;
  }

  /**
   * Moves a fired interval to its first deadline after `nowMs` and arms it
   * again. Returns how many deadlines are skipped.
   */
  rearm(timeout: Timeout, grid: Grid, nowMs: number): number {
    const { originMs, periodMs } = grid;
    const missed = Math.floor((nowMs - timeout.deadlineMs) / periodMs);
    const periods = Math.round((timeout.deadlineMs - originMs) / periodMs) + missed + 1;
    timeout.deadlineMs = originMs + periods * periodMs;
    this.arm(timeout);
    return missed;
  }

  /**
   * Takes out all that are due at `nowMs` and were armed before that sequence
   * number, for {@link takeDue}. Constant time when nothing is due.
   */
  collect(nowMs: number, sequence: number): void {
    if (nowMs < this.#boundMs) return;
    this.#dropTaken();
    let boundMs = Infinity;
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (this.#bounds[slot] <= nowMs) this.#collectSlot(slot, nowMs, sequence);
      if (this.#bounds[slot] < boundMs) boundMs = this.#bounds[slot]!;
    }
    this.#boundMs = boundMs;
    this.#boundStale = false;
    if (this.#due.length > 1) this.#due.sort(byDeadline);
  }

  /** The next that fires, or null. It is pending no more. */
  takeDue(): Timeout | null {
    while (this.#dueIndex < this.#due.length) {
      const timeout = this.#due[this.#dueIndex++];
      if (timeout.place !== DUE) continue;
      timeout.place = NOWHERE;
      this.#size -= 1;
      return timeout;
    }
    this.#dropTaken();
    return null;
  }

  /** Forgets all timeouts. */
  clearAll(): void {
    for (const timeout of this.#due) timeout.place = NOWHERE;
    for (const head of this.#lists) {
      for (let timeout = head; timeout !== null; timeout = timeout.next) timeout.place = NOWHERE;
    }
    this.#size = 0;
    this.#due = [];
    this.#dueIndex = 0;
    this.#lists.fill(null);
    this.#bounds.fill(Infinity);
    this.#boundMs = Infinity;
  }

  #collectSlot(slot: number, nowMs: number, sequence: number): void {
    let boundMs = Infinity;
    let timeout = this.#lists[slot];
    while (timeout !== null) {
      const { next } = timeout;
      if (timeout.deadlineMs <= nowMs && timeout.sequence < sequence) {
        this.#unlink(timeout);
        timeout.place = DUE;
        this.#due.push(timeout);
      } else if (timeout.deadlineMs < boundMs) {
        boundMs = timeout.deadlineMs;
      }
      timeout = next;
    }
    this.#bounds[slot] = boundMs;
  }

  #unlink(timeout: Timeout): void {
    const { next, previous } = timeout;
    if (previous !== null) {
      previous.next = next;
    } else {
      this.#lists[timeout.place] = next;
      // The usual slot holds one timeout; emptied, it has nothing to wake for.
      if (next === null) this.#bounds[timeout.place] = Infinity;
    }
    if (next !== null) next.previous = previous;
    timeout.next = null;
    timeout.previous = null;
  }

  /** The list of fired timeouts is cut when it is read to its end, not one by one. */
  #dropTaken(): void {
    this.#due = this.#dueIndex < this.#due.length ? this.#due.slice(this.#dueIndex) : [];
    this.#dueIndex = 0;
  }
}

function byDeadline(left: Timeout, right: Timeout): number {
  return left.deadlineMs - right.deadlineMs || left.sequence - right.sequence;
}
