/** Acceptor: the listening end of a server. */
import { ACCEPTS_PER_EVENT } from '../limits.js';
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

export class Acceptor implements Recipient, Task {
  readonly #group: Group;
  readonly #reception: Reception;
  readonly #listener: NetListener;
  readonly #file: SocketFile | null;
  readonly localAddress: NetAddress;

  /** Throws what the system says to the address. */
  constructor(group: Group, settings: ServerSettings, reception: Reception) {
    const { address } = settings;
    this.#group = group;
    this.#reception = reception;
    this.#listener = listenAt(group.host.driver, address, settings);
    this.#file = isUnix(address) ? new SocketFile(address.path) : null;
    try {
      group.host.register(this.#listener, Interest.READABLE, this);
      this.localAddress = this.#listener.localAddress;
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
    this.#listener.close();
    this.#file?.remove();
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
