import { outOfRange, systemError } from '../errors.js';
import { currentDriver } from '../poll/current-driver.js';
import { SocketOption } from '../poll/driver.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import { requireBoolean, requireDuration } from '../validate.js';
import { type AddressLike, readAddress, type SocketAddress, writeAddress } from './address.js';
import { Stream } from './stream.js';

/** A day; the kernel's own limit for keep-alive times is a little over nine hours. */
const OPTION_MS_MAX = 32767 * 1000;

/**
 * A TCP connection, from {@link TcpStream.connect} or `TcpListener.accept()`.
 * Each operation is one non-blocking system call on the caller's own memory.
 */
export class TcpStream extends Stream {
  /**
   * Begins to connect. The first `writable` says that it succeeded; an ERROR
   * event that it failed, with the cause in {@link takeError}.
   *
   * @throws what is wrong on this side at once: a system error (EMFILE,
   * ENETUNREACH, EADDRNOTAVAIL ...), TypeError ERR_INVALID_ADDRESS,
   * ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE
   */
  static connect(address: AddressLike): TcpStream {
    const driver = currentDriver();
    writeAddress(driver.io.address, address);
    const endpoint = readAddress(driver.io.address);
    const handle = driver.io.tcpConnect();
    if (handle < 0) throw systemError(handle, 'connect', endpoint);
    const stream = new TcpStream(driver, handle);
    stream.target = endpoint;
    return stream;
  }

  /**
   * The connection that {@link transfer} of a `TcpStream` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): TcpStream {
    const acquired = acquire('TcpStream', handle);
    return new TcpStream(acquired.driver, acquired.handle);
  }

  /** Sends small writes at once (on) or lets the system gather them (off). */
  setNoDelay(on = true): void {
    requireBoolean('on', on);
    this.#setOption(SocketOption.NO_DELAY, on ? 1 : 0);
  }

  /** Probes an idle peer after so many milliseconds, rounded up to seconds; null: never. */
  setKeepAlive(ms: number | null): void {
    this.#setOption(SocketOption.KEEP_ALIVE_MS, ms === null ? -1 : requireOptionMs(ms));
  }

  /**
   * What `close()` does with unsent data: wait for so many milliseconds,
   * rounded up to seconds; 0: throw it away and reset; null: the system's default.
   */
  setLinger(ms: number | null): void {
    this.#setOption(SocketOption.LINGER_MS, ms === null ? -1 : requireOptionMs(ms));
  }

  /** This end, with the port that the system chose. @throws ERR_SOURCE_CLOSED */
  get localAddress(): SocketAddress {
    this.check(this.io.localAddress(this.handle), 'getsockname');
    return readAddress(this.io.address);
  }

  /**
   * The other end.
   *
   * @throws ENOTCONN before the connection is established, or after it has ended;
   * ERR_SOURCE_CLOSED
   */
  get peerAddress(): SocketAddress {
    this.check(this.io.peerAddress(this.handle), 'getpeername');
    return readAddress(this.io.address);
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'TcpStream';
  }

  #setOption(option: SocketOption, value: number): void {
    this.check(this.io.setOption(this.handle, option, value), 'setsockopt');
  }
}

function requireOptionMs(ms: unknown): number {
  const whole = Math.ceil(requireDuration('ms', ms));
  if (whole > OPTION_MS_MAX) throw outOfRange('ms', `at most ${OPTION_MS_MAX}`, ms);
  return whole;
}
