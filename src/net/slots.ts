/** Slots: how many connections there may be, and what they are called. */
export interface Slots {
  /** False: there are as many connections as there may be. */
  take(): boolean;
  /** Its descriptor is closed. */
  give(): void;
  nextId(): number;
}

/** Of a server that has them for itself. */
export class OwnSlots implements Slots {
  readonly #max: number;
  #taken = 0;
  #lastId = 0;

  constructor(max: number) {
    this.#max = max;
  }

  take(): boolean {
    if (this.#taken >= this.#max) return false;
    this.#taken += 1;
    return true;
  }

  give(): void {
    this.#taken -= 1;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }
}
