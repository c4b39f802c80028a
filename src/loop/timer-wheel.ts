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
 * All of it is one table with typed arrays for columns. The first rows are the
 * heads of circular lists: one a slot, one of the timeouts that are due, and
 * one of those that were armed of late. The other rows are timeouts, each in
 * one of these lists, or free. Slots are 1 ms wide here:
 *
 *   row          0    1    2    3      4      5        6     7     8     9
 *                slots                 due    fresh    timeouts
 *   next         0    1    6    9      4      5        2    -1     3     8
 *   previous     0    1    6    8      4      5        2           9     3
 *   time ms     inf  inf  2.9  3.2    inf    inf      2.9         7.4   3.2
 *   sequence                                          71    -1    58    70
 *   payload                                            o           o     o
 *
 * Objects that point at each other would be the usual way. But a pointer to a
 * young object in an old one costs the engine's write barrier, and a fraction
 * in an object an allocation of its own.
 *
 * The list of fresh timeouts is there because a slot depends on what the clock
 * says: without it the processor had to wait for the reading each time. They
 * go into their slots together, when somebody asks for the next deadline.
 *
 * The wheel knows no clock; times are whatever the caller counts in.
 */

/** The end of the list of free rows; the sequence number of a free row. */
const NONE = -1;

/** Rows for timeouts at first; they double as needed. */
const FIRST_ROWS = 16;

export interface TimerWheelOptions {
  readonly slotMs: number;
  /** Rounded up to a power of two. */
  readonly slots: number;
  /** Pending timeouts at most. */
  readonly capacity: number;
}

/** A timeout that fires: it is pending no more, unless it is an interval. */
export interface Firing {
  readonly payload: unknown;
  readonly dueMs: number;
  /** Deadlines of an interval that passed meanwhile, and are skipped. */
  readonly missed: number;
}

/**
 * A pending timeout, as `timeout()` and `interval()` return it, for
 * `clearTimeout()`. Nothing in it is for users.
 */
export class Timeout {
  /** @internal */ readonly wheel: TimerWheel;
  /** @internal */ readonly row: number;
  /** @internal Tells it from those that have the row before and after it. */
  sequence: number;

  /** @internal */
  constructor(wheel: TimerWheel, row: number, sequence: number) {
    this.wheel = wheel;
    this.row = row;
    this.sequence = sequence;
  }
}

/** What an interval's row has for a payload: deadlines are whole periods after the first. */
class Interval {
  readonly payload: unknown;
  readonly firstMs: number;
  readonly periodMs: number;
  /** Null until it is armed. */
  timeout: Timeout | null = null;

  constructor(payload: unknown, firstMs: number, periodMs: number) {
    this.payload = payload;
    this.firstMs = firstMs;
    this.periodMs = periodMs;
  }
}

export class TimerWheel {
  readonly #slotsPerMs: number;
  readonly #mask: number;
  /** The head of the list of those collected, in the order in which they fire. */
  readonly #due: number;
  /** The head of the list of those not in slots yet; the last head. */
  readonly #fresh: number;
  #capacity: number;

  #next: Int32Array;
  #previous: Int32Array;
  /** Of a slot: no deadline in it is earlier. Of a timeout: its deadline. */
  #timesMs: Float64Array;
  /** Orders timeouts as they were armed. */
  #sequences: Float64Array;
  #payloads: unknown[];

  #firstFree = NONE;
  #sequence = 0;
  #size = 0;

  /** No deadline in a slot is earlier; Infinity when there is none. */
  #boundMs = Infinity;
  /** Whether the timeout that {@link #boundMs} came from was cleared. */
  #boundStale = false;

  constructor({ slotMs, slots, capacity }: TimerWheelOptions) {
    const size = 2 ** Math.ceil(Math.log2(slots));
    this.#slotsPerMs = 1 / slotMs;
    this.#mask = size - 1;
    this.#due = size;
    this.#fresh = size + 1;
    this.#capacity = capacity;
    const heads = size + 2;
    this.#next = linkedToThemselves(heads);
    this.#previous = linkedToThemselves(heads);
    this.#timesMs = new Float64Array(heads).fill(Infinity);
    this.#sequences = new Float64Array(heads).fill(NONE);
    this.#payloads = new Array(heads).fill(undefined);
  }

