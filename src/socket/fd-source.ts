import { systemError } from '../errors.js';
import { currentDriver } from '../poll/current-driver.js';
import type { Driver, Handle } from '../poll/driver.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import { requireInteger } from '../validate.js';
import { FileSource } from './file-source.js';

/** Descriptors are C ints. */
const FD_MAX = 2 ** 31 - 1;

/**
 * A descriptor that was opened elsewhere: a terminal, an eventfd, a serial
 * line, what {@link UnixStream.recvFd} received. It belongs to the source from
 * then on: `close()` closes it, and nobody else may.
 */
export class FdSource extends FileSource {
  /**
   * Takes over an open descriptor, and makes it close-on-exec and
   * non-blocking. Non-blocking concerns everybody who shares the open file: the
   * other processes on a terminal, say.
   *
   * Files and directories are always ready; they can be read and written here,
   * and `register()` refuses them with EPERM.
   *
   * @throws a system error: EBADF for what is not open, EEXIST for what a
   * source owns already, or is in flight; TypeError ERR_INVALID_ARG_TYPE; RangeError
   * ERR_OUT_OF_RANGE
   */
  constructor(fd: number);
  /** @internal A handle that the driver owns already. */
  constructor(handle: Handle, owner: Driver);
  constructor(fd: number, owner?: Driver) {
    const driver = owner ?? currentDriver();
    super(driver, owner === undefined ? adopt(driver, fd) : fd);
  }

  /**
   * The source that {@link transfer} of a `FdSource` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): FdSource {
    const acquired = acquire('FdSource', handle);
    return new FdSource(acquired.handle, acquired.driver);
  }

  /** As `read()` of a stream. @throws a system error (EIO ...), and what streams throw */
  read(buffer: Uint8Array, start?: number, end?: number): number | null {
    return this.readBytes(buffer, start, end);
  }

  /** As `write()` of a stream. Never raises SIGPIPE. */
  write(buffer: Uint8Array, start?: number, end?: number): number | null {
    return this.writeBytes(buffer, start, end);
  }

  /** As {@link write}, from several buffers in one system call: the first 1024 of them. */
  writev(buffers: readonly Uint8Array[]): number | null {
    return this.writeAll(buffers);
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'FdSource';
  }
}

function adopt(driver: Driver, fd: number): Handle {
  requireInteger('fd', fd, { min: 0, max: FD_MAX });
  const handle = driver.io.adopt(fd);
  if (handle < 0) throw systemError(handle, 'fcntl');
  return handle;
}
