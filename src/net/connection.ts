/**
 * Connection: one stream of bytes in each direction, of which an inbox and an
 * outbox take care, and its end. Servers and clients are made of these.
 *
 *   OPEN ──> CLOSING ──> LINGERING ──> CLOSED
 *     └──────────┴─────────────────────^
 *
 * CLOSING: nothing is read or taken to be sent any more; what is queued is
 * being written. LINGERING: all is written, and the peer is to end its half.
 * CLOSED: the descriptor is gone, and `onDisconnect` due or done.
 */
import type { Gate } from '../channel/gate.js';
import { Interest } from '../poll/interest.js';
import type { ActivityList, Member } from './activity-list.js';
import type { NetStream } from './endpoint.js';
import type { Group } from './group.js';
import type { DisconnectReason, NetAddress } from './handlers.js';
import { Inbox } from './inbox.js';
import { Linger } from './linger.js';
import { Outbox } from './outbox.js';
import type { WriteQueue } from './write-queue.js';

const State = { OPEN: 0, CLOSING: 1, LINGERING: 2, CLOSED: 3 } as const;
type State = (typeof State)[keyof typeof State];

const TROUBLE = Interest.ERROR | Interest.HUP;
const READ_BITS = Interest.READABLE | TROUBLE;
const WRITE_BITS = Interest.WRITABLE | TROUBLE;

/** A connection of a server, as `context.connection(id)` shows it. */
export class Connection {
  /** From 1, never used again by the same server. */
  readonly id: number;
  /** For the handler's own use. */
  data: unknown = undefined;

  readonly #group: Group;
  readonly #stream: NetStream;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  #state: State = State.OPEN;
  /** Where it is found when it has been quiet for too long; null: nowhere. */
  #list: ActivityList | null = null;
  #linger: Linger | null = null;
  /** What the stream is registered for; NONE: it is not. */
  #interest: Interest = Interest.NONE;
  /** Whether the peer has gone while nothing is read. */
  #isHungUp = false;
  #localAddress: NetAddress | null = null;
  #remoteAddress: NetAddress | null = null;

  /** @internal */ reason: DisconnectReason = 'closed';
  /** @internal */ error: Error | null = null;
  /** @internal */ previous: Member | null = null;
  /** @internal */ next: Member | null = null;
  /** @internal */ activeAtMs = 0;

  /** @internal `queue` holds what is to be sent before anything else. */
  constructor(group: Group, stream: NetStream, id: number, queue: WriteQueue | null = null) {
    this.#group = group;
    this.#stream = stream;
    this.id = id;
    this.#outbox = new Outbox(this, { group, stream, queue });
    this.#inbox = new Inbox(this, { group, stream, outbox: this.#outbox });
  }

  // --- What users see ----------------------------------------------------

  /** False from the moment that its end begins. */
  get isOpen(): boolean {
    return this.#state === State.OPEN;
  }

  /** Null when the connection has ended before anybody asked. */
  get localAddress(): NetAddress | null {
    this.#localAddress ??= addressOf(() => this.#stream.localAddress);
    return this.#localAddress;
  }

  /** Null when the connection has ended before anybody asked. */
  get remoteAddress(): NetAddress | null {
    this.#remoteAddress ??= addressOf(() => this.#stream.peerAddress);
    return this.#remoteAddress;
  }

  /** Handed to `onData`. */
  get bytesRead(): number {
    return this.#inbox.bytesRead;
  }

  /** Taken by the kernel. */
  get bytesWritten(): number {
    return this.#outbox.bytesWritten;
  }

  /** Taken to be sent, and not yet by the kernel. */
  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  /** Whether it is not read, be it for `pauseReads()` or for `autoPause`. */
  get isPaused(): boolean {
    return this.#inbox.isPaused;
  }

  // --- Sending and receiving ---------------------------------------------

  /** @internal */
  send(data: Uint8Array): boolean {
    return this.isOpen && this.#outbox.send(data, this.#inbox.hasMore);
  }

  /** @internal As {@link send}, one of many; see {@link Outbox.sendShared}. */
  sendShared(data: Uint8Array, shared: () => Uint8Array): boolean {
    return this.isOpen && this.#outbox.sendShared(data, shared);
  }

  /** @internal For senders on other threads. */
  get gate(): Gate {
    return this.#outbox.gate;
  }

  /** @internal What one of them has sent. */
  mailed(data: Uint8Array): void {
    this.#outbox.mailed(data, this.isOpen);
  }

  /** @internal False if there is nothing to be read any more. */
  pause(): boolean {
    this.#inbox.pause();
    this.listen();
    return this.isOpen;
  }

  /** @internal */
  resume(): boolean {
    this.#inbox.resume();
    this.listen();
    return this.isOpen;
  }

  // --- Events ------------------------------------------------------------

  /** @internal */
  ready(bits: Interest): void {
    this.#group.dispatch(this, bits);
  }

