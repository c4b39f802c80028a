import { systemError } from '../errors.js';
import { BACKLOG_MAX, DEFAULT_BACKLOG } from '../limits.js';
import { currentDriver } from '../poll/current-driver.js';
import type { Driver, Handle } from '../poll/driver.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import { requireBoolean, requireInteger, requireOptions } from '../validate.js';
import { type AddressLike, readAddress, type SocketAddress, writeAddress } from './address.js';
import { Listener } from './listener.js';
import { TcpStream } from './tcp-stream.js';

/** Options of `TcpListener.bind()`. */
export interface TcpListenerOptions {
  /** Connections that may wait to be accepted. 1 to 65535. @default 1024 */
  backlog?: number;
  /** Lets several listeners share the address; the kernel spreads connections. @default false */
  reusePort?: boolean;
  /** Keeps an IPv6 wildcard address from taking IPv4 as well. @default false */
  ipv6Only?: boolean;
}

/** A listening TCP socket. Readable when a connection waits. */
export class TcpListener extends Listener<TcpStream> {
  private constructor(driver: Driver, handle: Handle) {
    super(driver, handle);
  }

  /**
   * Binds and listens, on port 0 at a free port. SO_REUSEADDR is set.
   *
   * @throws a system error (EADDRINUSE, EACCES ...); TypeError
   * ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError
   * ERR_OUT_OF_RANGE
   */
  static override bind(address: AddressLike, options?: TcpListenerOptions): TcpListener {
    const {
      backlog = DEFAULT_BACKLOG,
      reusePort = false,
      ipv6Only = false,
    } = requireOptions('options', options, ['backlog', 'reusePort', 'ipv6Only']);
    requireInteger('backlog', backlog, { min: 1, max: BACKLOG_MAX });
    requireBoolean('reusePort', reusePort);
    requireBoolean('ipv6Only', ipv6Only);
    const driver = currentDriver();
    writeAddress(driver.io.address, address);
    const endpoint = readAddress(driver.io.address);
    const handle = driver.io.tcpListen(backlog, reusePort, ipv6Only);
    if (handle < 0) throw systemError(handle, 'listen', endpoint);
    return new TcpListener(driver, handle);
  }

  /**
   * The listener that {@link transfer} of a `TcpListener` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): TcpListener {
    const acquired = acquire('TcpListener', handle);
    return new TcpListener(acquired.driver, acquired.handle);
  }

  /** Where it listens, with the port that the system chose. */
  get localAddress(): SocketAddress {
    this.check(this.io.localAddress(this.handle), 'getsockname');
    return readAddress(this.io.address);
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'TcpListener';
  }

  /** @internal */
  protected override accepted(handle: Handle): TcpStream {
    return new TcpStream(this.driver, handle);
  }
}
