/**
 * ActivityList: connections in the order in which something last happened to
 * them, so that those that have been quiet for too long are found at its head.
 *
 * Whatever happens moves one connection to the tail, which takes constant time
 * and arms no timer: one alarm, for the head, stands for all of them.
 */

/** A member; it is in one list at most. */
export interface Member {
  previous: Member | null;
  next: Member | null;
  /** When something last happened to it, on the driver's clock. */
  activeAtMs: number;
  /** Nothing has happened for too long; it is in no list any more. */
  quiet(): void;
}

export class ActivityList {
  readonly #limitMs: number;
  #head: Member | null = null;
  #tail: Member | null = null;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** When the head will have been quiet for too long. */
  get dueMs(): number {
    return this.#head === null ? Infinity : this.#head.activeAtMs + this.#limitMs;
  }

  add(member: Member, nowMs: number): void {
    member.activeAtMs = nowMs;
    member.previous = this.#tail;
    member.next = null;
    if (this.#tail === null) this.#head = member;
    else this.#tail.next = member;
    this.#tail = member;
  }

  touch(member: Member, nowMs: number): void {
    if (this.#tail === member) {
      member.activeAtMs = nowMs;
      return;
    }
    this.remove(member);
    this.add(member, nowMs);
  }

  remove(member: Member): void {
    const { previous, next } = member;
    if (previous === null) this.#head = next;
    else previous.next = next;
    if (next === null) this.#tail = previous;
    else next.previous = previous;
    member.previous = null;
    member.next = null;
  }

  /** Takes out all that have been quiet for too long, and tells each of them. */
  expire(nowMs: number): void {
    while (this.#head !== null && this.dueMs <= nowMs) {
      const member = this.#head;
      this.remove(member);
      member.quiet();
    }
  }
}
