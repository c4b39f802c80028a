/** Acceptor: the listening end of a server. */
import { ACCEPTS_PER_EVENT } from '../limits.js';
import type { Driver } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import type { Recipient } from '../poll/registry.js';
import { isUnix, listenAt, type NetListener, type NetStream, SocketFile } from './endpoint.js';
import type { ServerSettings } from './config.js';
import type { Group, Task } from './group.js';
import type { NetAddress } from './handlers.js';

/** What becomes of connections. */
export interface Reception {
  admit(stream: NetStream): void;
  refused(error: Error): void;
}

/** A listener, and the file that it has made, if it is a Unix socket. */
export interface Bound {
  readonly listener: NetListener;
  readonly file: SocketFile | null;
  readonly localAddress: NetAddress;
}

/** Throws what the system says to the address. */
export function bindAt(
  driver: Driver,
  { address, reusePort }: Pick<ServerSettings, 'address' | 'reusePort'>,
): Bound {
  const listener = listenAt(driver, address, { reusePort });
  const file = isUnix(address) ? new SocketFile(address.path) : null;
  try {
    return { listener, file, localAddress: listener.localAddress };
  } catch (error) {
    unbind({ listener, file });
    throw error;
  }
}

export function unbind({ listener, file }: Pick<Bound, 'listener' | 'file'>): void {
  listener.close();
  file?.remove();
}

export class Acceptor implements Recipient, Task {
  readonly #group: Pick<Group, 'host' | 'dispatch'>;
  readonly #reception: Reception;
  readonly #bound: Bound;
  readonly #listener: NetListener;

  /** Closes the listener if it cannot be registered. */
  constructor(group: Pick<Group, 'host' | 'dispatch'>, bound: Bound, reception: Reception) {
    this.#group = group;
    this.#reception = reception;
    this.#bound = bound;
    this.#listener = bound.listener;
    try {
      group.host.register(bound.listener, Interest.READABLE, this);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  ready(bits: Interest): void {
    this.#group.dispatch(this, bits);
  }

  /** Takes those that wait; LEVEL tells again of what is left. */
  perform(): void {
    for (let count = 0; count < ACCEPTS_PER_EVENT; count++) {
      const stream = this.#accept();
      if (stream === null) return;
      this.#reception.admit(stream);
    }
  }

  close(): void {
    unbind(this.#bound);
  }

  #accept(): NetStream | null {
    // A callback may have stopped the server.
    if (this.#listener.closed) return null;
    try {
      return this.#listener.accept();
    } catch (error) {
      // Not for want of descriptors, which the listener sees to by itself. It
      // would be ready again at once, so it is let rest for a while (rule S7).
      const { registration } = this.#listener;
      registration?.registry.suspend(registration, this.#group.host.driver.now());
      this.#reception.refused(error as Error);
      return null;
    }
  }
}
