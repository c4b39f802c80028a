/**
 * Source: anything that can be registered with a loop.
 *
 * A source owns one handle of one driver. It is registered with at most one
 * registry at a time, and it takes itself out when it is closed, so that no
 * event of a closed source is ever delivered.
 */
import { constants } from 'node:os';
import { type Endpoint, illegalConstructor, MillraceError, systemError } from '../errors.js';
import { requirePart } from '../validate.js';
import type { Driver, Handle, SocketIo } from './driver.js';
import { Interest } from './interest.js';
import type { Registration } from './registry.js';
import { numberOf, type SourceHandle, type SourceKind } from './source-handle.js';

const EAGAIN = -constants.errno.EAGAIN;

/** No call succeeds on it, so that hot paths need no check for being closed. */
const CLOSED_HANDLE: Handle = -1;
/** The same, of a source that lives on elsewhere. */
const GIVEN_HANDLE: Handle = -2;

const ORIGINS = 'bind(), connect(), accept(), pair() or pipe()';

/**
 * Anything that can be registered with a loop. Owns its descriptor, belongs to
 * the thread that made it, and never blocks.
 */
export abstract class Source {
  /** @internal */
  readonly driver: Driver;
  /** @internal */
  protected readonly io: SocketIo;
  /** @internal */
  handle: Handle;
  /** @internal Set and cleared by the registry. */
  registration: Registration | null = null;
  readonly #brand = true;

  /** @internal */
  constructor(driver: Driver, handle: Handle) {
    if (typeof handle !== 'number' || driver?.io === undefined)
      throw illegalConstructor(new.target.name, ORIGINS);
    this.driver = driver;
    this.io = driver.io;
    this.handle = handle;
  }

  /** @internal What {@link transfer} calls it. */
  protected abstract get kind(): SourceKind;

  /** Whether `close()` or {@link transfer} was called. */
  get closed(): boolean {
    return this.handle < 0;
  }

  /** Deregisters and closes. After it returns no event is delivered. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.registration?.registry.deregister(this);
    const { handle } = this;
    this.handle = CLOSED_HANDLE;
    // The kernel frees the descriptor whatever close(2) returns, so there is
    // nothing that a caller could do about an error.
    this.io.close(handle);
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Gives the source away, to another thread of this process: there `from()` of
   * the same class makes a source of the handle, once. Here it is closed from
   * now on, and its descriptor is not; bytes, datagrams and connections that
   * wait in the system go with it. Registrations do not: deregister it first.
   *
   * The handle is a plain object: send it in a message, by `postMessage()` or
   * as `workerData`. Until somebody has called `from()` the source is *in
   * flight* and belongs to no thread, so it outlives both. If the message was
   * refused, or its receiver has ended, `from()` takes the source back here.
   * What is still in flight when the last thread that uses Millrace ends is
   * closed then. What an actor gives away is closed with its shard, what it was
   * sent in a message with the shard that the message went to, and what is in a
   * message that was taken and comes to nothing at once (rule S9).
   *
   * @throws MillraceError ERR_SOURCE_REGISTERED, ERR_SOURCE_CLOSED; EEXIST for a
   * descriptor that an `FdSource` of another thread has taken over as well and
   * given away. The source stays open then.
   */
  transfer(): SourceHandle {
    if (this.closed) throw sourceClosed(this, 'transfer()');
    if (this.registration !== null) throw stillRegistered(this);
    const { handle: fd, kind, driver } = this;
    const generation = this.check(this.io.release(fd, numberOf(kind)), 'transfer');
    this.handle = GIVEN_HANDLE;
    return { millrace: 'source', driver: driver.name, kind, fd, generation };
  }

  /** @internal Whether {@link transfer} closed it. */
  get isGiven(): boolean {
    return this.handle === GIVEN_HANDLE;
  }

  /** @internal Tells a source from an object that merely looks like one. */
  static isSource(value: unknown): value is Source {
    return typeof value === 'object' && value !== null && #brand in value;
  }

  /** @internal */
  protected readPart(buffer: Uint8Array, start?: number, end?: number): number {
    if (start === undefined && end === undefined) return this.io.read(this.handle, buffer);
    const part = requirePart(buffer, start, end);
    return this.io.read(this.handle, buffer, part.start, part.end);
  }

  /** @internal */
  protected writePart(buffer: Uint8Array, start?: number, end?: number): number {
    if (start === undefined && end === undefined) return this.io.write(this.handle, buffer);
    const part = requirePart(buffer, start, end);
    return this.io.write(this.handle, buffer, part.start, part.end);
  }

  /**
   * The result of an operation that did not succeed: `null` for would-block,
   * else the error is thrown.
   *
   * @internal
   */
  protected refused(result: number, syscall: string, bits: Interest, endpoint?: Endpoint): null {
    if (result === EAGAIN && !this.closed) {
      this.registration?.rearm(bits);
      return null;
    }
    throw this.failure(result, syscall, endpoint);
  }

  /** @internal The error for a result of `-errno`. */
  protected failure(result: number, syscall: string, endpoint?: Endpoint): Error {
    if (this.closed) return sourceClosed(this, syscall);
    return systemError(result, syscall, endpoint);
  }

  /** @internal Throws what a negative result means; lets the others pass. */
  protected check(result: number, syscall: string): number {
    if (result < 0) throw this.failure(result, syscall);
    return result;
  }
}

/** @internal */
export function sourceClosed(source: Source, operation: string): MillraceError {
  const what = source.isGiven
    ? 'was given away by transfer(); use the one that from() made of its handle'
    : 'was closed; open another one';
  return new MillraceError(
    'ERR_SOURCE_CLOSED',
    `${operation}: this ${source.constructor.name} ${what}`,
  );
}

function stillRegistered(source: Source): MillraceError {
  return new MillraceError(
    'ERR_SOURCE_REGISTERED',
    `transfer(): this ${source.constructor.name} is registered; deregister() it first`,
  );
}
