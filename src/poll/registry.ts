/**
 * The registration table of one poller: which source sits in which slot.
 *
 * An event carries a slot and a generation. The slot indexes the table; the
 * generation is drawn anew for each registration and re-registration, so an
 * event that was fetched for an earlier owner of the slot, or of the
 * descriptor number, finds another generation and is dropped (rule S3).
 */
import { constants } from 'node:os';
import { invalidType, MillraceError, outOfRange, systemError } from '../errors.js';
import { requireInteger } from '../validate.js';
import type { Driver, Poller } from './driver.js';
import { Interest } from './interest.js';
import { POLL_OPT_ALL, PollOpt } from './poll-opt.js';
import { Source, sourceClosed } from './source.js';
import { requireToken, type Token } from './token.js';

/** What the kernel says to a descriptor that it cannot wait for. */
const EPERM = -constants.errno.EPERM;

/** Where a registry's generations start; tests set it near the wrap-around. */
const FIRST_GENERATION = 1;

/**
 * How long a source stays silent that cannot be served for want of descriptors
 * before it is tried again: well inside the 100 ms of rule S7, and rare enough
 * that the trying costs nothing.
 */
const SUSPENSION_MS = 20;

/** Who is told of a source's events in place of the handler: see `loop/guest.ts`. */
export interface Recipient {
  /** Once per poll, with flags of {@link Interest}: all that happened to the source. */
  ready(bits: Interest): void;
}

/** One source in one slot, under one generation at a time. */
export class Registration {
  readonly registry: Registry;
  readonly source: Source;
  readonly slot: number;
  generation: number;
  token: Token;
  interest: Interest;
  opt: PollOpt;
  /** Null for those that are the handler's. */
  readonly recipient: Recipient | null;
  suspended = false;

  constructor(
    registry: Registry,
    source: Source,
    place: { slot: number; generation: number },
    wanted: { token: Token; interest: Interest; opt: PollOpt; recipient: Recipient | null },
  ) {
    this.registry = registry;
    this.source = source;
    this.slot = place.slot;
    this.generation = place.generation;
    this.token = wanted.token;
    this.interest = wanted.interest;
    this.opt = wanted.opt;
    this.recipient = wanted.recipient;
  }

  /**
   * Whether `writable()` is still due of an event that was fetched for
   * `generation`. Under LEVEL also if `readable()` has registered the source
   * anew and for it (rule S2); of an edge the next poll tells again, and twice
   * would be once too often (rule S5).
   */
  owesWritable(generation: number): boolean {
    if (this.source.registration !== this || this.suspended) return false;
    if (this.generation === generation) return true;
    const isEdge = (this.opt & (PollOpt.EDGE | PollOpt.LEVEL)) === PollOpt.EDGE;
    const isLevel = !isEdge && (this.opt & PollOpt.ONESHOT) === 0;
    return isLevel && (this.interest & Interest.WRITABLE) !== 0;
  }

  /** Would-block was met: pollers that emulate EDGE must hear of it. */
  rearm(bits: Interest): void {
    if (this.registry.poller.needsRearm && (this.opt & PollOpt.EDGE) !== 0) {
      this.registry.poller.rearm(this.source.handle, bits);
    }
  }
}

export class Registry {
  readonly poller: Poller;
  readonly #driver: Driver;
  readonly #registrations: (Registration | null)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #suspended = new Set<Registration>();
  #generation: number;
  #tokenMax = -Infinity;

  /** When {@link resume} has something to do, on the driver's clock. */
  resumeAtMs = Infinity;

  constructor(poller: Poller, driver: Driver, firstGeneration = FIRST_GENERATION) {
    this.poller = poller;
    this.#driver = driver;
    this.#generation = firstGeneration;
  }

  /** How many sources are registered. */
  get size(): number {
    return this.#registrations.length - this.#freeSlots.length;
  }

