/**
 * Cell: one actor in its shard. The reference, the name and the mailbox are the
 * cell's and outlive restarts; handler and context are those of an instance.
 *
 *   CREATED ──> STARTING ──> RUNNING ──> ENDING ──> STOPPED
 *      ^           └────┬───────┘          ^
 *      └── BACKOFF <────┘ crash            │ stop, or crash without restart
 *             └────────────────────────────┘
 *
 * A message is pushed onto the ring of its cell, and a ticket, which is the cell
 * itself, onto the channel of the loop. Each ticket lets the cell deliver one
 * message, so the loop's own rules count messages of actors as they count its
 * own: FIFO, so many per tick, and none overtaken by a timer (rules L2, L3).
 * A cell that cannot deliver when its ticket comes keeps the message, and asks
 * for tickets again when it can.
 *
 * This file is the mailbox and the delivery; what becomes of the actor is in
 * `lifecycle.ts`. The fields are public to the neighbours in this directory.
 */
import { actorStopped, mailboxFull, notTransferable } from './actor-errors.js';
import type { Handler } from '../loop/handler.js';
import type { Timeout } from '../loop/timer-wheel.js';
import { Waiters } from '../loop/waiters.js';
import { isThenable } from '../thenable.js';
import { ActorRef } from './actor-ref.js';
import { PendingAsk } from './asks.js';
import type { Place } from './cell-table.js';
import type { ActorContext } from './actor-context.js';
import { State } from './cell-state.js';
import { Context } from './context.js';
import type { HandlerClass } from './handler-class.js';
import { advance, crash, stop } from './lifecycle.js';
import type { Mailbox, Question } from './mailbox.js';
import { MessageRing } from './message-ring.js';
import type { ResolvedSpawnOptions } from './options.js';
import type { Parent } from './parent.js';
import type { Places } from './places.js';
import { publicMethod } from './proxy.js';
import { type CallbackKind, slowHandlerChannel } from './reports.js';
import type { Request } from './request.js';
import type { Shard } from './shard.js';
import type { StopReason } from './stop-reason.js';
import type { Supervisor } from './supervision.js';

/** A stop that was asked for and has not come to its end. */
export interface Closing {
  readonly reason: StopReason;
  readonly promise: Promise<void>;
  resolve(): void;
  deadline: Timeout;
  deadlineMs: number;
}

export interface Blueprint {
  /** Null until its module has been imported. */
  HandlerClass: HandlerClass | null;
  readonly options: ResolvedSpawnOptions;
}

export class Cell implements Mailbox, Parent {
  readonly shard: Shard;
  readonly slot: number;
  readonly generation: number;
  readonly blueprint: Blueprint;
  readonly parent: Parent | null;
  readonly ref: ActorRef;

  state: State = State.CREATED;
  /** Null in BACKOFF and when STOPPED. */
  handler: Handler | null;
  /** Counts the instances. */
  instance = 0;
  /** Made when the instance is first called. */
  context: Context | null = null;

  readonly ring = new MessageRing();
  /** Once other threads may send: where they count what the mailbox holds. */
  places: Places | null = null;
  /** How often the cell stands in the channel of the loop. */
  tickets = 0;
  /** Whether messages are taken. */
  isOpen = true;
  /** Whether a ticket means a message, and nothing else is to be thought of. */
  isPlain = false;
  /** Whether a serial mailbox waits for a promise. */
  isHeld = false;
  /** Promises of this instance's callbacks. */
  unsettled = 0;
  /** Their requests. */
  pending: Set<Request> | null = null;

  /** What the runtime has to do in a tick, before any message; exempt from the capacity. */
  errands: MessageRing | null = null;
  waiting: Waiters<unknown> | null = null;
  watchers: Set<(reason: StopReason) => unknown> | null = null;
  children: Set<ActorRef> | null = null;
  supervisor: Supervisor | null = null;
  backoff: Timeout | null = null;
  /** What the instance before the restart still takes time for. */
  retiring: Promise<void> | null = null;
  closing: Closing | null = null;
  /** Why it ends; null as long as it does not. */
  exit: StopReason | null = null;

