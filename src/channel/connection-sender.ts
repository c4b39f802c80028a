/**
 * ConnectionSender: sends to one connection of a server from any thread.
 *
 *   send() ── gate ──> channel of the server's loop ──> connection ──> kernel
 *
 * It stands here, and not with the servers, because every thread has to know it
 * into which a message may carry one.
 */
import { bytesOf, type Data } from '../data.js';
import { illegalConstructor, invalidType } from '../errors.js';
import { crossing, type MessageTarget, type SenderHandle } from '../loop/crossing.js';
import { GuestMail } from '../loop/guest.js';
import { Inbox } from '../loop/inbox.js';
import { Gate, GATE_BYTES } from './gate.js';

/**
 * What `sender.transfer()` returns and `ConnectionSender.from()` takes: shared
 * memory and plain values. Nothing in it is for users.
 */
export interface ConnectionHandle {
  readonly millrace: 'connection';
  readonly loop: SenderHandle;
  /** The number of the server among the guests of that loop. */
  readonly guest: number;
  readonly id: number;
  readonly gate: SharedArrayBuffer;
}

/**
 * The sending end of one connection, for any thread of the process, and for as
 * long as that lives: it never sends to another one. What one thread sends
 * arrives in its order, and among what is sent otherwise in between.
 */
export class ConnectionSender {
  readonly #handle: ConnectionHandle;
  readonly #target: MessageTarget<GuestMail>;
  readonly #gate: Gate;

  /** @internal Senders come from `sender(id)` and `ConnectionSender.from()`. */
  constructor(handle: ConnectionHandle) {
    if (!isHandle(handle)) {
      throw illegalConstructor('ConnectionSender', 'server.sender() or ConnectionSender.from()');
    }
    this.#handle = handle;
    this.#target = crossing().connect<GuestMail>(handle.loop);
    this.#gate = new Gate(handle.gate);
  }

  /**
   * A sender to the connection that the handle comes from, on the thread that
   * calls this. The connection may have ended meanwhile.
   *
   * @param handle what {@link transfer} returned, of the same process
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle
   */
  static from(handle: ConnectionHandle): ConnectionSender {
    if (!isHandle(handle)) throw invalidType('handle', 'what sender.transfer() returned', handle);
    return new ConnectionSender(handle);
  }

  /** Of the connection, as its server knows it. */
  get id(): number {
    return this.#handle.id;
  }

  /** Whether it is known that the connection has ended, or is being closed. */
  get closed(): boolean {
    return this.#gate.isGone || this.#target.closed;
  }

  /**
   * Sends, after all that this thread has sent to the connection before. The
   * bytes are copied, and arrive in a tick of the server's loop.
   *
   * False: nothing was taken, because the connection has ended, or more than
   * `highWaterMarkBytes` are queued for it or on their way, as far as is known
   * here, or the channel of the loop is full. What was taken is lost if the
   * connection ends before it has arrived.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  send(data: Data): boolean {
    const bytes = bytesOf(data);
    const { length } = bytes;
    if (this.closed || !this.#gate.isOpen) return false;
    if (length === 0) return true;
    const mail = new GuestMail(this.#handle.guest, this.#handle.id, this.#alone(bytes));
    if (!this.#target.offer(mail)) return false;
    this.#gate.sent(length);
    return true;
  }

  /**
   * A handle for {@link from} on other threads: pass it by `postMessage()` or as
   * `workerData`. In a message to an actor, or to a loop, the sender itself may
   * be sent.
   */
  transfer(): ConnectionHandle {
    return this.#handle;
  }

  /** @internal What travels where a sender is part of a message. */
  get transferHandle(): ConnectionHandle {
    return this.#handle;
  }

  /** In memory where nothing else is, and into which nobody writes: all of it crosses. */
  #alone(bytes: Uint8Array): Uint8Array {
    const { buffer } = bytes;
    const isAlone = buffer.byteLength === bytes.length && buffer instanceof ArrayBuffer;
    // On the thread of the loop itself messages pass by reference.
    return isAlone && !(this.#target instanceof Inbox) ? bytes : new Uint8Array(bytes);
  }
}

function isHandle(value: unknown): value is ConnectionHandle {
  const { millrace, loop, guest, id, gate } = (value ?? {}) as Partial<ConnectionHandle>;
  return (
    millrace === 'connection' &&
    loop?.millrace === 'sender' &&
    Number.isSafeInteger(guest) &&
    Number.isSafeInteger(id) &&
    gate instanceof SharedArrayBuffer &&
    gate.byteLength === GATE_BYTES
  );
}
