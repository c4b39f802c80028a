import { systemError } from '../errors.js';
import { currentDriver } from '../poll/current-driver.js';
import { type Driver, type Handle, RECV_TRUNCATED } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import { Source } from '../poll/source.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import {
  encodePath,
  pathOf,
  pathRoom,
  readPath,
  type UnixAddress,
  type UnixAddressLike,
} from './unix-address.js';

/** A datagram, as {@link UnixDatagram.recvFrom} describes it. */
export interface UnixDatagramReceived {
  /** Bytes in the caller's buffer. */
  size: number;
  /** Where it came from: a sender without a name has the path null, and nobody can answer it. */
  address: UnixAddress;
  /** Whether it was longer than the buffer, and its rest is lost. */
  truncated: boolean;
}

const handles = new Int32Array(2);

/**
 * A Unix datagram socket. Readable when a datagram waits. Nothing is lost or
 * reordered on the way: where the receiver's queue is full, the sender is told.
 * As with listeners, the file of a bound path is the program's to remove.
 */
export class UnixDatagram extends Source {
  private constructor(driver: Driver, handle: Handle) {
    super(driver, handle);
  }

  /**
   * Binds to a path.
   *
   * @throws a system error (EADDRINUSE, EACCES, ENOENT for its directory ...);
   * TypeError ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE; RangeError
   * ERR_INVALID_ADDRESS for a path that is too long
   */
  static override bind(address: UnixAddressLike): UnixDatagram {
    const path = pathOf(address);
    const driver = currentDriver();
    const handle = driver.io.unixDatagramOpen(encodePath(path));
    if (handle < 0) throw systemError(handle, 'bind', { address: path });
    return new UnixDatagram(driver, handle);
  }

  /** A socket without a name: it can send, and nobody can answer. */
  static unbound(): UnixDatagram {
    const driver = currentDriver();
    const handle = driver.io.unixDatagramOpen();
    if (handle < 0) throw systemError(handle, 'socket');
    return new UnixDatagram(driver, handle);
  }

  /** Two sockets that are connected to one another, without a name. */
  static pair(): [UnixDatagram, UnixDatagram] {
    const driver = currentDriver();
    const result = driver.io.unixPair(true, handles);
    if (result < 0) throw systemError(result, 'socketpair');
    return [new UnixDatagram(driver, handles[0]), new UnixDatagram(driver, handles[1])];
  }

  /**
   * The socket that {@link transfer} of a `UnixDatagram` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): UnixDatagram {
    const acquired = acquire('UnixDatagram', handle);
    return new UnixDatagram(acquired.driver, acquired.handle);
  }

  /**
   * Fixes the peer: {@link send} goes there, and only its datagrams are received.
   *
   * @throws a system error (ENOENT, ECONNREFUSED ...), and what `bind()` throws
   */
  connect(address: UnixAddressLike): void {
    const path = pathOf(address);
    const result = this.io.unixDatagramConnect(this.handle, encodePath(path));
    if (result < 0) throw this.failure(result, 'connect', { address: path });
  }

  /**
   * Receives one datagram into `buffer`; null when none waits.
   *
   * @throws a system error; ERR_SOURCE_CLOSED; TypeError ERR_INVALID_ARG_TYPE
   */
  recvFrom(buffer: Uint8Array): UnixDatagramReceived | null {
    const result = this.io.unixRecvFrom(this.handle, buffer, pathRoom);
    if (result < 0) return this.refused(result, 'recvfrom', Interest.READABLE);
    return {
      size: result & ~RECV_TRUNCATED,
      address: { path: readPath() },
      truncated: (result & RECV_TRUNCATED) !== 0,
    };
  }

  /**
   * Sends `buffer` as one datagram. Returns its size; null while the receiver's
   * queue is full. WRITABLE tells of its room on a connected socket only: an
   * unconnected one tries again later.
   *
   * @throws a system error (ENOENT, ECONNREFUSED, EMSGSIZE ...);
   * ERR_SOURCE_CLOSED; TypeError ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE;
   * RangeError ERR_INVALID_ADDRESS for a path that is too long
   */
  sendTo(buffer: Uint8Array, address: UnixAddressLike): number | null {
    const path = pathOf(address);
    const result = this.io.unixSendTo(this.handle, buffer, encodePath(path));
    if (result >= 0) return result;
    return this.refused(result, 'sendto', Interest.WRITABLE, { address: path });
  }

  /**
   * Receives one datagram of the connected peer; null when none waits. The
   * size may be 0. What does not fit into `buffer`, or into its part from
   * `start` to `end`, is lost.
   */
  recv(buffer: Uint8Array, start?: number, end?: number): number | null {
    const result = this.readPart(buffer, start, end);
    return result >= 0 ? result : this.refused(result, 'recv', Interest.READABLE);
  }

  /** Sends `buffer`, or its part from `start` to `end`, as one datagram to the connected peer. */
  send(buffer: Uint8Array, start?: number, end?: number): number | null {
    const result = this.writePart(buffer, start, end);
    return result >= 0 ? result : this.refused(result, 'send', Interest.WRITABLE);
  }

  /** Where it is bound; its path is null if it is not. @throws ERR_SOURCE_CLOSED */
  get localAddress(): UnixAddress {
    this.check(this.io.unixLocalPath(this.handle, pathRoom), 'getsockname');
    return { path: readPath() };
  }

  /** The peer of a connected one. @throws ENOTCONN without a peer; ERR_SOURCE_CLOSED */
  get peerAddress(): UnixAddress {
    this.check(this.io.unixPeerPath(this.handle, pathRoom), 'getpeername');
    return { path: readPath() };
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'UnixDatagram';
  }
}