  constructor(
    shard: Shard,
    place: Place,
    blueprint: Blueprint,
    { parent, handler }: { parent: Parent | null; handler: Handler | null },
  ) {
    this.shard = shard;
    this.slot = place.slot;
    this.generation = place.generation;
    this.blueprint = blueprint;
    this.parent = parent;
    this.handler = handler;
    this.ref = new ActorRef(this, shard.identityOf(place, blueprint.options.name));
  }

  // --- The mailbox -------------------------------------------------------

  get closed(): boolean {
    return !this.isOpen;
  }

  offer(message: unknown): boolean {
    return this.#take(message, null);
  }

  offerAsync(message: unknown, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (!this.isOpen) return Promise.reject(actorStopped(this.ref));
    if (!this.#reserve()) {
      this.waiting ??= new Waiters();
      return this.waiting.wait(message, signal);
    }
    this.#push(message, null);
    return Promise.resolve();
  }

  ask(question: Question): Promise<unknown> {
    const { signal } = question;
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (!this.isOpen) {
      this.shard.refuse(this.ref, 'stopped', question.message);
      return Promise.reject(actorStopped(this.ref));
    }
    const ask = new PendingAsk(question, this.shard.deadlines);
    this.#take(question.message, ask);
    return ask.promise;
  }

  wake(): void {
    this.shard.wake();
  }

  transfer(): never {
    throw notTransferable(this.ref);
  }

  stop(reason: StopReason, timeoutMs: number): Promise<void> {
    return stop(this, reason, timeoutMs);
  }

  watch(stopped: (reason: StopReason) => unknown): () => void {
    const watcher = (reason: StopReason) => stopped(reason);
    if (this.state === State.STOPPED) {
      let isWanted = true;
      // Not before the caller has what takes the wish back.
      queueMicrotask(() => {
        if (isWanted) this.shard.inform(watcher, this.exit as StopReason);
      });
      return () => {
        isWanted = false;
      };
    }
    this.watchers ??= new Set();
    this.watchers.add(watcher);
    return () => void this.watchers?.delete(watcher);
  }

  place(): Place {
    this.share();
    return this;
  }

  /** A reference leaves the thread: others may send from now on. */
  share(): void {
    if (this.places !== null || !this.isOpen) return;
    const { places } = this.shard;
    const { mailbox } = this.blueprint.options;
    if (places?.open(this.slot, this.generation, mailbox, this.ring.size)) this.places = places;
  }

  /**
   * A message of another thread, for which a place was taken there: it is in
   * the mailbox, also if that was closed meanwhile. It has had its turn in the
   * loop, and is delivered at once if nothing stands in its way.
   */
  receive(message: unknown, request: Request | null): void {
    const { places, ring } = this;
    if (this.isPlain && ring.size === 0 && places !== null) {
      const isOverrun = this.#isOverrun(places);
      places.releaseDelivered(this.slot);
      if (isOverrun) this.#drop('dropOldest', message, request);
      else this.#deliverMessage(message, request);
      this.#admitWaiting();
    } else if (places === null) {
      if (!this.#take(message, request)) this.shard.closeFlights(message);
    } else if (this.state >= State.ENDING) {
      places.release(this.slot);
      request?.fail(actorStopped(this.ref));
      this.shard.lose(this.ref, 'stopped', message);
    } else {
      this.#receiveLater(places, message, request);
    }
  }

  #receiveLater(places: Places, message: unknown, request: Request | null): void {
    const { capacity, overflow } = this.blueprint.options.mailbox;
    if (overflow !== 'dropOldest' || this.ring.size < capacity) {
      this.#push(message, request);
    } else {
      this.#replaceOldest(message, request);
      // Of the two there is one less.
      places.release(this.slot);
    }
  }

