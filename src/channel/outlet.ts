/**
 * The sending end of a loop's channel on another thread: one for all senders
 * of this thread to that loop, so that what they send stays in order.
 */
import { RECEIVER_CHECK_MS, REFUSED_PER_CHECK, SEGMENT_BYTES } from '../limits.js';
import type { Entrusts, MessageTarget, SenderHandle } from '../loop/crossing.js';
import { channelClosed, NOT_TAKEN, publishRefusal } from '../loop/refusal.js';
import { Waiters } from '../loop/waiters.js';
import type { ThreadSupport } from '../poll/driver.js';
import { nativeDriver } from '../poll/native-driver.js';
import type { SourceHandle } from '../poll/source-handle.js';
import { BroadcastPoster } from './broadcast.js';
import { closeControl, givePlacesBack, isClosed, loadPair, mustWake, Word } from './control.js';
import type { LaneOpening } from './inlet.js';
import { ASLEEP, COUNT_MASK, LANE_HEADER_BYTES, LaneWord, RETIRED } from './lane-header.js';
import { Published, RingWriter } from './ring-writer.js';
import { Segment } from './segment.js';
import type { SidePoster } from './side-channel.js';
import { PortPoster, portTo } from './thread-ports.js';
import { forgetMoved, movedWith } from './transfer.js';
import { waitAsync } from './wait-async.js';

/** In place of a thread. */
const NOBODY = 0;

interface OutgoingLane {
  readonly header: Int32Array<SharedArrayBuffer>;
  readonly writer: RingWriter;
  readonly side: SidePoster;
}

export class Outlet<M> implements MessageTarget<M> {
  readonly #handle: SenderHandle;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #capacity: number;
  readonly #thread: number;
  readonly #wakeKey: number;
  readonly #threads: ThreadSupport;
  readonly #entrusts: Entrusts<M>['entrusts'] | null;
  #lane: OutgoingLane | null = null;
  readonly #waiting = new Waiters<M>();
  /** Runs while somebody waits for room; keeps the thread alive. */
  #keepAlive: NodeJS.Timeout | null = null;
  #isWatching = false;
  #refusedInARow = 0;

  /** `entrusts`: see {@link Crossing.connect}. */
  constructor(
    handle: SenderHandle,
    threads: ThreadSupport,
    entrusts: Entrusts<M>['entrusts'] | null = null,
  ) {
    this.#handle = handle;
    this.#entrusts = entrusts;
    this.#words = new Int32Array(handle.control);
    this.#capacity = this.#words[Word.CAPACITY];
    this.#thread = loadPair(this.#words, Word.THREAD);
    this.#wakeKey = loadPair(this.#words, Word.WAKE_KEY);
    this.#threads = threads;
  }

