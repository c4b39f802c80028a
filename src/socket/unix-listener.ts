import { systemError } from '../errors.js';
import { BACKLOG_MAX, DEFAULT_BACKLOG } from '../limits.js';
import { currentDriver } from '../poll/current-driver.js';
import type { Driver, Handle } from '../poll/driver.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import { requireInteger, requireOptions } from '../validate.js';
import { Listener } from './listener.js';
import {
  encodePath,
  pathOf,
  pathRoom,
  readPath,
  type UnixAddress,
  type UnixAddressLike,
} from './unix-address.js';
import { UnixStream } from './unix-stream.js';

/** Options of `UnixListener.bind()`. */
export interface UnixListenerOptions {
  /** Connections that may wait to be accepted. 1 to 65535. @default 1024 */
  backlog?: number;
}

/**
 * A listening Unix socket. Readable when a connection waits.
 *
 * The file that `bind()` makes stays after `close()`, and makes the next
 * `bind()` to its path fail with EADDRINUSE: whether it may be removed is for
 * the program to know. Abstract names leave nothing behind.
 */
export class UnixListener extends Listener<UnixStream> {
  private constructor(driver: Driver, handle: Handle) {
    super(driver, handle);
  }

  /**
   * Binds to a path and listens.
   *
   * @throws a system error (EADDRINUSE, EACCES, ENOENT for its directory ...);
   * TypeError ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION;
   * RangeError ERR_INVALID_ADDRESS for a path that is too long, ERR_OUT_OF_RANGE
   */
  static override bind(address: UnixAddressLike, options?: UnixListenerOptions): UnixListener {
    const { backlog = DEFAULT_BACKLOG } = requireOptions('options', options, ['backlog']);
    requireInteger('backlog', backlog, { min: 1, max: BACKLOG_MAX });
    const path = pathOf(address);
    const driver = currentDriver();
    const handle = driver.io.unixListen(encodePath(path), backlog);
    if (handle < 0) throw systemError(handle, 'listen', { address: path });
    return new UnixListener(driver, handle);
  }

  /**
   * The listener that {@link transfer} of a `UnixListener` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): UnixListener {
    const acquired = acquire('UnixListener', handle);
    return new UnixListener(acquired.driver, acquired.handle);
  }

  /** Where it listens. @throws ERR_SOURCE_CLOSED */
  get localAddress(): UnixAddress {
    this.check(this.io.unixLocalPath(this.handle, pathRoom), 'getsockname');
    return { path: readPath() };
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'UnixListener';
  }

  /** @internal */
  protected override accepted(handle: Handle): UnixStream {
    return new UnixStream(this.driver, handle);
  }
}
