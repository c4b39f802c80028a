/** The mailbox of an actor of another thread, as a reference uses it. */
import { RECEIVER_CHECK_MS } from '../limits.js';
import { Waiters } from '../loop/waiters.js';
import { actorStopped, mailboxFull, notTransferable } from './actor-errors.js';
import { ActorRef } from './actor-ref.js';
import { RemoteAsk } from './asks.js';
import type { Place } from './cell-table.js';
import type { Link } from './link.js';
import { Mail, MailKind } from './mail.js';
import type { Mailbox, Question } from './mailbox.js';
import { Taken } from './places.js';
import type { RefusalReason } from './reports.js';
import type { StopReason } from './stop-reason.js';

export class RemoteMailbox implements Mailbox, Place {
  readonly #link: Link;
  readonly slot: number;
  readonly generation: number;
  readonly ref: ActorRef;
  #waiters: Waiters<unknown> | null = null;
  #isWatching = false;
  /** Whether a stop was asked for here: its shard is yet to hear of it. */
  #isStopping = false;

  constructor(link: Link, { slot, generation }: Place, name: string | null) {
    this.#link = link;
    this.slot = slot;
    this.generation = generation;
    const { system } = link.peers;
    this.ref = new ActorRef(this, { system, shard: link.shard, serial: generation, name });
  }

  /** An actor whose shard is down may live again. */
  get closed(): boolean {
    const { isReachable, places } = this.#link;
    return this.#isShut || (isReachable && !places.isOpen(this.slot, this.generation));
  }

  offer(message: unknown): boolean {
    const waits = this.#waiters !== null && this.#waiters.size > 0;
    const reason = waits ? this.#overflow : this.#send(message);
    return reason === null || this.#refuse(reason, message);
  }

  async offerAsync(message: unknown, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#waiters ??= new Waiters();
    if (this.#waiters.size === 0) {
      const reason = this.#sendIfRoom(message);
      if (reason === null) return;
      if (reason === 'shardExit') await this.#link.news();
      if (reason !== 'full') throw this.#errorFor(reason);
    }
    const admission = this.#waiters.wait(message, signal, () => this.#stir());
    if (!this.#isWatching) void this.#watchRoom();
    await admission;
  }

  async ask(question: Question): Promise<unknown> {
    const { method, message, signal } = question;
    signal?.throwIfAborted();
    const link = this.#link;
    const reason = this.#takePlace();
    if (reason !== null) this.#refuse(reason, message);
    // If the shard has died and this thread is yet to hear of it, that news,
    // with its cause, ends the ask.
    if (reason !== null && !(reason === 'shardExit' && link.isUp)) throw this.#errorFor(reason);
    const ask = new RemoteAsk(question, link);
    if (reason !== null) return ask.promise;
    try {
      const mail = this.#mail(MailKind.ASK, ask.id, method, message);
      if (link.postMessage(mail)) {
        this.#sent();
      } else {
        this.#returnPlace();
        this.#refuse(link.absence, message);
      }
    } catch (error) {
      this.#giveBack();
      ask.fail(error);
    }
    return ask.promise;
  }

  wake(): void {
    this.#link.wake();
  }

  transfer(): never {
    throw notTransferable(this.ref);
  }

  place(): Place {
    return this;
  }

  stop(reason: StopReason, timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    this.#waiters?.rejectAll(() => actorStopped(this.ref));
    this.#stir();
    return new Promise((resolve) => {
      this.#link.outlast(MailKind.STOP, this, { reason, timeoutMs }, () => resolve());
    });
  }

  watch(stopped: (reason: StopReason) => unknown): () => void {
    const { peers } = this.#link;
    const settle = (reason: StopReason) => peers.inform(stopped, reason);
    const id = this.#link.outlast(MailKind.WATCH, this, null, settle);
    return () => this.#link.takeBack(id, this);
  }

  /** The shard is down: those who wait for room learn it. */
  giveUp(): void {
    this.#waiters?.rejectAll(() => this.#link.absenceError(this.ref));
    this.#stir();
  }

  // --- Inside ------------------------------------------------------------

  /** Null: it was taken. */
  #send(message: unknown): RefusalReason | null {
    const taken = this.#takePlace();
    if (taken !== null) return taken;
    try {
      const mail = this.#mail(MailKind.MESSAGE, 0, null, message);
      if (this.#link.postMessage(mail)) return this.#sent();
    } catch (error) {
      this.#giveBack();
      throw error;
    }
    this.#returnPlace();
    return this.#link.absence;
  }

  /** As {@link #send}; here a mailbox that drops messages when it is full is merely full. */
  #sendIfRoom(message: unknown): RefusalReason | null {
    const { isUp, places } = this.#link;
    const isFull = isUp && places.drops(this.slot) && !places.hasRoom(this.slot);
    if (isFull && places.isOpen(this.slot, this.generation)) return 'full';
    const reason = this.#send(message);
    return reason === 'dropNewest' ? 'full' : reason;
  }

