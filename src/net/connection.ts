/**
 * Connection: one stream of bytes in each direction, with its queue, its marks
 * and its end. Servers and clients are made of these.
 *
 *   OPEN ──> CLOSING ──> LINGERING ──> CLOSED
 *     └──────────┴─────────────────────^
 *
 * CLOSING: nothing is read or taken to be sent any more; what is queued is
 * being written. LINGERING: all is written, and the peer is to end its half.
 * CLOSED: the descriptor is gone, and `onDisconnect` due or done.
 */
import { typeErrorWith } from '../errors.js';
import { Interest } from '../poll/interest.js';
import { READ_BUDGET_BYTES } from '../limits.js';
import type { ActivityList, Member } from './activity-list.js';
import type { NetStream } from './endpoint.js';
import type { Group } from './group.js';
import type { DisconnectReason, NetAddress } from './handlers.js';
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
  #state: State = State.OPEN;
  /** Where it is found when it has been quiet for too long; null: nowhere. */
  #list: ActivityList | null = null;
  #linger: Linger | null = null;
  /** What the stream is registered for; NONE: it is not. */
  #interest: Interest = Interest.NONE;
  #isHeld = false;
  /** Whether the peer has gone while nothing is read. */
  #isHungUp = false;
  /** Whether `onData` is being called with one of several pieces, and not the last. */
  #hasMore = false;
  /** What was read, and not handed out because reading was paused. */
  #unread: Uint8Array | null = null;
  #bytesRead = 0;
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
  }

  // --- What users see ----------------------------------------------------

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
    return this.#bytesRead;
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
    return this.#isHeld || this.#outbox.isOverfull;
  }

  // --- Sending -----------------------------------------------------------

  /** @internal */
  send(data: Uint8Array): boolean {
    return this.isOpen && this.#outbox.send(data, this.#hasMore);
  }

  /** @internal As {@link send}, one of many; see {@link Outbox.sendShared}. */
  sendShared(data: Uint8Array, shared: () => Uint8Array): boolean {
    return this.isOpen && this.#outbox.sendShared(data, shared);
  }

  /** The kernel has room again. */
  #flush(): void {
    const isDrained = this.#outbox.flush();
    if (this.#state === State.CLOSING && this.queuedBytes === 0) this.#finish();
    this.listen();
    if (isDrained && this.isOpen) this.#group.owner.drained(this);
  }

  // --- Receiving ---------------------------------------------------------

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
    if (this.#isReading) {
      const isReady = (bits & READ_BITS) !== 0 || this.#unread !== null;
      if (isReady) this.#read((bits & Interest.HUP) !== 0);
    } else if (this.#linger !== null) {
      this.#discard(this.#linger);
    } else if ((bits & TROUBLE) !== 0 && this.#state !== State.CLOSED) {
      this.#hungUp((bits & Interest.ERROR) !== 0);
    }
  }

  get #isReading(): boolean {
    return this.#state === State.OPEN && !this.#isHeld && !this.#outbox.isOverfull;
  }

  /** Reads until there is nothing left, or others are to have their turn: LEVEL tells again. */
  #read(isHungUp: boolean): void {
    const { buffer } = this.#group;
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null) this.#handOut(unread, unread.length);
    let leftBytes = READ_BUDGET_BYTES;
    while (leftBytes > 0 && this.#isReading) {
      const size = this.#receive(buffer.bytes);
      if (size < 0) return;
      if (size === 0) {
        this.close('ended');
        return;
      }
      leftBytes -= size;
      this.touch();
      if (size > buffer.pieceBytes) this.#handOut(buffer.bytes, size);
      else this.#received(buffer.view(size));
      // Less than there was room for was all there is, unless the end comes after it.
      if (size < buffer.sizeBytes && !isHungUp) return;
    }
  }

  #received(data: Uint8Array): void {
    this.#bytesRead += data.length;
    this.#group.owner.received(this, data);
  }

  /** In pieces; keeps the rest when one of the callbacks pauses reading. */
  #handOut(bytes: Uint8Array, sizeBytes: number): void {
    const { pieceBytes } = this.#group.buffer;
    for (let start = 0; start < sizeBytes; start += pieceBytes) {
      if (!this.#isReading) {
        // A copy: the memory is for all, and the next is read into it.
        if (this.isOpen) this.#unread = new Uint8Array(bytes.subarray(start, sizeBytes));
        break;
      }
      const piece = bytes.subarray(start, Math.min(start + pieceBytes, sizeBytes));
      this.#hasMore = start + pieceBytes < sizeBytes;
      this.#received(piece);
      if (this.#hasMore && bytes.length === 0) this.end('error', givenAway());
    }
    this.#hasMore = false;
  }

  /** As `read()`; -1 for nothing yet, and for what has ended the connection. */
  #receive(buffer: Uint8Array): number {
    try {
      return this.#stream.read(buffer) ?? -1;
    } catch (error) {
      this.end('error', error as Error);
      return -1;
    }
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

  #readOn(): void {
    if (this.#unread !== null && this.#isReading) this.#read(false);
  }

  /** @internal False if there is nothing to be read any more. */
  pause(): boolean {
    this.#isHeld = true;
    this.listen();
    return this.isOpen;
  }

  /** @internal */
  resume(): boolean {
    this.#isHeld = false;
    this.listen();
    // Of what was read already the kernel does not tell again.
    if (this.#unread !== null) this.#group.notify({ perform: () => this.#readOn() });
    return this.isOpen;
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
    this.#unread = null;
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
    const isListening = this.#isReading || this.#linger !== null;
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

function givenAway(): TypeError {
  return typeErrorWith(
    'ERR_INVALID_ARG_VALUE',
    'onData has given the memory of data away, and what came after it is lost; send a copy',
  );
}

function addressOf(ask: () => NetAddress): NetAddress | null {
  try {
    return ask();
  } catch {
    return null;
  }
}
