/**
 * What listeners of all kinds share: taking connections, and what they do
 * when there are no descriptors to take them with (rule S7).
 */
import { constants } from 'node:os';
import type { Handle } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import { Source } from '../poll/source.js';

const { EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno;

/** What accept(2) says when a connection waits and the means to take it are missing. */
const EXHAUSTION = new Set([-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM]);

/** Readable when a connection waits. */
export abstract class Listener<S extends Source> extends Source {
  /** Set while descriptors are short, so that they are probed for before an accept. */
  #scarce = false;

  /**
   * Takes one waiting connection; null when none waits.
   *
   * When the process or the system has run out of descriptors (or memory for
   * sockets), a registered listener answers null, falls silent, and becomes
   * readable again by itself once there are some: the waiting connections stay
   * in the backlog, and nothing spins. A listener that is not registered
   * throws the system error (EMFILE ...), since nobody would wake it.
   *
   * @throws a system error; ERR_SOURCE_CLOSED
   */
  accept(): S | null {
    if (this.#scarce && this.#suspendIfExhausted(this.io.probe())) return null;
    const handle = this.io.accept(this.handle);
    if (handle >= 0) return this.accepted(handle);
    if (this.#suspendIfExhausted(handle)) return null;
    this.#scarce = false;
    return this.refused(handle, 'accept', Interest.READABLE);
  }

  /** @internal The stream for a connection that was taken. */
  protected abstract accepted(handle: Handle): S;

  #suspendIfExhausted(result: number): boolean {
    if (result >= 0 || !EXHAUSTION.has(result)) return false;
    const { registration } = this;
    if (registration === null) throw this.failure(result, 'accept');
    this.#scarce = true;
    registration.registry.suspend(registration, this.driver.now());
    return true;
  }
}