  /** How many timeouts are pending, those taken out to fire included. */
  get size(): number {
    return this.#size;
  }

  /** Whether some were collected and have not fired. */
  get hasDue(): boolean {
    return this.#next[this.#due] !== this.#due;
  }

  /** When the next timeout may be due; Infinity when none is pending. */
  get nextMs(): number {
    this.#settle();
    if (this.#boundStale) {
      this.#boundStale = false;
      this.#boundMs = this.#leastBoundMs();
    }
    return this.#boundMs;
  }

  /** The sequence number of the timeout to be armed next. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Null if as many are pending as may be, or the wheel was closed. */
  arm(payload: unknown, deadlineMs: number): Timeout | null {
    if (this.#firstFree === NONE && !this.#addRows()) return null;
    const row = this.#firstFree;
    this.#firstFree = this.#next[row];
    this.#size += 1;
    this.#payloads[row] = payload;
    return new Timeout(this, row, this.#insert(row, deadlineMs));
  }

  /** As {@link arm}; armed again whenever it fires. */
  armInterval(payload: unknown, deadlineMs: number, periodMs: number): Timeout | null {
    const interval = new Interval(payload, deadlineMs, periodMs);
    interval.timeout = this.arm(interval, deadlineMs);
    return interval.timeout;
  }

  /** Takes a timeout out. False if it was not pending here. */
  clear(timeout: Timeout): boolean {
    const { row } = timeout;
    if (timeout.wheel !== this || timeout.sequence !== this.#sequences[row]) return false;
    if (this.#timesMs[row] <= this.#boundMs) this.#boundStale = true;
    this.#remove(row);
    this.#free(row);
    return true;
  }

  /** Of a timeout that is pending here; else undefined. */
  payloadOf(timeout: Timeout): unknown {
    const { row, sequence } = timeout;
    if (sequence !== this.#sequences[row]) return undefined;
    const payload = this.#payloads[row];
    return payload instanceof Interval ? payload.payload : payload;
  }

  /**
   * Moves all that are due at `nowMs` and were armed before that sequence
   * number to the list of {@link fire}. Constant time when nothing is due and
   * nothing fresh.
   */
  collect(nowMs: number, sequence: number): void {
    this.#settle();
    if (nowMs < this.#boundMs) return;
    const rows = this.#rowsDue();
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (this.#timesMs[slot] <= nowMs) this.#collectSlot(slot, nowMs, sequence, rows);
    }
    this.#setRowsDue(rows);
    this.#boundMs = this.#leastBoundMs();
    this.#boundStale = false;
  }

  /**
   * Takes out the next of those collected, and arms it again if it is an
   * interval. Only to be called when there is one.
   */
  fire(nowMs: number): Firing {
    const row = this.#next[this.#due];
    const dueMs = this.#timesMs[row];
    const payload = this.#payloads[row];
    this.#remove(row);
    if (payload instanceof Interval) return this.#rearm(row, payload, nowMs);
    this.#free(row);
    return { payload, dueMs, missed: 0 };
  }

  /** Forgets all timeouts, and takes no more. */
  close(): void {
    const heads = this.#fresh + 1;
    this.#capacity = 0;
    this.#next = linkedToThemselves(heads);
    this.#previous = linkedToThemselves(heads);
    this.#timesMs = new Float64Array(heads).fill(Infinity);
    this.#sequences = new Float64Array(heads).fill(NONE);
    this.#payloads = [];
    this.#firstFree = NONE;
    this.#size = 0;
    this.#boundMs = Infinity;
  }

  /** Gives a row a deadline. Returns its sequence number. */
  #insert(row: number, deadlineMs: number): number {
    const sequence = this.#sequence++;
    this.#sequences[row] = sequence;
    this.#timesMs[row] = deadlineMs;
    this.#link(row, this.#fresh, this.#next[this.#fresh]);
    return sequence;
  }

  /** Puts the fresh ones into the slots of their deadlines. */
  #settle(): void {
    const timesMs = this.#timesMs;
    let row = this.#next[this.#fresh];
    while (row !== this.#fresh) {
      const next = this.#next[row];
      const deadlineMs = timesMs[row];
      const slot = (deadlineMs * this.#slotsPerMs) & this.#mask;
      this.#link(row, slot, this.#next[slot]);
      if (deadlineMs < timesMs[slot]) timesMs[slot] = deadlineMs;
      if (deadlineMs < this.#boundMs) this.#boundMs = deadlineMs;
      row = next;
    }
    this.#next[row] = row;
    this.#previous[row] = row;
  }

  /** A plain loop: reduce() takes several times as long, often once a tick. */
  #leastBoundMs(): number {
    const timesMs = this.#timesMs;
    let boundMs = Infinity;
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (timesMs[slot] < boundMs) boundMs = timesMs[slot];
    }
    return boundMs;
  }

  #link(row: number, previous: number, next: number): void {
    this.#next[row] = next;
    this.#previous[row] = previous;
    this.#next[previous] = row;
    this.#previous[next] = row;
  }

  /** Takes a row out of its list. */
  #remove(row: number): void {
    const next = this.#next[row];
    const previous = this.#previous[row];
    this.#next[previous] = next;
    this.#previous[next] = previous;
    // It was alone with the head. An empty slot has nothing to wake for.
    if (next === previous) this.#timesMs[next] = Infinity;
  }

  #free(row: number): void {
    this.#sequences[row] = NONE;
    this.#payloads[row] = undefined;
    this.#next[row] = this.#firstFree;
    this.#firstFree = row;
    this.#size -= 1;
  }

  /** Moves a fired interval to its first deadline after `nowMs`. */
  #rearm(row: number, interval: Interval, nowMs: number): Firing {
    const { payload, firstMs, periodMs, timeout } = interval;
    const dueMs = this.#timesMs[row];
    const missed = Math.floor((nowMs - dueMs) / periodMs);
    const periods = Math.round((dueMs - firstMs) / periodMs) + missed + 1;
    const sequence = this.#insert(row, firstMs + periods * periodMs);
    if (timeout !== null) timeout.sequence = sequence;
    return { payload, dueMs, missed };
  }