  register(
    source: Source,
    token: Token,
    interest: Interest,
    opt: PollOpt,
    recipient: Recipient | null = null,
  ): void {
    requireSource(source);
    requireWanted(token, interest, opt);
    if (source.closed) throw sourceClosed(source, 'register()');
    if (source.registration !== null) throw alreadyRegistered(source, this);
    if (source.driver !== this.#driver) throw driverMismatch(source, this.#driver);
    const slot = this.#freeSlots.at(-1) ?? this.#registrations.length;
    const generation = this.#nextGeneration();
    const result = this.poller.add(source.handle, slot, generation, interest, opt);
    if (result < 0) throw registerFailure(result);
    if (slot === this.#registrations.length) this.#registrations.push(null);
    else this.#freeSlots.pop();
    const place = { slot, generation };
    const wanted = { token, interest, opt, recipient };
    const registration = new Registration(this, source, place, wanted);
    this.#registrations[slot] = registration;
    source.registration = registration;
    if (token > this.#tokenMax) this.#tokenMax = token;
  }

  reregister(source: Source, token: Token, interest: Interest, opt: PollOpt): void {
    requireSource(source);
    requireWanted(token, interest, opt);
    const registration = this.#own(source, 'reregister()');
    const generation = this.#nextGeneration();
    const { handle } = source;
    const result = this.poller.modify(handle, registration.slot, generation, interest, opt);
    if (result < 0) throw systemError(result, 'reregister');
    this.#awaken(registration);
    registration.generation = generation;
    registration.token = token;
    registration.interest = interest;
    registration.opt = opt;
    if (token > this.#tokenMax) this.#tokenMax = token;
  }

  deregister(source: Source): void {
    requireSource(source);
    const registration = this.#own(source, 'deregister()');
    this.#remove(registration);
  }

  /** The live registration that an event is for; null if the event is stale. */
  find(slot: number, generation: number): Registration | null {
    const registration = this.#registrations[slot];
    if (registration === undefined || registration === null) return null;
    return registration.generation === generation && !registration.suspended ? registration : null;
  }

  /** Changes with each registration and re-registration. */
  get drawn(): number {
    return this.#generation;
  }

  /** Whether the handler has a source registered under this token. */
  hasToken(token: Token): boolean {
    if (token > this.#tokenMax) return false;
    return this.#registrations.some(
      (registration) => registration?.token === token && registration.recipient === null,
    );
  }

  /**
   * Silences a source whose event cannot be served now, and keeps it from
   * making the poller spin; `resume()` brings it back.
   */
  suspend(registration: Registration, nowMs: number): void {
    registration.suspended = true;
    this.#suspended.add(registration);
    this.resumeAtMs = Math.min(this.resumeAtMs, nowMs + SUSPENSION_MS);
    this.#apply(registration, Interest.NONE);
  }

  /**
   * Brings back what was suspended, if descriptors can be had again. The new
   * interest is evaluated afresh, so that nothing that waits is missed, under
   * EDGE either.
   */
  resume(nowMs: number): void {
    if (nowMs < this.resumeAtMs) return;
    const [first] = this.#suspended;
    if (first !== undefined && first.source.driver.io.probe() < 0) {
      this.resumeAtMs = nowMs + SUSPENSION_MS;
      return;
    }
    for (const registration of this.#suspended) {
      registration.suspended = false;
      this.#apply(registration, registration.interest);
    }
    this.#suspended.clear();
    this.resumeAtMs = Infinity;
  }

  /** Detaches all sources; they stay open. */
  clear(): void {
    for (const registration of this.#registrations) {
      if (registration !== null) this.#remove(registration);
    }
  }

  #remove(registration: Registration): void {
    // Taken out of the poller before the descriptor is closed: a duplicate of
    // it elsewhere would keep the kernel's own entry alive and reporting.
    this.poller.remove(registration.source.handle);
    this.#awaken(registration);
    this.#registrations[registration.slot] = null;
    this.#freeSlots.push(registration.slot);
    registration.source.registration = null;
  }

  #apply(registration: Registration, interest: Interest): void {
    const { source, slot, opt } = registration;
    registration.generation = this.#nextGeneration();
    this.poller.modify(source.handle, slot, registration.generation, interest, opt);
  }

  #awaken(registration: Registration): void {
    if (!registration.suspended) return;
    registration.suspended = false;
    this.#suspended.delete(registration);
    if (this.#suspended.size === 0) this.resumeAtMs = Infinity;
  }

  #own(source: Source, operation: string): Registration {
    const { registration } = source;
    if (registration !== null && registration.registry === this) return registration;
    if (source.closed) throw sourceClosed(source, operation);
    throw new MillraceError(
      'ERR_SOURCE_NOT_REGISTERED',
      `${operation}: this ${source.constructor.name} is not registered here; register() it first`,
    );
  }

  #nextGeneration(): number {
    const generation = this.#generation;
    this.#generation = (generation + 1) >>> 0;
    return generation;
  }
}

function requireSource(source: unknown): asserts source is Source {
  if (!Source.isSource(source)) {
    throw invalidType('source', 'a Source (TcpListener, TcpStream, UdpSocket ...)', source);
  }
}

function requireWanted(token: unknown, interest: unknown, opt: unknown): void {
  requireToken(token);
  requireInteger('interest', interest, { min: 0, max: Interest.ALL });
  if (interest === Interest.NONE) {
    throw outOfRange('interest', 'at least one flag of Interest; deregister() silences', interest);
  }
  requireInteger('opt', opt, { min: 0, max: POLL_OPT_ALL });
  if (((opt as PollOpt) & ~POLL_OPT_ALL) !== 0) {
    throw outOfRange('opt', 'a combination of the flags of PollOpt', opt);
  }
}

/** The system's error, with advice where its own words would not help. */
function registerFailure(result: number): Error {
  const error = systemError(result, 'register');
  if (result === EPERM) {
    error.message += '; files and directories are always ready: use node:fs for them';
  }
  return error;
}

function alreadyRegistered(source: Source, registry: Registry): MillraceError {
  const here = source.registration?.registry === registry;
  const advice = here ? 'reregister() changes it' : 'deregister() it there first';
  const place = here ? 'here' : 'with another loop';
  return new MillraceError(
    'ERR_SOURCE_REGISTERED',
    `this ${source.constructor.name} is registered ${place}; ${advice}`,
  );
}

function driverMismatch(source: Source, driver: Driver): MillraceError {
  return new MillraceError(
    'ERR_DRIVER_MISMATCH',
    `this ${source.constructor.name} was opened on the driver "${source.driver.name}", the loop ` +
      `runs on "${driver.name}"; open it in a callback of the loop`,
  );
}