  /**
   * Whether so much was sent after the oldest message that the mailbox has no
   * room for it. Of what other threads send it is seen here only: it waits in
   * the channel of the loop until this thread is free.
   */
  #isOverrun(places: Places): boolean {
    const { capacity, overflow } = this.blueprint.options.mailbox;
    return overflow === 'dropOldest' && places.count(this.slot) > capacity;
  }

  /** Another thread gave a place back unused. */
  stir(): void {
    this.#admitWaiting();
    // It may be the last that a stop waited for.
    if (this.tickets === 0) this.issueTicket();
  }

  #take(message: unknown, request: Request | null): boolean {
    if (!this.isOpen || !this.#reserve()) return this.#overflow(message, request);
    this.#push(message, request);
    return true;
  }

  /** Whether there is room for one more, which has its place then. */
  #reserve(): boolean {
    const { capacity, overflow } = this.blueprint.options.mailbox;
    const { places } = this;
    if (places === null) return this.ring.size < capacity;
    // With senders elsewhere there may be room although somebody waits here.
    if (this.waiting !== null && this.waiting.size > 0) return false;
    if (overflow !== 'dropOldest') return places.takeOwn(this.slot);
    if (this.ring.size >= capacity) return false;
    places.add(this.slot);
    return true;
  }

  #push(message: unknown, request: Request | null): void {
    this.ring.push(message, request);
    this.issueTicket();
  }

  /** Those who wait on this thread, in turn. */
  #admitWaiting(): void {
    const { waiting, places } = this;
    if (waiting === null) return;
    const { capacity } = this.blueprint.options.mailbox;
    while (waiting.size > 0 && this.isOpen) {
      if (this.ring.size >= capacity) return;
      if (places !== null && !places.takeOwn(this.slot)) return;
      this.#push(waiting.admit(), null);
    }
  }

  /** The receiver's loss, not the sender's: nothing is thrown (rule A4). */
  #overflow(message: unknown, request: Request | null): boolean {
    const { overflow, capacity } = this.blueprint.options.mailbox;
    if (!this.isOpen) {
      this.shard.refuse(this.ref, 'stopped', message);
      return false;
    }
    if (overflow === 'refuse') {
      this.shard.refuse(this.ref, 'full', message);
      request?.fail(mailboxFull(this.ref, capacity));
      return false;
    }
    // In the place of the oldest it would overtake those that wait for one.
    const waits = this.waiting !== null && this.waiting.size > 0;
    if (waits || overflow === 'dropNewest') this.#drop('dropNewest', message, request);
    else this.#replaceOldest(message, request);
    return true;
  }

  #replaceOldest(message: unknown, request: Request | null): void {
    const { ring } = this;
    const { message: oldest, request: asked } = ring;
    ring.drop();
    // The ticket of the dropped message serves for this one.
    ring.push(message, request);
    this.#drop('dropOldest', oldest, asked);
  }

  /** Of a message that has no place in the mailbox. */
  #drop(reason: 'dropOldest' | 'dropNewest', message: unknown, request: Request | null): void {
    request?.fail(mailboxFull(this.ref, this.blueprint.options.mailbox.capacity));
    this.shard.lose(this.ref, reason, message);
  }

  // --- Delivery ----------------------------------------------------------

  /** A ticket has come. */
  deliver(): void {
    this.tickets -= 1;
    if (!this.isPlain) advance(this);
    else if (this.ring.size > 0) this.deliverNext();
  }

  issueTicket(): void {
    this.tickets += 1;
    this.shard.enqueue(this);
  }

  // --- As a parent -------------------------------------------------------

  get isEnding(): boolean {
    return this.state >= State.BACKOFF;
  }

  adopt(child: ActorRef): void {
    if (child.closed) return;
    this.children ??= new Set();
    this.children.add(child);
  }

  childStopped(child: ActorRef): void {
    this.children?.delete(child);
  }

  childCrashed(error: unknown): void {
    // The instance that there is now: one that follows it has spawned nobody yet.
    const { handler } = this;
    if (handler === null) return;
    this.later(() => {
      if (this.handler === handler) crash(this, 'child', error);
    });
  }

  /** Runs `errand` in a tick, never inside of a callback. */
  later(errand: () => void): void {
    this.errands ??= new MessageRing();
    this.errands.push(errand, null);
    this.isPlain = false;
    this.issueTicket();
  }

  /** Delivers the oldest message or drops it. Only when there is one, and an instance. */
  deliverNext(): void {
    const { ring, places } = this;
    const { message, request } = ring;
    const isOverrun = places !== null && this.#isOverrun(places);
    ring.drop();
    if (places !== null) places.releaseDelivered(this.slot);
    if (this.waiting !== null && this.waiting.size > 0) this.#admitWaiting();
    if (isOverrun) this.#drop('dropOldest', message, request);
    else this.#deliverMessage(message, request);
  }

  #deliverMessage(message: unknown, request: Request | null): void {
    if (request !== null) {
      this.#deliverRequest(message, request);
      return;
    }
    this.shard.counters.messages += 1;
    const beginMs = slowHandlerChannel.hasSubscribers ? performance.now() : -1;
    try {
      const result = this.handler!.notify?.(this.loop, message);
      if (result !== undefined) this.#returned('notify', result, null);
    } catch (error) {
      crash(this, 'notify', error);
    }
    if (beginMs >= 0) this.shard.timed(this.ref, 'notify', beginMs);
  }

  /** Calls back; what it throws, or its promise rejects with, is a crash. */
  invoke(kind: CallbackKind, callback: (handler: Handler, loop: ActorContext) => unknown): void {
    if (this.state !== State.RUNNING && this.state !== State.STARTING) return;
    const beginMs = slowHandlerChannel.hasSubscribers ? performance.now() : -1;
    try {
      const result = callback(this.handler!, this.loop);
      if (result !== undefined) this.#returned(kind, result, null);
    } catch (error) {
      crash(this, kind, error);
    }
    if (beginMs >= 0) this.shard.timed(this.ref, kind, beginMs);
  }

  /** What callbacks get as their loop. */
  get loop(): ActorContext {
    this.context ??= new Context(this);
    return this.context as unknown as ActorContext;
  }

  /** Whether the callback goes on in a promise. */
  #returned(kind: CallbackKind, result: unknown, request: Request | null): void {
    if (!isThenable(result)) {
      request?.answer(result);
      return;
    }
    const { handler } = this;
    this.unsettled += 1;
    if (request !== null) {
      this.pending ??= new Set();
      this.pending.add(request);
    }
    const isMessage = kind === 'notify' || kind === 'call';
    if (isMessage && this.blueprint.options.mailbox.serial) {
      this.isHeld = true;
      this.isPlain = false;
    }
    void this.#awaitResult(result, { kind, request, handler });
  }

  async #awaitResult(
    result: PromiseLike<unknown>,
    { kind, request, handler }: { kind: CallbackKind; request: Request | null; handler: unknown },
  ): Promise<void> {
    try {
      const value = await result;
      if (this.handler !== handler) {
        if (request !== null) this.shard.closeFlights(value);
        return;
      }
      request?.answer(value);
    } catch (error) {
      // An instance of the past has nothing to crash; its requests have failed already.
      if (this.handler !== handler) return;
      request?.fail(error);
      if (kind !== 'call') {
        this.later(() => {
          if (this.handler === handler) crash(this, kind, error);
        });
      }
    }
    this.#settled(kind, request);
  }

  #settled(kind: CallbackKind, request: Request | null): void {
    this.unsettled -= 1;
    if (request !== null) this.pending?.delete(request);
    if (kind === 'notify' || kind === 'call') this.isHeld = false;
    // What it means for the actor is decided in a tick.
    this.isPlain = false;
    if (kind === 'started') this.later(() => this.#started());
    else if (this.tickets === 0 || this.tickets < this.ring.size) this.issueTicket();
  }

  #started(): void {
    if (this.state === State.STARTING) this.state = State.RUNNING;
  }

  #deliverRequest(message: unknown, request: Request): void {
    const { method } = request;
    const { counters } = this.shard;
    const kind = method === null ? 'notify' : 'call';
    const beginMs = slowHandlerChannel.hasSubscribers ? performance.now() : -1;
    try {
      let result: unknown;
      if (method === null) {
        counters.messages += 1;
        counters.asks += 1;
        result = this.handler!.notify?.(this.loop, message);
      } else {
        counters.calls += 1;
        const handler = this.handler!;
        result = publicMethod(handler, method).apply(handler, message as unknown[]);
      }
      this.#returned(kind, result, request);
    } catch (error) {
      request.fail(error);
      if (method === null) crash(this, kind, error);
    }
    if (beginMs >= 0) this.shard.timed(this.ref, kind, beginMs);
  }
}