  #collectSlot(slot: number, nowMs: number, sequence: number, rows: number[]): void {
    let boundMs = Infinity;
    let row = this.#next[slot];
    while (row !== slot) {
      const next = this.#next[row];
      const deadlineMs = this.#timesMs[row];
      if (deadlineMs <= nowMs && this.#sequences[row] < sequence) {
        this.#remove(row);
        rows.push(row);
      } else if (deadlineMs < boundMs) {
        boundMs = deadlineMs;
      }
      row = next;
    }
    this.#timesMs[slot] = boundMs;
  }

  #rowsDue(): number[] {
    const rows: number[] = [];
    for (let row = this.#next[this.#due]; row !== this.#due; row = this.#next[row]) rows.push(row);
    return rows;
  }

  /** Links the rows anew, those that are linked already too. */
  #setRowsDue(rows: number[]): void {
    const timesMs = this.#timesMs;
    const sequences = this.#sequences;
    rows.sort((a, b) => timesMs[a] - timesMs[b] || sequences[a] - sequences[b]);
    let last = this.#due;
    for (const row of rows) {
      this.#link(row, last, this.#due);
      last = row;
    }
  }

  /** Twice the rows for timeouts, up to the capacity. False if it is reached. */
  #addRows(): boolean {
    const heads = this.#fresh + 1;
    const begin = this.#next.length;
    const end = heads + Math.min(Math.max(2 * (begin - heads), FIRST_ROWS), this.#capacity);
    if (begin >= end) return false;
    this.#next = copied(this.#next, new Int32Array(end));
    this.#previous = copied(this.#previous, new Int32Array(end));
    this.#timesMs = copied(this.#timesMs, new Float64Array(end));
    this.#sequences = copied(this.#sequences, new Float64Array(end).fill(NONE));
    for (let row = begin; row < end; row++) {
      this.#payloads.push(undefined);
      this.#next[row] = row + 1 < end ? row + 1 : NONE;
    }
    this.#firstFree = begin;
    return true;
  }
}

/** Heads of empty lists. */
function linkedToThemselves(heads: number): Int32Array {
  return Int32Array.from({ length: heads }, (_, head) => head);
}

function copied<Column extends Int32Array | Float64Array>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}
