/**
 * Ticker: one tick of a loop, phase by phase (rules L1 to L5).
 *
 *   intake    what other threads have sent
 *   claim     how many messages this tick delivers
 *   sample    the clock, and then the tail of the inbox, with another intake
 *   poll      for I/O; sleeps only if nothing else is to be done
 *   claim     now, with an intake, if there was nothing before the poll
 *   io        the events, in the poller's order
 *   messages  those claimed, first in, first out
 *   timers    those due at the sample
 *   tick      the handler's own
 *
 * The order, and the sample before the poll, are what keeps a stall from
 * making timers stale: when a timer fires, everything that had arrived by its
 * deadline has been delivered, and had the chance to clear it (rule L2;
 * `sample.ts` says when).
 *
 * A callback may throw, and the budget may run out; either way the state here
 * says where to go on: phase, event index, claimed messages, due timers.
 */
import { constants } from 'node:os';
import { systemError } from '../errors.js';
import { type Driver, EVENT_WORDS, POLL_FULL, type Poller, SIGNAL_SLOT } from '../poll/driver.js';
import { EventSet } from '../poll/event-set.js';
import { Interest } from '../poll/interest.js';
import { ReadHint } from '../poll/read-hint.js';
import type { Registration, Registry } from '../poll/registry.js';
import { Alarm } from './alarm.js';
import { Budget } from './budget.js';
import type { ResolvedConfig } from './config.js';
import type { EventLoop } from './event-loop.js';
import { FollowUp } from './follow-up.js';
import { type Deferred, GuestMail, type Guests, GuestTimer } from './guest.js';
import type { Handler } from './handler.js';
import type { Inbox } from './inbox.js';
import { Lookout } from './lookout.js';
import { type Counters, recordLateness } from './metrics.js';
import { Sample } from './sample.js';
import { signalName } from './signals.js';
import type { TimerWheel } from './timer-wheel.js';

const EINTR = -constants.errno.EINTR;

/** What `readable()` is called for. */
const READABLE_BITS = Interest.READABLE | Interest.ERROR | Interest.HUP;

/** What is told in two halves. */
const BOTH_BITS = Interest.READABLE | Interest.WRITABLE;

