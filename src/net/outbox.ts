/**
 * Outbox: the sending half of a connection, with its queue and its marks.
 *
 *   send() ──> kernel                          what it takes
 *          └─> queue ──── WRITABLE ──> kernel  the rest
 *                   └─ end of the phase ──┘    where more is expected to be sent
 *
 * The kernel is tried first. But of what one callback sends in several parts,
 * and of what is broadcast, all goes out in one system call when everything
 * that is ready has been handled: it is *deferred*.
 */
import { Gate } from '../channel/gate.js';
import type { Connection } from './connection.js';
import { Count } from './counts.js';
import type { NetStream } from './endpoint.js';
import type { Group } from './group.js';
import { WriteQueue } from './write-queue.js';

/** Of messages that are larger, copying costs as much as the system call that it saves. */
const GATHERED_BYTES_MAX = 2048;

export class Outbox {
  readonly #connection: Connection;
  readonly #group: Group;
  readonly #stream: NetStream;
  #queue: WriteQueue | null;
  /** Whether what is queued waits for the end of the phase, and not for the kernel. */
  #isDeferred = false;
  /** Whether `onDrained` is due when the queue falls below the low mark. */
  #isDraining = false;
  /** What senders on other threads are let through by. */
  #gate: Gate | null = null;
  /** In which dispatch something was written last. */
  #writtenIn = 0;
  /** Whether the connection is not to be read until this has drained. */
  isOverfull = false;
  bytesWritten = 0;

  constructor(
    connection: Connection,
    parts: { group: Group; stream: NetStream; queue: WriteQueue | null },
  ) {
    this.#connection = connection;
    this.#group = parts.group;
    this.#stream = parts.stream;
    this.#queue = parts.queue;
  }

  get queuedBytes(): number {
    return this.#queue === null ? 0 : this.#queue.sizeBytes;
  }

  /** Whether something waits for the kernel to have room. */
  get isWaiting(): boolean {
    return this.queuedBytes > 0 && !this.#isDeferred;
  }

  /** What was queued from the start. */
  open(): void {
    if (this.queuedBytes > 0) this.#queued();
  }

  /** False if nothing was taken. `hasMore`: there is more to come for certain. */
  send(data: Uint8Array, hasMore: boolean): boolean {
    if (this.queuedBytes === 0 && (hasMore || this.#expectsMore(data))) this.#defer(data);
    const written = this.#writeFirst(data);
    if (written < 0) return false;
    if (written < data.length) {
      this.#queue ??= new WriteQueue();
      this.#queue.push(data, written);
      this.#queued();
    }
    return true;
  }

  /** As {@link send}; what is to be queued is asked for, and shared with other queues. */
  sendShared(data: Uint8Array, shared: () => Uint8Array): boolean {
    if (this.queuedBytes === 0) this.#defer(data);
    const written = this.#writeFirst(data);
    if (written < 0) return false;
    if (written < data.length) {
      this.#queue ??= new WriteQueue();
      this.#queue.share(shared(), written);
      this.#queued();
    }
    return true;
  }

  get gate(): Gate {
    return (this.#gate ??= Gate.create(this.#group.settings.highWaterMarkBytes));
  }

  /** From another thread, which was let through, so that it is taken whatever is queued by now. */
  mailed(data: Uint8Array, isOpen: boolean): void {
    this.gate.arrived(data.length);
    if (!isOpen) return;
    if (this.queuedBytes === 0) this.#defer(data);
    const written = this.queuedBytes > 0 ? 0 : this.#writeFirst(data);
    if (written < 0 || written === data.length) return;
    this.#queue ??= new WriteQueue();
    // It is nobody else's.
    if (data.length > GATHERED_BYTES_MAX) this.#queue.share(data, written);
    else this.#queue.push(data, written);
    this.#queued();
    // The queue drains then, in the end, which opens it again.
    if (this.queuedBytes > this.#group.settings.highWaterMarkBytes) this.gate.isFull = true;
  }

  /** Nobody is let through any more. */
  endMail(): void {
    this.#gate?.end();
  }

  /** Offers the kernel what was kept for the end of the phase. */
  writeDeferred(): void {
    if (!this.#isDeferred) return;
    this.#isDeferred = false;
    if (this.#write(this.#queue!) && this.queuedBytes > 0) this.#queued();
  }

  /** The kernel has room. Returns whether the queue has drained. */
  flush(): boolean {
    const queue = this.#queue!;
    this.#isDeferred = false;
    if (!this.#write(queue)) return false;
    const { lowWaterMarkBytes } = this.#group.settings;
    const isBelow = queue.sizeBytes === 0 || queue.sizeBytes < lowWaterMarkBytes;
    if (!this.#isDraining || !isBelow) return false;
    this.#isDraining = false;
    this.isOverfull = false;
    if (this.#gate !== null) this.#gate.isFull = false;
    return true;
  }

  /** Nothing is sent any more. */
  close(): void {
    this.endMail();
    this.#isDeferred = false;
    this.#queue?.clear();
    this.#queue = null;
  }

  /** Of many small messages in one callback all but the first can wait for each other. */
  #expectsMore(data: Uint8Array): boolean {
    return data.length <= GATHERED_BYTES_MAX && this.#writtenIn === this.#group.dispatchCount;
  }

  #defer(data: Uint8Array): void {
    if (data.length > 0) this.#isDeferred = this.#group.deferWrite(this);
  }

  /** How much the kernel took at once; -1 when the data is not taken at all. */
  #writeFirst(data: Uint8Array): number {
    const { queuedBytes } = this;
    if (queuedBytes > 0) return queuedBytes > this.#group.settings.highWaterMarkBytes ? -1 : 0;
    if (this.#isDeferred || data.length === 0) return 0;
    this.#writtenIn = this.#group.dispatchCount;
    try {
      const written = this.#stream.write(data) ?? 0;
      this.#wrote(written);
      return written;
    } catch (error) {
      this.#connection.end('error', error as Error);
      return -1;
    }
  }

  /** False when that has ended the connection. */
  #write(queue: WriteQueue): boolean {
    try {
      this.#wrote(queue.flush(this.#stream));
      return true;
    } catch (error) {
      this.#connection.end('error', error as Error);
      return false;
    }
  }

  #wrote(sizeBytes: number): void {
    if (sizeBytes === 0) return;
    this.bytesWritten += sizeBytes;
    this.#group.counts[Count.BYTES_WRITTEN] += sizeBytes;
    this.#connection.touch();
  }

  #queued(): void {
    const { highWaterMarkBytes, lowWaterMarkBytes, autoPause } = this.#group.settings;
    const { queuedBytes } = this;
    if (this.#isDeferred) {
      // Above the mark nothing waits any longer: the kernel may well take it all.
      if (queuedBytes > highWaterMarkBytes) this.writeDeferred();
      return;
    }
    if (queuedBytes >= lowWaterMarkBytes) this.#isDraining = true;
    if (autoPause && queuedBytes > highWaterMarkBytes) this.isOverfull = true;
    this.#connection.listen();
  }
}
