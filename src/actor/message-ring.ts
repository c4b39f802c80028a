/**
 * MessageRing: the messages that wait for one actor.
 *
 *   slots:  [ . . | m3 r3 | m4 - | m5 - | . . ]      two for each message:
 *                   ^ head          ^ tail           it, and who wants an answer
 *
 * Nothing is allocated for a message. The slots themselves come with the first
 * one, grow by fours, and are given up when a burst is over: a hundred
 * thousand idle actors must not keep the memory of their busiest moments.
 */
import type { Request } from './request.js';

const FIRST_SIZE = 4;
const GROWTH = 4;

/** As many messages as an idle actor keeps room for. */
const KEPT_SIZE = 16;

const NO_SLOTS: unknown[] = [];

export class MessageRing {
  #slots = NO_SLOTS;
  /** One less than the messages that there is room for, a power of two; -1 for no room. */
  #mask = -1;
  #head = 0;
  size = 0;

  push(message: unknown, request: Request | null): void {
    if (this.size > this.#mask) this.#grow();
    const at = ((this.#head + this.size) & this.#mask) * 2;
    this.#slots[at] = message;
    this.#slots[at + 1] = request;
    this.size += 1;
  }

  /** The oldest message. Only to be called when there is one, like the next two. */
  get message(): unknown {
    return this.#slots[this.#head * 2];
  }

  /** Who wants an answer to it; null for a message that was merely sent. */
  get request(): Request | null {
    return this.#slots[this.#head * 2 + 1] as Request | null;
  }

  /** Takes the oldest out. */
  drop(): void {
    const at = this.#head * 2;
    this.#slots[at] = undefined;
    this.#slots[at + 1] = null;
    this.#head = (this.#head + 1) & this.#mask;
    this.size -= 1;
    if (this.size === 0 && this.#mask >= KEPT_SIZE) this.#release();
  }

  #release(): void {
    this.#slots = NO_SLOTS;
    this.#mask = -1;
  }

  #grow(): void {
    const room = this.#mask + 1;
    const size = room === 0 ? FIRST_SIZE : room * GROWTH;
    const slots: unknown[] = new Array(size * 2).fill(null);
    for (let index = 0; index < this.size; index++) {
      const from = ((this.#head + index) & this.#mask) * 2;
      slots[index * 2] = this.#slots[from];
      slots[index * 2 + 1] = this.#slots[from + 1];
    }
    this.#slots = slots;
    this.#mask = size - 1;
    this.#head = 0;
  }
}
