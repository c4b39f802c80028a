/**
 * Link: one shard as seen from another thread of its system. It sends, and it
 * keeps what waits for an answer, so that all of it ends when the shard does.
 *
 *   down ──connect()──> calls pass ──up()──> messages pass
 *    ^                                            │
 *    └───────────────── down(error) ──────────────┘
 *
 * Asks and calls end with the shard that they were sent to. A stop or a watch
 * is of an actor, which may live again when the shard does: it is sent again.
 */
import { closeControl } from '../channel/control.js';
import { forgetMoved, movedWith, transfer } from '../channel/transfer.js';
import { crossing, type MessageTarget, type SenderHandle } from '../loop/crossing.js';
import { actorStopped, shardExited, shardIsDown } from './actor-errors.js';
import { type ActorRef, enterSystem } from './actor-ref.js';
import type { Place } from './cell-table.js';
import { clonable } from './clonable.js';
import { Mail, MailKind } from './mail.js';
import type { Peers } from './peers.js';
import { Places } from './places.js';
import { RemoteMailbox } from './remote-mailbox.js';
import type { StopReason } from './stop-reason.js';

/** Where a shard can be reached. */
export interface PeerAddress {
  readonly shard: number;
  /** What its mail is marked with: see `senderOf()`. */
  readonly from: number;
  readonly handle: SenderHandle;
  readonly places: SharedArrayBuffer;
}

/** Who waits for an answer. */
export interface Replied {
  answer(value: unknown): void;
  fail(error: unknown): void;
  /** How far it is. */
  reported?(value: unknown): void;
}

export interface CallOptions<R> {
  /** Called with the result before anything else arrives. */
  answered?: (value: R) => void;
  /** What of the arguments moves. */
  moved?: readonly object[];
}

/** What is sent again to a shard that was started again. */
interface Lasting {
  readonly mail: Mail;
  settle(reason: StopReason): void;
}

/** In place of mail that nobody will read. */
const NO_MAIL = new Mail(MailKind.STOP, 0, 0, 0, 0, null, null);

/** References below which looking for collected ones is not worth it. */
const SWEEP_MIN = 64;

export class Link {
  readonly shard: number;
  readonly peers: Peers;
  #handle: SenderHandle | null = null;
  #outlet: MessageTarget<Mail> | null = null;
  #isUp = false;
  /** The thread that was connected last. */
  #thread = -1;
  /** Why there will be no actor there again. */
  #closeReason: StopReason | null = null;
  #places: Places | null = null;
  /** What the shard has died of; undefined as long as it has not. */
  #error: unknown;
  readonly #replied = new Map<number, Replied>();
  readonly #lasting = new Map<number, Lasting>();
  /** Watches that the shard has set on actors of this thread, by their numbers. */
  readonly #watchers = new Map<number, () => void>();
  /** What was sent to this incarnation of the shard. */
  posted = 0;
  /** The incarnation that was heard last, and what came from it. */
  #heardFrom = -1;
  #heard = 0;
  /** Mailboxes for which somebody waits. */
  readonly waiting = new Set<RemoteMailbox>();
  /** References to actors of the shard, by slot: one object for each as long as it is used. */
  readonly #refs = new Map<number, WeakRef<RemoteMailbox>>();
  #sweepAt = SWEEP_MIN;

  constructor(shard: number, peers: Peers) {
    this.shard = shard;
    this.peers = peers;
  }

  // --- State -------------------------------------------------------------

  get isUp(): boolean {
    return this.#isUp;
  }

  /**
   * Whether messages would arrive. If not although the link is up, the shard
   * has died, and the news of it is on its way to this thread.
   */
  get isReachable(): boolean {
    return this.#isUp && this.#outlet?.closed === false;
  }

  /** Whether that very thread of the shard lives. */
  leadsTo(thread: number): boolean {
    return this.#isUp && this.#thread === thread;
  }

  /** Of the shard that lives, or of the one that lived last. Only to be called after a connect. */
  get places(): Places {
    return this.#places as Places;
  }

  /** What the shard died of last. */
  get error(): unknown {
    return this.#error;
  }

  /** Why nothing can be sent to an actor there. */
  get absence(): 'stopped' | 'shardExit' {
    return this.#closeReason?.kind === 'system' ? 'stopped' : 'shardExit';
  }

