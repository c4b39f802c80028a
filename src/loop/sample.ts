/**
 * Sample: the reading of the clock that a loop's timers wait for (rule L2).
 *
 * It is taken before a poll, and held, over several ticks if need be, until a
 * poll made after it has been delivered whole, and with it the messages that
 * were queued then. Settled, it says which timers are due: all that had arrived
 * by its time has been delivered, and had the chance to clear them.
 */
export class Sample {
  readonly #fullPollsMax: number;

  #isHeld = false;
  #timeMs = 0;
  /** The end of the inbox at that time. */
  #tail = 0;
  /** Whether a poll since has fetched all that there was. */
  #isPolled = false;
  /** Polls since that prove nothing. */
  #vainPolls = 0;

  constructor(fullPollsMax: number) {
    this.#fullPollsMax = fullPollsMax;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  get timeMs(): number {
    return this.#timeMs;
  }

  take(timeMs: number, tail: number): void {
    this.#isHeld = true;
    this.#timeMs = timeMs;
    this.#tail = tail;
    this.#isPolled = false;
    this.#vainPolls = 0;
  }

  /** It has served, or came too early. */
  drop(): void {
    this.#isHeld = false;
  }

  /**
   * A poll was made. A full batch proves nothing: the very event that would
   * clear a timer may be among those that did not fit. A bound keeps endless
   * I/O from starving timers for ever.
   */
  notePoll(isFull: boolean): void {
    if (isFull) this.#vainPolls += 1;
    if (!isFull || this.#vainPolls >= this.#fullPollsMax) this.#isPolled = true;
  }

  /** The last poll proves as little as a full one, after all. */
  doubtPoll(): void {
    if (!this.#isPolled) return;
    this.#vainPolls += 1;
    this.#isPolled = this.#vainPolls >= this.#fullPollsMax;
  }

  /** Whether all that had arrived is delivered, if no event is left and `popped` messages are. */
  isSettled(popped: number): boolean {
    return this.#isPolled && popped >= this.#tail;
  }
}
