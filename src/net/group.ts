/**
 * What the connections of one server, or of one client, share: the loop on
 * which they live, the memory they are read into, one timer, and the order in
 * which is told what happens to them.
 *
 *   loop ──> Connection.ready() ──┐
 *   loop ──> listener ────────────┼─> Group.dispatch() ─> callbacks, then notices
 *   loop ──> Alarm ───────────────┘
 *
 * Callbacks are never nested. What one of them brings about (it closes a
 * connection, a write fails) becomes a notice, delivered when it has returned;
 * what is brought about at any other time is delivered in the next tick.
 */
import type { EventLoop } from '../loop/event-loop.js';
import type { Guest, GuestHost } from '../loop/guest.js';
import { CLOSE_TIMEOUT_MS, LINGER_QUIET_MS } from '../limits.js';
import { ActivityList } from './activity-list.js';
import { Alarm } from './alarm.js';
import type { ConnectionSettings } from './config.js';
import type { Connection } from './connection.js';
import type { Counts } from './counts.js';
import type { Outbox } from './outbox.js';
import { ReadBuffer } from './read-buffer.js';

/** The server or client that the connections belong to. */
export interface Owner {
  readonly counts: Counts;
  /** Calls `onData`, or `onDrained`, and sees to what they throw. */
  received(connection: Connection, data: Uint8Array): void;
  drained(connection: Connection): void;
  /** The connection is closed; a notice of it is on its way. */
  closed(connection: Connection): void;
  /** Another thread has sent this to the connection of that id. */
  mailed?(id: number, data: Uint8Array): void;
  /** The notice: calls `onError`, if there is an error, and `onDisconnect`. */
  disconnected(connection: Connection): void;
  /** What was due by then is; returns when the next thing will be. */
  rang(settledMs: number): number;
  /** The loop, or the instance of the actor, is gone. */
  dismissed(): void;
}

/** Something that callbacks are to be called for. */
export interface Task {
  /** In a dispatch; `bits` are those of the event, if there is one. */
  perform(bits: number): void;
  /** Of a notice, instead of that: there are no more ticks for it. */
  dropped?(): void;
}

export class Group implements Guest, Task {
  readonly owner: Owner;
  readonly counts: Counts;
  readonly settings: ConnectionSettings;
  readonly host: GuestHost;
  readonly buffer: ReadBuffer;
  /** Null without an `idleTimeoutMs`. */
  readonly idle: ActivityList | null;
  /** Connections that are being closed, with bytes that the peer has not taken. */
  readonly closing: ActivityList;
  /** Those that this side has ended, and whose peers have not. */
  readonly lingering: ActivityList;
  readonly #alarm: Alarm;
  /** Up to when what the peers had sent has been read, as the alarm knows it. */
  #settledMs = 0;
  /** Counts dispatches, so that one may be told from another. */
  dispatchCount = 0;
  #notices: Task[] = [];
  /** Of these, while they are being delivered. */
  #delivered = 0;
  #isDispatching = false;
  /** There are no more ticks, */
  #hasEnded = false;
  /** and nobody is to be called any more: the loop, or the instance of the actor, is gone. */
  isDismissed = false;
  /** With bytes that were not offered to the kernel yet. */
  #unwritten: Outbox[] = [];
  #isWriting = false;
  readonly #writer: Task = { perform: () => this.#writeAll() };
  readonly #write = (): void => this.dispatch(this.#writer, 0);

