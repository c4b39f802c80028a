/**
 * Handler: the whole contract between the runtime and its users.
 *
 * Write a class, implement the methods you need, hand an instance to
 * `loop.run()`. All methods are optional. All are called on the thread of the
 * loop, one at a time, never nested in one another.
 *
 * Each may be async. A loop does not look at what its callbacks return; actors
 * wait for their promises, and crash with what those reject with (rule A9).
 */
import { invalidType } from '../errors.js';
import type { EventSet } from '../poll/event-set.js';
import type { ReadHint } from '../poll/read-hint.js';
import type { Token } from '../poll/token.js';
import { requireObject } from '../validate.js';
import type { EventLoop } from './event-loop.js';

/** How a timeout relates to its deadline, on the clock of `loop.now()`. */
export interface Lateness {
  /** When it was due. */
  dueMs: number;
  /** How much later than that it is delivered; never negative. */
  lateMs: number;
  /** Intervals only: deadlines that were skipped because they had passed as well. */
  missed: number;
}

/** A signal, by its name and by its number on this system. */
export interface SignalInfo {
  signal: NodeJS.Signals;
  number: number;
}

/**
 * What a loop calls back. Every method is optional. All are called on the thread
 * of the loop, one at a time, never nested in one another; what one throws ends
 * the run, or is a crash of the actor.
 *
 * @typeParam M messages
 * @typeParam T payloads of timeouts
 */
export abstract class Handler<M = unknown, T = unknown> {
  /**
   * The source can be read, or accept a connection, or it failed or was hung
   * up. Once per source and poll, before {@link writable}.
   */
  readable?(loop: EventLoop<M, T>, token: Token, hint: ReadHint): unknown;

  /** The source can be written, or its connect has succeeded. */
  writable?(loop: EventLoop<M, T>, token: Token): unknown;

  /**
   * Takes the place of {@link readable} and {@link writable} where present:
   * once per source and poll, with all that happened to it.
   */
  ready?(loop: EventLoop<M, T>, token: Token, events: EventSet): unknown;

  /** A message from the channel, in the order in which each sender sent. */
  notify?(loop: EventLoop<M, T>, message: M): unknown;

  /** A timeout is due; everything that had arrived by then was delivered before. */
  timeout?(loop: EventLoop<M, T>, payload: T, late: Lateness): unknown;

  /** A signal that was asked for with `loop.registerSignal()`. */
  signal?(loop: EventLoop<M, T>, info: SignalInfo): unknown;

  /** A signal interrupted the wait; the tick goes on without I/O events. */
  interrupted?(loop: EventLoop<M, T>): unknown;

  /** The end of each tick, also of one in which nothing happened. */
  tick?(loop: EventLoop<M, T>): unknown;

  /** Actors: before the first message, and again after a restart. */
  started?(loop: EventLoop<M, T>): unknown;

  /** Actors: the last call, also before a restart. */
  stopped?(loop: EventLoop<M, T>, reason: unknown): unknown;
}

/** @internal What the runtime calls. */
export const HANDLER_METHODS = [
  'readable',
  'writable',
  'ready',
  'notify',
  'timeout',
  'signal',
  'interrupted',
  'tick',
  'started',
  'stopped',
] as const satisfies (keyof Handler)[];

/**
 * Any object will do; what it has of the methods must be functions.
 *
 * @internal
 */
export function requireHandler(handler: unknown): void {
  requireObject('handler', handler);
  for (const name of HANDLER_METHODS) {
    const method = (handler as Handler)[name] as unknown;
    if (method !== undefined && typeof method !== 'function') {
      throw invalidType(`handler.${name}`, 'a function', method);
    }
  }
}
