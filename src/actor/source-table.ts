/**
 * The sources that the actors of a shard have registered with its loop. To the
 * loop a source's token is its number here; the actor's own token, which other
 * actors may use as well, stands in the entry.
 */
import type { Source } from '../poll/source.js';
import type { Token } from '../poll/token.js';

/** Entries below which looking for stale ones is not worth it. */
const SWEEP_MIN = 64;

/** Who registered a source. */
export interface SourceOwner {
  disown(entry: SourceEntry): void;
}

export interface SourceEntry {
  readonly owner: SourceOwner;
  readonly source: Source;
  readonly key: number;
  /** The actor's. */
  token: Token;
}

export class SourceTable {
  readonly #entries: (SourceEntry | null)[] = [];
  readonly #freeKeys: number[] = [];
  #sweepAt = SWEEP_MIN;

  /** `register` gets the key as the token for the loop; if it throws, nothing is added. */
  add(
    wanted: { owner: SourceOwner; source: Source; token: Token },
    register: (key: number) => void,
  ): SourceEntry {
    if (this.#entries.length - this.#freeKeys.length >= this.#sweepAt) this.#sweep();
    const key = this.#freeKeys.at(-1) ?? this.#entries.length;
    register(key);
    const entry = { ...wanted, key };
    if (key === this.#entries.length) this.#entries.push(entry);
    else this.#entries[this.#freeKeys.pop() as number] = entry;
    return entry;
  }

  find(key: number): SourceEntry | null {
    return this.#entries[key] ?? null;
  }

  /** The entry of a registered source; null if it was registered elsewhere, or not at all. */
  of(source: Source): SourceEntry | null {
    const key = source?.registration?.token;
    const entry = key === undefined ? null : this.find(key);
    return entry !== null && entry.source === source ? entry : null;
  }

  remove(entry: SourceEntry): void {
    this.#entries[entry.key] = null;
    this.#freeKeys.push(entry.key);
  }

  /**
   * Sources that are closed leave the loop by themselves, and tell nobody. So
   * their entries are looked for whenever the table has doubled: constant time
   * for each registration on average.
   */
  #sweep(): void {
    for (const entry of this.#entries) {
      if (entry === null || this.of(entry.source) === entry) continue;
      entry.owner.disown(entry);
      this.remove(entry);
    }
    const left = this.#entries.length - this.#freeKeys.length;
    this.#sweepAt = Math.max(SWEEP_MIN, left * 2);
  }
}