  /** `roomBytes` is what one read fetches: much for many connections, a piece for one. */
  constructor(
    loop: EventLoop,
    owner: Owner,
    settings: ConnectionSettings,
    roomBytes: number = settings.bufferSizeBytes,
  ) {
    const { idleTimeoutMs } = settings;
    this.owner = owner;
    this.counts = owner.counts;
    this.settings = settings;
    this.host = loop.admit(this);
    this.buffer = new ReadBuffer(settings.bufferSizeBytes, roomBytes);
    this.idle = idleTimeoutMs > 0 ? new ActivityList(idleTimeoutMs) : null;
    this.closing = new ActivityList(Math.min(idleTimeoutMs || Infinity, CLOSE_TIMEOUT_MS));
    this.lingering = new ActivityList(Math.min(idleTimeoutMs || Infinity, LINGER_QUIET_MS));
    try {
      this.#alarm = new Alarm(this.host, (settledMs) => {
        this.#settledMs = settledMs;
        this.dispatch(this, 0);
      });
    } catch (error) {
      this.host.leave();
      throw error;
    }
  }

  /** Performs a task, with the notices that are due before it, and those that come of it. */
  dispatch(task: Task, bits: number): void {
    this.#isDispatching = true;
    this.dispatchCount += 1;
    try {
      if (this.#notices.length > 0) this.#deliverNotices();
      task.perform(bits);
      if (this.#notices.length > 0) this.#deliverNotices();
    } catch (error) {
      this.host.escaped(error);
    } finally {
      this.#isDispatching = false;
      // Something was thrown: the rest comes in another tick.
      if (this.#notices.length > 0) this.setAlarm(-Infinity);
    }
  }

  mailed(id: number, data: Uint8Array): void {
    this.dispatch({ perform: () => this.owner.mailed?.(id, data) }, 0);
  }

  /** To be told when the callback under way has returned, or else in the next tick. */
  notify(notice: Task): void {
    if (this.#hasEnded) {
      notice.dropped?.();
      return;
    }
    this.#notices.push(notice);
    if (!this.#isDispatching) this.setAlarm(-Infinity);
  }

  /**
   * Has this one write when all that is ready has been handled, so that
   * what many callbacks send goes out in one system call. False where there is
   * nothing to wait for: outside of callbacks, and while it is being written.
   */
  deferWrite(outbox: Outbox): boolean {
    if (!this.#isDispatching || this.#isWriting) return false;
    if (this.#unwritten.length === 0 && !this.host.defer(this.#write)) return false;
    this.#unwritten.push(outbox);
    return true;
  }

  #writeAll(): void {
    const unwritten = this.#unwritten;
    this.#unwritten = [];
    this.#isWriting = true;
    try {
      for (const outbox of unwritten) outbox.writeDeferred();
    } finally {
      this.#isWriting = false;
    }
  }

  /** Delivers at once what the next tick would; does nothing inside of a callback. */
  settle(): void {
    if (!this.#isDispatching) this.dispatch(NOTHING, 0);
  }

  setAlarm(dueMs: number): void {
    if (!this.#hasEnded) this.#alarm.set(dueMs);
  }

  now(): number {
    return this.host.driver.nowOrLater();
  }

  /** The alarm has rung. */
  perform(): void {
    const settledMs = this.#settledMs;
    this.idle?.expire(settledMs);
    this.closing.expire(settledMs);
    this.lingering.expire(settledMs);
    const dueMs = Math.min(
      this.owner.rang(settledMs),
      this.idle?.dueMs ?? Infinity,
      this.closing.dueMs,
      this.lingering.dueMs,
    );
    this.setAlarm(dueMs);
  }

  /** Nothing is left to be told. */
  leave(): void {
    this.#end();
    this.host.leave();
  }

  dismissed(): void {
    this.isDismissed = true;
    this.#end();
    this.owner.dismissed();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const left = this.#notices.slice(this.#delivered);
    this.#notices = [];
    this.#alarm.cancel();
    for (const notice of left) notice.dropped?.();
  }

  #deliverNotices(): void {
    // Notices may bring about others, and each may throw, once.
    try {
      while (this.#delivered < this.#notices.length) this.#notices[this.#delivered++].perform(0);
    } finally {
      this.#notices = this.#notices.slice(this.#delivered);
      this.#delivered = 0;
    }
  }
}

const NOTHING: Task = { perform: () => undefined };