  absenceError(ref: ActorRef): Error {
    return this.absence === 'stopped' ? actorStopped(ref) : shardExited(ref, this.#error);
  }

  wake(): void {
    this.#outlet?.wake();
  }

  /** Calls reach the shard from now on. */
  connect({ from, handle, places }: PeerAddress): void {
    // It may be told more than once.
    if (handle.loop === this.#handle?.loop) return;
    this.#thread = from;
    this.#handle = handle;
    this.#outlet = crossing().connect(handle, entrusts);
    this.#places = new Places(places);
    this.posted = 0;
  }

  hear(from: number): void {
    if (from !== this.#heardFrom) {
      this.#heardFrom = from;
      this.#heard = 0;
    }
    this.#heard = (this.#heard + 1) | 0;
  }

  get heard(): number {
    return this.#heard;
  }

  /** Its actors are where they are expected. */
  up(): void {
    if (this.#outlet === null || this.#isUp) return;
    this.#isUp = true;
    for (const { mail } of this.#lasting.values()) this.post(mail);
  }

  /** The shard has died. */
  down(error: unknown): void {
    if (this.#outlet === null) return;
    this.#isUp = false;
    this.#error = error;
    this.#outlet = null;
    // Nobody else is left to close it.
    if (this.#handle !== null) closeControl(new Int32Array(this.#handle.control));
    const replied = [...this.#replied.values()];
    this.#replied.clear();
    for (const each of replied) each.fail(shardIsDown(this.shard, error));
    for (const mailbox of this.waiting) mailbox.giveUp();
    for (const unwatch of this.#watchers.values()) unwatch();
    this.#watchers.clear();
  }

  /** For good: the system stops, or the shard will not be started again. */
  close(reason: StopReason, error: Error): void {
    this.#isUp = false;
    this.#closeReason = reason;
    this.#outlet = null;
    const replied = [...this.#replied.values()];
    this.#replied.clear();
    for (const each of replied) each.fail(error);
    const lasting = [...this.#lasting.values()];
    this.#lasting.clear();
    for (const each of lasting) each.settle(reason);
    for (const mailbox of this.waiting) mailbox.giveUp();
    this.#watchers.clear();
  }

  // --- References --------------------------------------------------------

  /** The reference to an actor there; always the same object. */
  refTo(place: Place, name: string | null): ActorRef {
    const { slot, generation } = place;
    const known = this.#refs.get(slot)?.deref();
    if (known?.generation === generation) return known.ref;
    const mailbox = new RemoteMailbox(this, place, name);
    this.#refs.set(slot, new WeakRef(mailbox));
    if (this.#refs.size >= this.#sweepAt) this.#sweep();
    return mailbox.ref;
  }

  #sweep(): void {
    for (const [slot, ref] of this.#refs) if (ref.deref() === undefined) this.#refs.delete(slot);
    this.#sweepAt = Math.max(SWEEP_MIN, this.#refs.size * 2);
  }

  // --- Sending -----------------------------------------------------------

  /**
   * False if the shard is down.
   *
   * @throws DataCloneError; MillraceError ERR_NOT_TRANSFERABLE
   */
  post(mail: Mail): boolean {
    if (this.#outlet === null) return false;
    const previous = enterSystem(this.peers.system);
    try {
      const wasTaken = this.#outlet.offer(mail);
      // Modulo 2^32, as in the words of the places.
      if (wasTaken) this.posted = (this.posted + 1) | 0;
      return wasTaken;
    } finally {
      enterSystem(previous);
    }
  }

  /** As {@link post}; what moves with the payload moves with the mail. */
  postMessage(mail: Mail): boolean {
    const moved = movedWith(mail.payload);
    if (moved === undefined) return this.post(mail);
    const wasTaken = this.post(transfer(mail, [...moved] as object[]));
    if (wasTaken) forgetMoved(mail.payload);
    return wasTaken;
  }

  /** For what the runtime says: a part that cannot be cloned must not keep it from being said. */
  postAnyway(kind: MailKind, { slot, generation }: Place, id: number, payload: unknown): void {
    const { from } = this.peers;
    for (const each of [() => payload, () => clonable(payload)]) {
      try {
        this.post(new Mail(kind, from, slot, generation, id, null, each()));
        return;
      } catch {
        // Nor may it throw, whatever the payload is.
      }
    }
  }

  /** Comes back when the link is not up any more. */
  async news(): Promise<void> {
    if (!this.#isUp) return;
    await new Promise<void>((resolve) => {
      this.expect({ answer: () => {}, fail: () => resolve() });
    });
  }

  /** Calls a method of the shard. */
  call<R>(
    method: string,
    args: readonly unknown[],
    { answered, moved = [] }: CallOptions<R> = {},
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      const id = this.expect({
        answer: (value) => {
          answered?.(value as R);
          resolve(value as R);
        },
        fail: reject,
      });
      try {
        const mail = new Mail(MailKind.CALL, this.peers.from, 0, 0, id, method, args);
        const wasTaken = this.post(moved.length === 0 ? mail : transfer(mail, moved));
        // One that has died is yet to be heard of: down() tells why.
        if (wasTaken || this.#outlet !== null) return;
        reject(shardIsDown(this.shard, this.#error));
      } catch (error) {
        reject(error);
      }
      this.#replied.delete(id);
    });
  }

  /** As {@link call}, without an answer. */
  note(method: string, args: readonly unknown[]): void {
    this.post(new Mail(MailKind.NOTE, this.peers.from, 0, 0, 0, method, args));
  }

  // --- Answers -----------------------------------------------------------

  /** Returns the number under which the answer comes. */
  expect(replied: Replied): number {
    const id = this.peers.nextId();
    this.#replied.set(id, replied);
    return id;
  }

  forget(id: number): void {
    this.#replied.delete(id);
  }

  answered({ kind, id, payload }: Mail): void {
    const replied = this.#replied.get(id);
    this.#replied.delete(id);
    if (replied === undefined) this.peers.closeFlights(payload);
    else if (kind === MailKind.ANSWER) replied.answer(payload);
    else replied.fail(payload);
  }

  reported({ id, payload }: Mail): void {
    this.#replied.get(id)?.reported?.(payload);
  }

  // --- Stops and watches -------------------------------------------------

  /** Calls `settle` once, when the actor has stopped. Returns the number of the wish. */
  outlast(
    kind: MailKind,
    { slot, generation }: Place,
    payload: unknown,
    settle: (reason: StopReason) => void,
  ): number {
    const id = this.peers.nextId();
    const closeReason = this.#closeReason;
    if (closeReason !== null) {
      // Not before the caller has what takes the wish back.
      this.#lasting.set(id, { mail: NO_MAIL, settle });
      queueMicrotask(() => this.#settle(id, closeReason));
      return id;
    }
    const mail = new Mail(kind, this.peers.from, slot, generation, id, null, payload);
    this.#lasting.set(id, { mail, settle });
    if (this.#isUp) this.post(mail);
    return id;
  }

  takeBack(id: number, { slot, generation }: Place): void {
    if (!this.#lasting.delete(id) || !this.#isUp) return;
    this.postAnyway(MailKind.UNWATCH, { slot, generation }, id, null);
  }

  stopped({ id, payload }: Mail): void {
    this.#settle(id, (payload as StopReason | null) ?? this.#unknownReason());
  }

  #settle(id: number, reason: StopReason): void {
    const lasting = this.#lasting.get(id);
    this.#lasting.delete(id);
    lasting?.settle(reason);
  }

  /** Of an actor that the shard knows nothing of: it has gone with the shard before, if one has. */
  #unknownReason(): StopReason {
    if (this.#error === undefined) return { kind: 'stopped' };
    return { kind: 'shardExit', error: this.#error };
  }

  addWatcher(id: number, unwatch: () => void): void {
    this.#watchers.set(id, unwatch);
  }

  removeWatcher(id: number): void {
    this.#watchers.get(id)?.();
    this.#watchers.delete(id);
  }
}

/**
 * What the runtime tells of a message does not hand it over, and a task stays
 * with its caller until a thread of the pool takes what moves in it.
 */
function entrusts({ kind }: Mail): boolean {
  return kind !== MailKind.NOTE && kind !== MailKind.TASK;
}
