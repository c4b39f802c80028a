import { systemError } from '../errors.js';
import { currentDriver } from '../poll/current-driver.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import { FileSource } from './file-source.js';

/** The reading end of a pipe. Readable when bytes wait, HUP when the writing end is closed. */
export class PipeReader extends FileSource {
  /**
   * The end that {@link transfer} of a `PipeReader` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): PipeReader {
    const acquired = acquire('PipeReader', handle);
    return new PipeReader(acquired.driver, acquired.handle);
  }

  /** As `read()` of a stream: 0 when the writing end is closed and all was read. */
  read(buffer: Uint8Array, start?: number, end?: number): number | null {
    return this.readBytes(buffer, start, end);
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'PipeReader';
  }
}

/**
 * The writing end of a pipe. Writable when there is room, ERROR when the
 * reading end is closed.
 */
export class PipeWriter extends FileSource {
  /**
   * The end that {@link transfer} of a `PipeWriter` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): PipeWriter {
    const acquired = acquire('PipeWriter', handle);
    return new PipeWriter(acquired.driver, acquired.handle);
  }

  /**
   * As `write()` of a stream. What is no longer than the system's PIPE_BUF (at
   * least 512 bytes, 4096 on Linux) is taken whole or not at all.
   *
   * @throws EPIPE when the reading end is closed, and never raises SIGPIPE
   */
  write(buffer: Uint8Array, start?: number, end?: number): number | null {
    return this.writeBytes(buffer, start, end);
  }

  /** As {@link write}, from several buffers in one system call: the first 1024 of them. */
  writev(buffers: readonly Uint8Array[]): number | null {
    return this.writeAll(buffers);
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'PipeWriter';
  }
}

const handles = new Int32Array(2);

/**
 * A pipe: what is written to the second is read from the first.
 *
 * @throws a system error (EMFILE, ENFILE)
 */
export function pipe(): [PipeReader, PipeWriter] {
  const driver = currentDriver();
  const result = driver.io.pipe(handles);
  if (result < 0) throw systemError(result, 'pipe');
  return [new PipeReader(driver, handles[0]), new PipeWriter(driver, handles[1])];
}