  /** @internal An event of the stream; without bits, the notice of the end. */
  perform(bits: Interest): void {
    if (bits === 0) {
      this.#group.owner.disconnected(this);
      return;
    }
    // Writing first: it makes room, and may let reading go on.
    if ((bits & WRITE_BITS) !== 0 && this.queuedBytes > 0) this.#flush();
    const inbox = this.#inbox;
    if (inbox.isReading) {
      const isReady = (bits & READ_BITS) !== 0 || inbox.hasUnread;
      if (isReady) inbox.read((bits & Interest.HUP) !== 0);
    } else if (this.#linger !== null) {
      this.#discard(this.#linger);
    } else if ((bits & TROUBLE) !== 0 && this.#state !== State.CLOSED) {
      this.#hungUp((bits & Interest.ERROR) !== 0);
    }
  }

  /** The kernel has room again. */
  #flush(): void {
    const isDrained = this.#outbox.flush();
    if (this.#state === State.CLOSING && this.queuedBytes === 0) this.#finish();
    this.listen();
    if (isDrained && this.isOpen) this.#group.owner.drained(this);
  }

  /** While nothing is read: a failure ends it; what the peer has left can be read later. */
  #hungUp(isError: boolean): void {
    const error = isError ? this.#stream.takeError() : null;
    if (error !== null) {
      this.end('error', error);
      return;
    }
    this.#isHungUp = true;
    this.listen();
  }

  // --- Beginning and end -------------------------------------------------

  /** @internal Takes part in the events of the loop. */
  open(): void {
    this.#join(this.#group.idle);
    this.listen();
    this.#outbox.open();
  }

  /** @internal Sends what is queued, lets the peer end, and ends. False if it is ending already. */
  close(reason: DisconnectReason): boolean {
    if (this.#state !== State.OPEN) return false;
    this.#outbox.writeDeferred();
    // The write may have failed, and that has ended it.
    if (!this.isOpen) return true;
    this.#state = State.CLOSING;
    this.#outbox.endMail();
    this.reason = reason;
    if (this.queuedBytes === 0) {
      this.#finish();
    } else {
      this.#join(this.#group.closing);
      this.listen();
    }
    return true;
  }

  /** All is written. */
  #finish(): void {
    const nowMs = this.#group.now();
    const linger = new Linger(this.#stream, nowMs);
    if (this.reason === 'ended' || linger.begin(nowMs)) {
      this.end(this.reason);
      return;
    }
    this.#state = State.LINGERING;
    this.#linger = linger;
    this.#join(this.#group.lingering);
    this.listen();
  }

  #discard(linger: Linger): void {
    if (linger.isOver(this.#group.now())) this.end(this.reason);
    else this.touch();
  }

  /** @internal Ends at once. */
  end(reason: DisconnectReason, error: Error | null = null): void {
    if (error === null) this.#outbox.writeDeferred();
    if (this.#state === State.CLOSED) return;
    this.#state = State.CLOSED;
    this.reason = reason;
    this.error = error;
    this.#outbox.close();
    this.#inbox.close();
    this.#linger = null;
    this.#join(null);
    this.#stream.close();
    this.#group.owner.closed(this);
    this.#group.notify(this);
  }

  /** @internal Quiet for too long: be it open, or closing and the peer does not do its part. */
  quiet(): void {
    // It was taken out already.
    this.#list = null;
    this.end(this.isOpen ? 'idle' : this.reason);
  }

  /** @internal Something has happened. */
  touch(): void {
    if (this.#list !== null) this.#list.touch(this, this.#group.now());
  }

  /** Leaves the list that it is in for another, or for none. */
  #join(list: ActivityList | null): void {
    this.#list?.remove(this);
    this.#list = list;
    if (list === null) return;
    list.add(this, this.#group.now());
    this.#group.setAlarm(list.dueMs);
  }

  /** @internal Registers for what is of interest now; costs nothing when that has not changed. */
  listen(): void {
    if (this.#state === State.CLOSED) return;
    const isListening = this.#inbox.isReading || this.#linger !== null;
    const reading = isListening ? Interest.READABLE : Interest.NONE;
    const writing = this.#outbox.isWaiting ? Interest.WRITABLE : Interest.NONE;
    const otherwise = this.#isHungUp ? Interest.NONE : Interest.ERROR;
    const wanted = reading | writing || otherwise;
    const current = this.#interest;
    if (wanted === current) return;
    this.#interest = wanted;
    try {
      if (wanted === Interest.NONE) this.#stream.registration?.registry.deregister(this.#stream);
      else if (current !== Interest.NONE) this.#group.host.reregister(this.#stream, wanted);
      else this.#group.host.register(this.#stream, wanted, this);
    } catch (error) {
      this.end('error', error as Error);
    }
  }
}

function addressOf(ask: () => NetAddress): NetAddress | null {
  try {
    return ask();
  } catch {
    return null;
  }
}