  /** Also once the thread of the loop has ended, which may have had no time to close it. */
  get closed(): boolean {
    return isClosed(this.#words) || this.#closeIfOrphaned();
  }

  /**
   * False if full or closed; the message was not taken then.
   *
   * @throws DataCloneError, and what a getter of the message throws
   */
  offer(message: M): boolean {
    // Those who wait came first.
    if (this.#waiting.size > 0 || !this.#send(message)) return this.#refuse(message);
    this.#refusedInARow = 0;
    return true;
  }

  /** Resolves when the message was taken; those who wait are served in turn. */
  async offerAsync(message: M, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.closed) throw channelClosed(NOT_TAKEN);
    if (this.#waiting.size === 0 && this.#send(message)) return;
    const admission = this.#waiting.wait(message, signal, () => this.#letThreadEnd());
    this.#keepAlive ??= setInterval(() => this.#checkReceiver(), RECEIVER_CHECK_MS);
    if (!this.#isWatching) void this.#watchRoom();
    await admission;
  }

  wake(): void {
    if (!isClosed(this.#words)) this.#threads.wake(this.#wakeKey);
  }

  transfer(): SenderHandle {
    return this.#handle;
  }

  /** Gives up what the lane holds on this thread, once the loop is closed. */
  close(): void {
    this.#lane?.side.close();
    this.#lane = null;
  }

  /** False if there is no room, or the loop is closed. */
  #send(message: M): boolean {
    const words = this.#words;
    const capacity = this.#capacity;
    // A guess for the exchange: the engine calls a function for each atomic
    // operation, which takes longer than the rest of this one.
    let waiting = words[Word.WAITING];
    if (waiting >= capacity) {
      waiting = Atomics.load(words, Word.WAITING);
      if (waiting >= capacity) return false;
    }
    const { header, writer } = (this.#lane ??= this.#openLane());
    for (;;) {
      const seen = Atomics.compareExchange(words, Word.WAITING, waiting, waiting + 1);
      if (seen === waiting) break;
      if (seen >= capacity) return false;
      waiting = seen;
    }
    // No call stands between the exchange and this note, and so no moment at
    // which the thread can be terminated: the reader knows of every place.
    header[LaneWord.TAKEN] = (writer.count + 1) & COUNT_MASK;
    const moved = movedWith(message);
    try {
      writer.write(message, moved);
    } catch (error) {
      this.#givePlaceBack(header, writer);
      throw error;
    }
    const published =
      writer.flights.length === 0 ? writer.publish() : this.#publish(message, writer);
    if (published !== Published.DONE) {
      if (published === Published.NEVER_SEEN) return this.#sendAgain(message);
      this.#wakeIfAsleep();
    }
    if (moved !== undefined) forgetMoved(message);
    return true;
  }

  /**
   * A message with sources in flight: who is to close them, should nobody take
   * them, is settled in the very step that shows it to the reader.
   */
  #publish(message: M, writer: RingWriter): Published {
    const entrusts = this.#entrusts;
    if (entrusts !== null && !entrusts(message)) return writer.publish();
    const trustee = entrusts === null ? NOBODY : this.#thread;
    const names = Float64Array.from(
      writer.flights.filter(isNative).flatMap(({ fd, generation }) => [fd, generation]),
    );
    return writer.publish((header, count) =>
      this.#threads.publishMessage(header, LaneWord.PUBLISHED, count, RETIRED, names, trustee),
    );
  }

  #givePlaceBack(header: Int32Array, writer: RingWriter): void {
    header[LaneWord.TAKEN] = writer.count;
    givePlacesBack(this.#words, 1);
    // On the loop's own thread, too, somebody may wait for the place.
    this.#wakeIfAsleep();
  }

  #wakeIfAsleep(): void {
    if (mustWake(this.#words)) this.#threads.wake(this.#wakeKey);
  }

  /** The reader has left the lane: the loop was closed, or could not read it any more. */
  #sendAgain(message: M): boolean {
    givePlacesBack(this.#words, 1);
    this.close();
    return !this.closed && this.#send(message);
  }

  #openLane(): OutgoingLane {
    const words = this.#words;
    const number = Atomics.add(words, Word.LANES, 1);
    const header = new Int32Array(new SharedArrayBuffer(LANE_HEADER_BYTES));
    header[LaneWord.PUBLISHED] = ASLEEP;
    const segment = Segment.allocate(SEGMENT_BYTES);
    const { loop } = this.#handle;
    const port = portTo(this.#thread);
    const side =
      port === undefined
        ? new BroadcastPoster(loop, number, header)
        : new PortPoster(port, loop, number);
    const { thisThread } = this.#threads;
    const opening = [header.buffer, segment.buffer, thisThread] as const;
    side.post(opening satisfies LaneOpening, undefined);
    // Pairs with the load in Inlet.intake(): the post is there.
    Atomics.add(words, Word.ANNOUNCED, 1);
    return { header, side, writer: new RingWriter({ header, segment, side }) };
  }

  #refuse(message: M): false {
    // Not `this.closed`: who is refused tries again and again, and that asks the system.
    const closed = isClosed(this.#words);
    Atomics.add(this.#words, Word.REFUSED, 1);
    publishRefusal({ reason: closed ? 'closed' : 'full', capacity: this.#capacity, message });
    if (!closed && this.#refusedInARow % REFUSED_PER_CHECK === 0) this.#checkReceiver();
    this.#refusedInARow += 1;
    return false;
  }

  /** A channel that stays full has a reason. */
  #checkReceiver(): void {
    if (this.#closeIfOrphaned()) return;
    // If it sleeps, the channel is full of places that dead threads took.
    this.#wakeIfAsleep();
  }

  #closeIfOrphaned(): boolean {
    if (this.#threads.isAlive(this.#thread)) return false;
    closeControl(this.#words);
    return true;
  }

  /** Serves those who wait, as long as there are any. */
  async #watchRoom(): Promise<void> {
    const words = this.#words;
    this.#isWatching = true;
    while (this.#waiting.size > 0) {
      const room = Atomics.load(words, Word.ROOM);
      // Pairs with the load in givePlacesBack().
      Atomics.store(words, Word.WAITERS, 1);
      this.#admitWaiting();
      if (this.closed) this.#waiting.rejectAll(() => channelClosed(NOT_TAKEN));
      if (this.#waiting.size === 0) break;
      await waitAsync(words, Word.ROOM, room);
    }
    this.#isWatching = false;
    this.#letThreadEnd();
  }

  #admitWaiting(): void {
    while (this.#waiting.size > 0) {
      try {
        if (!this.#send(this.#waiting.next)) return;
        this.#waiting.admit();
      } catch (error) {
        this.#waiting.reject(error);
      }
    }
  }

  #letThreadEnd(): void {
    if (this.#waiting.size > 0 || this.#keepAlive === null) return;
    clearInterval(this.#keepAlive);
    this.#keepAlive = null;
  }
}

/** Threads have no part in the flights of other drivers. */
function isNative({ driver }: SourceHandle): boolean {
  return driver === nativeDriver.name;
}
