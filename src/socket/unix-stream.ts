import { invalidType, MillraceError, outOfRange, systemError } from '../errors.js';
import { currentDriver } from '../poll/current-driver.js';
import { Interest } from '../poll/interest.js';
import { Source, sourceClosed } from '../poll/source.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import { RECV_LOST } from '../poll/unix-io.js';
import { requireBytes } from '../validate.js';
import { requireRoom } from './byte-source.js';
import { FdSource } from './fd-source.js';
import { Stream } from './stream.js';
import {
  encodePath,
  pathOf,
  pathRoom,
  readPath,
  type UnixAddress,
  type UnixAddressLike,
} from './unix-address.js';

/** What {@link UnixStream.recvFd} received. */
export interface ReceivedFd {
  /** Bytes in the caller's buffer; 0 at the end of the stream. */
  size: number;
  /** The descriptor that was sent with them; null if there was none. */
  source: FdSource | null;
  /**
   * Whether one was sent that could not be kept: no descriptor was free here,
   * or the peer put several into one message. It is closed, not leaked.
   */
  lost: boolean;
}

/** Where the driver writes handles. */
const handles = new Int32Array(2);

/** A connection over a Unix socket. Descriptors can travel with its bytes. */
export class UnixStream extends Stream {
  /**
   * Connects to a path. Unix sockets connect at once or not at all, so what is
   * wrong is thrown; the first `writable` follows as for any connection.
   *
   * @throws a system error (ENOENT, ECONNREFUSED where nobody listens any more,
   * EAGAIN while the listener's backlog is full ...); TypeError
   * ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE; RangeError ERR_INVALID_ADDRESS
   * for a path that is too long
   */
  static connect(address: UnixAddressLike): UnixStream {
    const path = pathOf(address);
    const driver = currentDriver();
    const handle = driver.io.unixConnect(encodePath(path));
    if (handle < 0) throw systemError(handle, 'connect', { address: path });
    return new UnixStream(driver, handle);
  }

  /**
   * Two streams that are connected to one another, without a name.
   *
   * @throws a system error (EMFILE ...)
   */
  static pair(): [UnixStream, UnixStream] {
    const driver = currentDriver();
    const result = driver.io.unixPair(false, handles);
    if (result < 0) throw systemError(result, 'socketpair');
    return [new UnixStream(driver, handles[0]), new UnixStream(driver, handles[1])];
  }

  /**
   * The connection that {@link transfer} of a `UnixStream` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): UnixStream {
    const acquired = acquire('UnixStream', handle);
    return new UnixStream(acquired.driver, acquired.handle);
  }

  /**
   * Writes as {@link write} does, and sends a descriptor with the first byte.
   * The peer gets a duplicate; `source` stays open here, and is closed here.
   * Returns the number of bytes; null if the system takes nothing now, and
   * then the descriptor was not sent either.
   *
   * The peer has to receive these bytes with {@link recvFd}: with `read()` the
   * descriptor is dropped by the system.
   *
   * @param buffer at least one byte, for a descriptor does not travel alone
   * @param source any open source of this driver
   * @throws a system error (EPIPE, ETOOMANYREFS ...); ERR_SOURCE_CLOSED for
   * either; ERR_DRIVER_MISMATCH; TypeError ERR_INVALID_ARG_TYPE; RangeError
   * ERR_OUT_OF_RANGE for an empty buffer
   */
  sendFd(buffer: Uint8Array, source: Source): number | null {
    if (requireBytes('buffer', buffer).length === 0) {
      throw outOfRange(
        'buffer',
        'at least 1 byte long (a descriptor does not travel alone)',
        buffer,
      );
    }
    if (!Source.isSource(source)) throw invalidType('source', 'a Source', source);
    if (source.closed) throw sourceClosed(source, 'sendFd()');
    if (source.driver !== this.driver) throw otherDriver(source, this);
    const result = this.io.sendDescriptor(this.handle, buffer, source.handle);
    return result >= 0 ? result : this.refused(result, 'sendmsg', Interest.WRITABLE);
  }

  /**
   * Reads as {@link read} does, and takes the descriptor that was sent with
   * the bytes: at most one, close-on-exec and non-blocking. Null if nothing is
   * there yet. Bytes that came with different descriptors are never returned
   * together.
   *
   * Whether an open file blocks is known to everybody who shares it: it becomes
   * non-blocking for the sender as well.
   *
   * @param buffer with room for at least one byte, since 0 means the end
   * @throws a system error (ECONNRESET ...); ERR_SOURCE_CLOSED; TypeError
   * ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE for no room
   */
  recvFd(buffer: Uint8Array): ReceivedFd | null {
    requireRoom(requireBytes('buffer', buffer).length);
    const result = this.io.recvDescriptor(this.handle, buffer, handles);
    if (result < 0) return this.refused(result, 'recvmsg', Interest.READABLE);
    const [handle] = handles;
    return {
      size: result & ~RECV_LOST,
      source: handle < 0 ? null : new FdSource(handle, this.driver),
      lost: (result & RECV_LOST) !== 0,
    };
  }

  /** This end; its path is null unless it was accepted. @throws ERR_SOURCE_CLOSED */
  get localAddress(): UnixAddress {
    this.check(this.io.unixLocalPath(this.handle, pathRoom), 'getsockname');
    return { path: readPath() };
  }

  /**
   * The other end.
   *
   * @throws ENOTCONN after the connection has ended, on some systems;
   * ERR_SOURCE_CLOSED
   */
  get peerAddress(): UnixAddress {
    this.check(this.io.unixPeerPath(this.handle, pathRoom), 'getpeername');
    return { path: readPath() };
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'UnixStream';
  }
}

function otherDriver(source: Source, stream: UnixStream): MillraceError {
  return new MillraceError(
    'ERR_DRIVER_MISMATCH',
    `this ${source.constructor.name} was opened on the driver "${source.driver.name}", the ` +
      `stream on "${stream.driver.name}"; descriptors pass between sources of one driver`,
  );
}
