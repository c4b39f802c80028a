/** The listeners of a system, kept apart from one another and from the runtime. */
import { EventEmitter } from 'eventemitter3';
import { callSafely } from '../call-safely.js';
import type { SystemEventName, SystemEvents } from './reports.js';

/**
 * What `system.on()` calls, on the thread that started the system. What it
 * throws becomes a warning of the process.
 */
export type SystemListener<E extends SystemEventName> = (event: SystemEvents[E][0]) => unknown;

export type AnyListener = (event: never) => unknown;
type Guarded = (event: unknown) => void;

export class Listeners {
  readonly #emitter = new EventEmitter();
  /** What is registered in place of a listener, so that `off()` finds it again. */
  readonly #guarded = new WeakMap<AnyListener, Guarded>();

  on(event: SystemEventName, listener: AnyListener): void {
    this.#emitter.on(event, this.#guard(listener));
  }

  once(event: SystemEventName, listener: AnyListener): void {
    this.#emitter.once(event, this.#guard(listener));
  }

  off(event: SystemEventName, listener: AnyListener): void {
    const guarded = this.#guarded.get(listener);
    // Without a listener EventEmitter3 removes all of the event.
    if (guarded !== undefined) this.#emitter.off(event, guarded);
  }

  has(event: SystemEventName): boolean {
    return this.#emitter.listenerCount(event) > 0;
  }

  emit<E extends SystemEventName>(event: E, payload: SystemEvents[E][0]): void {
    this.#emitter.emit(event, payload);
  }

  clear(): void {
    this.#emitter.removeAllListeners();
  }

  #guard(listener: AnyListener): Guarded {
    let guarded = this.#guarded.get(listener);
    if (guarded === undefined) {
      guarded = (event) => callListener(() => listener(event as never));
      this.#guarded.set(listener, guarded);
    }
    return guarded;
  }
}

export function callListener(listener: () => unknown): void {
  callSafely('a listener of an actor system', listener);
}
