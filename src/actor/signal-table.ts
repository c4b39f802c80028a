import type { SignalInfo } from '../loop/handler.js';

/** Who wants to hear of a signal. */
export interface SignalListener {
  signal(info: SignalInfo): void;
}

/** The signals that the actors of a shard have asked for. */
export class SignalTable {
  readonly #listeners = new Map<NodeJS.Signals, Set<SignalListener>>();

  add(signal: NodeJS.Signals, listener: SignalListener): void {
    const listeners = this.#listeners.get(signal) ?? new Set();
    this.#listeners.set(signal, listeners.add(listener));
  }

  removeAll(listener: SignalListener): void {
    for (const listeners of this.#listeners.values()) listeners.delete(listener);
  }

  deliver(info: SignalInfo): void {
    for (const listener of this.#listeners.get(info.signal) ?? []) listener.signal(info);
  }
}