/** The phase with which the next call goes on. */
const Phase = { BEGIN: 0, IO: 1, MESSAGES: 2, TIMERS: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

export interface TickerParts<M, T> {
  loop: EventLoop<M, T>;
  config: ResolvedConfig;
  poller: Poller;
  registry: Registry;
  wheel: TimerWheel;
  inbox: Inbox<M>;
  counters: Counters;
}

export class Ticker<M, T> {
  readonly #loop: EventLoop<M, T>;
  readonly #driver: Driver;
  readonly #poller: Poller;
  readonly #registry: Registry;
  readonly #wheel: TimerWheel;
  readonly #inbox: Inbox<M>;
  readonly #counters: Counters;
  readonly #budget: Budget;
  readonly #messagesPerTick: number;

  #phase: Phase = Phase.BEGIN;
  #eventCount = 0;
  #eventIndex = 0;

  /** Up to which message of the inbox this tick delivers. */
  #claimedTail = 0;

  readonly #heldSample: Sample;
  /** What the registry had drawn when the events were fetched. */
  #drawnAtPoll = 0;
  /** The sample of the timers that are due: all that had arrived by then has been delivered. */
  #settledMs = 0;

  /** Timeouts from this one on were armed in this tick, and fire in a later one (rule T5). */
  #tickSequence = 0;

  readonly #alarm: Alarm;

  /** What guests want to do when the phase is over. */
  readonly #deferred: Deferred[] = [];

  readonly #lookout: Lookout;
  readonly #followUp = new FollowUp();
  #isFollowUp = false;

  /** The same for messages: who gets an answer often asks again, once its promise has settled. */
  readonly #messageFollowUp = new FollowUp();
  #isMessageFollowUp = false;
  #deliveredMessages = false;

  /** The latest sample. */
  nowMs = 0;

  /** Set when messages may be for guests, so that others are not looked at until then. */
  mailedGuests: Guests | null = null;

  constructor(parts: TickerParts<M, T>) {
    const { config } = parts;
    this.#loop = parts.loop;
    this.#driver = config.driver;
    this.#poller = parts.poller;
    this.#registry = parts.registry;
    this.#wheel = parts.wheel;
    this.#inbox = parts.inbox;
    this.#counters = parts.counters;
    this.#lookout = new Lookout(config.driver, parts.inbox, config.spinUs);
    this.#budget = new Budget(config.driver, config.tickBudgetMs);
    this.#messagesPerTick = config.messagesPerTick;
    this.#heldSample = new Sample(config.fullPollsMax);
    this.#alarm = new Alarm(parts.poller, parts.wheel, parts.registry);
  }

  /** Takes one tick, or finishes one that a throw cut short. */
  take(handler: Handler<M, T>, timeoutMs: number): void {
    if (this.#phase === Phase.BEGIN) {
      this.#counters.ticks += 1;
      this.#tickSequence = this.#wheel.sequence;
      this.#inbox.intake();
      this.#claim();
      this.#noteMessages();
      this.#sample();
      const interrupted = this.#poll(timeoutMs);
      if (!this.#hasClaimed()) {
        this.#inbox.intake();
        this.#claim();
      }
      this.#lookout.woke();
      this.#phase = Phase.IO;
      if (interrupted) handler.interrupted?.(this.#loop);
    }
    this.#budget.begin(this.#driver.now());
    if (this.#phase === Phase.IO) {
      this.#io(handler);
      if (this.#deferred.length > 0) this.#callDeferred();
      this.#phase = Phase.MESSAGES;
    }
    if (this.#phase === Phase.MESSAGES) {
      this.#messages(handler);
      this.#phase = Phase.TIMERS;
    }
    if (this.#phase === Phase.TIMERS) {
      this.#timers(handler);
      if (this.#deferred.length > 0) this.#callDeferred();
      // Before the handler's own turn, so that a throw there does not repeat it.
      this.#phase = Phase.BEGIN;
    }
    this.#tick(handler);
  }

  /**
   * Whether there is a reason for another turn at once: what is left over, or
   * the fair chance that sources that had events have more, or that other
   * threads send something presently.
   */
  wantsMore(): boolean {
    if (this.#heldSample.isHeld || this.#hasWork() || this.#hasEventsLeft()) return true;
    this.#isFollowUp = this.#eventCount > 0 && this.#followUp.isWorthwhile();
    this.#isMessageFollowUp = this.#deliveredMessages && this.#messageFollowUp.isWorthwhile();
    return this.#isFollowUp || this.#isMessageFollowUp || this.#lookout.begin(this.#work());
  }

  /** Whether this turn was a look for messages, and the next will do, too. */
  looksOut(): boolean {
    return this.#lookout.isUnderWay && this.#lookout.goesOn(this.#alarm.nextMs);
  }

  /**
   * Goes to sleep: the poller, or a message, will ask for the next tick. False
   * if there is a message, which came when nobody had to wake the loop yet.
   */
  sleep(): boolean {
    this.#alarm.arm();
    if (!this.#inbox.fallAsleep()) return false;
    this.#inbox.sleeping = true;
    this.#lookout.sleep();
    return true;
  }

  /** The thread is back; messages need not wake it. */
  wakeUp(): void {
    this.#lookout.cancel();
    this.#inbox.wakeUp();
  }

  /** Timeouts were armed or cleared while the loop sleeps. */
  resetAlarm(): void {
    this.#alarm.reset();
  }

  /** See {@link GuestHost.defer}. */
  defer(deferred: Deferred): true {
    this.#deferred.push(deferred);
    return true;
  }

  #callDeferred(): void {
    // One at a time: what throws is not called again, and the rest is.
    for (let next = this.#deferred.pop(); next !== undefined; next = this.#deferred.pop()) {
      next();
    }
  }

  /**
   * Drops what this tick would still deliver: the loop is being closed. Inbox
   * and wheel have nothing left by then.
   */
  abandon(): void {
    this.#deferred.length = 0;
    this.#eventCount = 0;
  }

  #hasWork(): boolean {
    if (this.#inbox.size > 0 || this.#wheel.hasDue) return true;
    return this.#wheel.nextMs <= this.nowMs;
  }

  #hasEventsLeft(): boolean {
    return this.#eventIndex < this.#eventCount;
  }

  /** Counts all that was ever delivered. */
  #work(): number {
    const { events, messages, timers, signals } = this.#counters;
    return events + messages + timers + signals;
  }

  #hasClaimed(): boolean {
    return this.#inbox.popped < this.#claimedTail;
  }

  #claim(): void {
    this.#claimedTail = this.#inbox.popped + Math.min(this.#inbox.size, this.#messagesPerTick);
  }

  #noteMessages(): void {
    this.#deliveredMessages = this.#hasClaimed();
    if (!this.#isMessageFollowUp) return;
    this.#isMessageFollowUp = false;
    this.#messageFollowUp.note(this.#hasClaimed());
  }

  /** The time becomes the sample, unless an earlier one is held. */
  #sample(): void {
    this.nowMs = this.#driver.now();
    this.#alarm.note(this.nowMs);
    if (this.#heldSample.isHeld) return;
    // Whatever other threads had sent by then counts as queued (rule L2).
    this.#inbox.intake();
    this.#heldSample.take(this.nowMs, this.#inbox.pushed);
  }

  /** Returns whether the wait was interrupted. */
  #poll(timeoutMs: number): boolean {
    // What the budget left over comes first; the sample is held meanwhile.
    if (this.#hasEventsLeft()) return false;
    this.#registry.resume(this.nowMs);
    const waitMs = this.#hasWork() ? 0 : timeoutMs;
    if (waitMs === 0) return this.#fetch(0);
    const interrupted = this.#wait(waitMs);
    if (interrupted || this.#eventCount > 0 || this.#driver.now() < this.#alarm.nextMs) {
      return interrupted;
    }
    // It slept until a deadline, for which the sample was too early. A new
    // one, and a poll after it, let the timer fire in this tick.
    this.#heldSample.drop();
    this.#sample();
    this.#registry.resume(this.nowMs);
    return this.#fetch(0);
  }

  /** Blocks; other threads know meanwhile that they have to wake this one (rule C5). */
  #wait(waitMs: number): boolean {
    if (this.#lookout.begin(this.#work())) {
      const deadlineMs =
        waitMs < 0 ? this.#alarm.nextMs : Math.min(this.#alarm.nextMs, this.nowMs + waitMs);
      while (this.#lookout.goesOn(deadlineMs));
    }
    this.#alarm.arm();
    if (this.#inbox.size > 0 || !this.#inbox.fallAsleep()) return this.#fetch(0);
    this.#lookout.sleep();
    try {
      return this.#fetch(waitMs);
    } finally {
      this.#inbox.wakeUp();
    }
  }

  #fetch(waitMs: number): boolean {
    this.#eventIndex = 0;
    this.#eventCount = 0;
    const result = this.#poller.poll(waitMs);
    this.#drawnAtPoll = this.#registry.drawn;
    if (result === EINTR) {
      this.#counters.interrupted += 1;
      return true;
    }
    if (result < 0) throw systemError(result, 'poll');
    this.#eventCount = result & ~POLL_FULL;
    if (this.#isFollowUp) {
      this.#isFollowUp = false;
      this.#followUp.note(this.#eventCount > 0);
    }
    const isFull = (result & POLL_FULL) !== 0;
    if (isFull) this.#counters.fullPolls += 1;
    this.#heldSample.notePoll(isFull);
    return false;
  }

  /**
   * An event was dropped. What was registered since the poll may be its source,
   * of which the next poll tells afresh (rule S5): until then this one proves as
   * little as a full one, or a timer would pass what had arrived before it.
   */
  #doubtPoll(): void {
    if (this.#registry.drawn !== this.#drawnAtPoll) this.#heldSample.doubtPoll();
  }

  #io(handler: Handler<M, T>): void {
    const { events } = this.#poller;
    while (this.#hasEventsLeft()) {
      const at = this.#eventIndex * EVENT_WORDS;
      this.#deliver(handler, events, at);
      if (this.#budget.isSpent()) return;
    }
  }

  #deliver(handler: Handler<M, T>, events: Uint32Array, at: number): void {
    const slot = events[at];
    const generation = events[at + 1];
    const bits = events[at + 2];
    this.#eventIndex += 1;
    if (slot === SIGNAL_SLOT) {
      this.#counters.signals += 1;
      handler.signal?.(this.#loop, { signal: signalName(generation), number: generation });
      return;
    }
    const registration = this.#registry.find(slot, generation);
    if (registration === null) {
      this.#counters.staleEvents += 1;
      this.#doubtPoll();
      return;
    }
    this.#counters.events += 1;
    if (registration.recipient === null && handler.ready === undefined) {
      this.#deliverHalves(handler, registration, at);
      return;
    }
    if (registration.recipient !== null) registration.recipient.ready(bits);
    else handler.ready?.(this.#loop, registration.token, EventSet.of(bits));
    // An actor is told in halves all the same, and may have dropped the second one.
    if ((bits & BOTH_BITS) === BOTH_BITS) this.#doubtPoll();
  }

  /** `readable()`, then `writable()` (rule S2). */
  #deliverHalves(handler: Handler<M, T>, registration: Registration, at: number): void {
    const { events } = this.#poller;
    const bits = events[at + 2];
    if ((bits & READABLE_BITS) === 0) {
      handler.writable?.(this.#loop, registration.token);
      return;
    }
    if ((bits & Interest.WRITABLE) === 0) {
      handler.readable?.(this.#loop, registration.token, ReadHint.of(bits));
      return;
    }
    // Both. If readable() throws, the loop goes on with the other half.
    events[at + 2] = Interest.WRITABLE;
    this.#eventIndex -= 1;
    handler.readable?.(this.#loop, registration.token, ReadHint.of(bits));
    this.#eventIndex += 1;
    if (registration.owesWritable(events[at + 1]))
      handler.writable?.(this.#loop, registration.token);
    else this.#doubtPoll();
  }

  #messages(handler: Handler<M, T>): void {
    while (this.#hasClaimed()) {
      // A throw, here of a lane that is broken, ends the run as any other.
      const message = this.#inbox.take();
      this.#counters.messages += 1;
      if (this.mailedGuests !== null && message instanceof GuestMail) {
        this.mailedGuests.deliver(message);
      } else {
        handler.notify?.(this.#loop, message);
      }
      if (this.#budget.isSpent()) break;
    }
    this.#inbox.publishReleases();
  }

  #timers(handler: Handler<M, T>): void {
    if (!this.#hasEventsLeft() && this.#heldSample.isSettled(this.#inbox.popped)) {
      this.#heldSample.drop();
      this.#settledMs = this.#heldSample.timeMs;
      this.#wheel.collect(this.#settledMs, this.#tickSequence);
    }
    while (this.#wheel.hasDue) {
      this.#fire(handler);
      if (this.#budget.isSpent()) return;
    }
  }

  #fire(handler: Handler<M, T>): void {
    const nowMs = this.#driver.now();
    // Arms an interval again before the callback, so that it can clear it.
    const { payload, dueMs, missed } = this.#wheel.fire(nowMs);
    const lateMs = nowMs - dueMs;
    this.#counters.timers += 1;
    recordLateness(this.#counters, lateMs);
    if (payload instanceof GuestTimer) {
      payload.expiring.expire(this.#settledMs);
      return;
    }
    handler.timeout?.(this.#loop, payload as T, { dueMs, lateMs, missed });
  }

  #tick(handler: Handler<M, T>): void {
    if (!this.#inbox.closed) handler.tick?.(this.#loop);
  }
}