  /** Nothing is sent after a stop, of this actor or of all, as on its own thread. */
  get #isShut(): boolean {
    return this.#isStopping || this.#link.peers.isClosing;
  }

  #sent(): null {
    this.#link.places.sent(this.#link.peers.shard);
    return null;
  }

  #returnPlace(): void {
    this.#sent();
    this.#link.places.release(this.slot);
  }

  #mail(kind: MailKind, id: number, method: string | null, payload: unknown): Mail {
    const { from } = this.#link.peers;
    return new Mail(kind, from, this.slot, this.generation, id, method, payload);
  }

  #takePlace(): RefusalReason | null {
    const { isUp, places, absence } = this.#link;
    if (this.#isShut) return 'stopped';
    if (!isUp) return absence;
    const { peers, posted } = this.#link;
    const taken = places.take(this.slot, this.generation, peers.shard, posted);
    if (taken === Taken.DONE) return null;
    if (taken === Taken.GONE) return this.#link.isReachable ? 'stopped' : absence;
    return this.#overflow;
  }

  /** What becomes of one too many. */
  get #overflow(): RefusalReason {
    return this.#link.places.drops(this.slot) ? 'dropNewest' : 'full';
  }

  /** The message could not be sent; somebody in the shard may wait for its place. */
  #giveBack(): void {
    this.#returnPlace();
    this.#link.postAnyway(MailKind.ROOM, this, 0, null);
  }

  #refuse(reason: RefusalReason, message: unknown): boolean {
    const { peers } = this.#link;
    if (reason !== 'dropNewest') {
      peers.refuse(this.ref, reason, message);
      return false;
    }
    peers.lose(this.ref, reason, message);
    return true;
  }

  #errorFor(reason: RefusalReason): Error {
    if (reason === 'stopped') return actorStopped(this.ref);
    if (reason === 'shardExit') return this.#link.absenceError(this.ref);
    return mailboxFull(this.ref, this.#link.places.capacity(this.slot));
  }

  /** Serves those who wait, as long as there are any. */
  async #watchRoom(): Promise<void> {
    const link = this.#link;
    const waiters = this.#waiters as Waiters<unknown>;
    // A wait for shared memory alone does not keep the thread alive.
    const keepAlive = setInterval(() => {}, RECEIVER_CHECK_MS);
    this.#isWatching = true;
    link.waiting.add(this);
    while (waiters.size > 0 && link.isUp) {
      const { places } = link;
      places.expectRoom(this.slot);
      this.#admit(waiters);
      if (waiters.size > 0) await places.room(this.slot);
    }
    waiters.rejectAll(() => link.absenceError(this.ref));
    link.waiting.delete(this);
    this.#isWatching = false;
    clearInterval(keepAlive);
  }

  #admit(waiters: Waiters<unknown>): void {
    while (waiters.size > 0) {
      try {
        const reason = this.#sendIfRoom(waiters.next);
        if (reason === 'full') return;
        if (reason === null) waiters.admit();
        else waiters.reject(this.#errorFor(reason));
      } catch (error) {
        waiters.reject(error);
      }
    }
  }

  #stir(): void {
    this.#link.places.stir(this.slot);
  }
}
