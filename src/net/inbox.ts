/**
 * Inbox: the receiving half of a connection.
 *
 *   READABLE ──> memory of the group ──┬──> onData, in pieces
 *                                      └──> kept, when one of the callbacks has paused it
 */
import { typeErrorWith } from '../errors.js';
import { READ_BUDGET_BYTES } from '../limits.js';
import type { Connection } from './connection.js';
import { Count } from './counts.js';
import type { NetStream } from './endpoint.js';
import type { Group } from './group.js';
import type { Outbox } from './outbox.js';

export class Inbox {
  readonly #connection: Connection;
  readonly #group: Group;
  readonly #stream: NetStream;
  readonly #outbox: Outbox;
  #isHeld = false;
  /** What was read, and not handed out because reading was paused. */
  #unread: Uint8Array | null = null;
  /** Whether `onData` is being called with one of several pieces, and not the last. */
  hasMore = false;
  bytesRead = 0;

  constructor(connection: Connection, parts: { group: Group; stream: NetStream; outbox: Outbox }) {
    this.#connection = connection;
    this.#group = parts.group;
    this.#stream = parts.stream;
    this.#outbox = parts.outbox;
  }

  /** Be it by hand, or since the peer does not take what is sent to it. */
  get isPaused(): boolean {
    return this.#isHeld || this.#outbox.isOverfull;
  }

  get isReading(): boolean {
    return this.#connection.isOpen && !this.#isHeld && !this.#outbox.isOverfull;
  }

  /** Whether there is something to be handed out of which the kernel does not tell. */
  get hasUnread(): boolean {
    return this.#unread !== null;
  }

  /** Reads until there is nothing left, or others are to have their turn: LEVEL tells again. */
  read(isHungUp: boolean): void {
    const { buffer } = this.#group;
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null) this.#handOut(unread, unread.length);
    let leftBytes = READ_BUDGET_BYTES;
    while (leftBytes > 0 && this.isReading) {
      const size = this.#receive(buffer.bytes);
      if (size < 0) return;
      if (size === 0) {
        this.#connection.close('ended');
        return;
      }
      leftBytes -= size;
      this.#connection.touch();
      if (size > buffer.pieceBytes) this.#handOut(buffer.bytes, size);
      else this.#received(buffer.view(size));
      // Less than there was room for was all there is, unless the end comes after it.
      if (size < buffer.sizeBytes && !isHungUp) return;
    }
  }

  pause(): void {
    this.#isHeld = true;
  }

  resume(): void {
    this.#isHeld = false;
    // Of what was read already the kernel does not tell again.
    if (this.hasUnread) this.#group.notify({ perform: () => this.#readOn() });
  }

  /** Nothing is handed out any more. */
  close(): void {
    this.#unread = null;
  }

  #readOn(): void {
    if (this.hasUnread && this.isReading) this.read(false);
  }

  #received(data: Uint8Array): void {
    const { length } = data;
    this.bytesRead += length;
    this.#group.counts[Count.BYTES_READ] += length;
    this.#group.owner.received(this.#connection, data);
  }

  /** In pieces; keeps the rest when one of the callbacks pauses reading. */
  #handOut(bytes: Uint8Array, sizeBytes: number): void {
    const { pieceBytes } = this.#group.buffer;
    for (let start = 0; start < sizeBytes; start += pieceBytes) {
      if (!this.isReading) {
        // A copy: the memory is for all, and the next is read into it.
        const isKept = this.#connection.isOpen;
        if (isKept) this.#unread = new Uint8Array(bytes.subarray(start, sizeBytes));
        break;
      }
      const piece = bytes.subarray(start, Math.min(start + pieceBytes, sizeBytes));
      this.hasMore = start + pieceBytes < sizeBytes;
      this.#received(piece);
      if (this.hasMore && bytes.length === 0) this.#connection.end('error', givenAway());
    }
    this.hasMore = false;
  }

  /** As `read()`; -1 for nothing yet, and for what has ended the connection. */
  #receive(buffer: Uint8Array): number {
    try {
      return this.#stream.read(buffer) ?? -1;
    } catch (error) {
      this.#connection.end('error', error as Error);
      return -1;
    }
  }
}

function givenAway(): TypeError {
  return typeErrorWith(
    'ERR_INVALID_ARG_VALUE',
    'onData has given the memory of data away, and what came after it is lost; send a copy',
  );
}
