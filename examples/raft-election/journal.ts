/**
 * The journal: what the nodes report, in the order in which it happened.
 *
 * What one thread sends arrives in order; of two threads, either may be first.
 * So an event draws a number as it happens, from a counter in memory that all
 * threads share, and the reader puts off what has come too early. An effect,
 * such as the arrival of a heartbeat, then always follows its cause: the times
 * of a loop could not promise that, since they stand still during a tick.
 */
import type { Sender } from 'millrace';
import type { NodeEvent } from './contract.js';

export interface JournalEntry {
  number: number;
  /** When the node had done it; `event.atMs` is when its loop last looked at the clock. */
  writtenMs: number;
  event: NodeEvent;
}

/** What a writer needs; as part of a message it reaches any thread. */
export interface Journal {
  counter: Int32Array<SharedArrayBuffer>;
  reader: Sender<JournalEntry>;
}

export function openJournal(reader: Sender<JournalEntry>): Journal {
  return { counter: new Int32Array(new SharedArrayBuffer(4)), reader };
}

export class JournalWriter {
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  write(event: NodeEvent): void {
    const { counter, reader } = this.#journal;
    const number = Atomics.add(counter, 0, 1);
    const entry = { number, writtenMs: nowMs(), event };
    // Waits where the reader has no room, for a missing number would hold up all later ones.
    // It fails when the reader has stopped: then nobody wants to know any more.
    reader.sendAsync(entry).catch(() => {});
  }
}

export class JournalReader {
  readonly #early = new Map<number, JournalEntry>();
  #next = 0;

  /** Takes an entry in; returns those whose turn has come, often one, maybe none. */
  take(entry: JournalEntry): JournalEntry[] {
    this.#early.set(entry.number, entry);
    const entries: JournalEntry[] = [];
    for (;;) {
      const next = this.#early.get(this.#next);
      if (next === undefined) return entries;
      this.#early.delete(this.#next);
      this.#next += 1;
      entries.push(next);
    }
  }
}

/** On the clock of `loop.now()`, read now. That of `performance` begins anew in each thread. */
function nowMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
