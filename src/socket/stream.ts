/**
 * What connections of all kinds share. Each operation is one non-blocking
 * system call on the caller's own memory.
 */
import { type Endpoint, invalidType, invalidValue, systemError } from '../errors.js';
import { ShutdownHow } from '../poll/driver.js';
import { ByteSource } from './byte-source.js';

export abstract class Stream extends ByteSource {
  /** @internal Where `connect()` goes, which the system forgets if it fails. */
  protected target: Endpoint | undefined;

  /**
   * Reads what is there into `buffer`, or into its part from `start` to `end`.
   * Returns the number of bytes; null if nothing is there yet; 0 at the end of
   * the stream.
   *
   * @param buffer with room for at least one byte, since 0 means the end
   * @throws a system error (ECONNRESET ...); ERR_SOURCE_CLOSED; TypeError
   * ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE, also for no room
   */
  read(buffer: Uint8Array, start?: number, end?: number): number | null {
    return this.readBytes(buffer, start, end);
  }

  /**
   * Writes as much of `buffer`, or of its part from `start` to `end`, as the
   * system takes. Returns the number of bytes, which may be less than there
   * are; null if it takes nothing now. Never raises SIGPIPE.
   *
   * @throws a system error (EPIPE, ECONNRESET ...); ERR_SOURCE_CLOSED;
   * TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  write(buffer: Uint8Array, start?: number, end?: number): number | null {
    return this.writeBytes(buffer, start, end);
  }

  /**
   * As {@link write}, from several buffers in one system call: the first 1024
   * of them if there are more.
   */
  writev(buffers: readonly Uint8Array[]): number | null {
    return this.writeAll(buffers);
  }

  /**
   * Ends one half of the connection, or both. After 'write' the peer reads
   * the end of the stream once it has read everything before it.
   */
  shutdown(how: 'read' | 'write' | 'both'): void {
    if (typeof how !== 'string') throw invalidType('how', "'read', 'write' or 'both'", how);
    if (!Object.hasOwn(ShutdownHow, how)) {
      throw invalidValue('how', "'read', 'write' or 'both'", how);
    }
    this.check(this.io.shutdown(this.handle, ShutdownHow[how]), 'shutdown');
  }

  /**
   * The error that the system keeps for this socket, and forgets by telling; or
   * null. Where the stream comes from `connect()`, the error names its target.
   */
  takeError(): Error | null {
    const error = this.check(this.io.takeError(this.handle), 'getsockopt');
    return error === 0 ? null : systemError(-error, 'connect', this.target);
  }
}
