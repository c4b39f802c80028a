import { invalidType, invalidValue, outOfRange, systemError } from '../errors.js';
import { currentDriver } from '../poll/current-driver.js';
import { ShutdownHow, SocketOption } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import { Source } from '../poll/source.js';
import { requireBoolean, requireBytes, requireDuration } from '../validate.js';
import { type AddressLike, readAddress, type SocketAddress, writeAddress } from './address.js';

/** A day; the kernel's own limit for keep-alive times is a little over nine hours. */
const OPTION_MS_MAX = 32767 * 1000;

/**
 * A TCP connection, from {@link TcpStream.connect} or `TcpListener.accept()`.
 * Each operation is one non-blocking system call on the caller's own memory.
 */
export class TcpStream extends Source {
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
    return new TcpStream(driver, handle);
  }

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
    const result = this.readPart(buffer, start, end);
    if (result > 0) return result;
    if (result < 0) return this.refused(result, 'read', Interest.READABLE);
    const room = (end ?? buffer.length) - (start ?? 0);
    if (room === 0) throw outOfRange('room in buffer', 'at least 1 byte (0 means the end)', 0);
    return 0;
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
    const result = this.writePart(buffer, start, end);
    return result >= 0 ? result : this.refused(result, 'write', Interest.WRITABLE);
  }

  /**
   * As {@link write}, from several buffers in one system call: the first 1024
   * of them if there are more.
   */
  writev(buffers: readonly Uint8Array[]): number | null {
    if (!Array.isArray(buffers)) throw invalidType('buffers', 'an array of Uint8Array', buffers);
    for (const buffer of buffers) requireBytes('buffers', buffer);
    const result = this.io.writev(this.handle, buffers);
    return result >= 0 ? result : this.refused(result, 'writev', Interest.WRITABLE);
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

  /** The error that the system keeps for this socket, and forgets by telling; or null. */
  takeError(): Error | null {
    const error = this.check(this.io.takeError(this.handle), 'getsockopt');
    return error === 0 ? null : systemError(-error, 'connect');
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

  get localAddress(): SocketAddress {
    this.check(this.io.localAddress(this.handle), 'getsockname');
    return readAddress(this.io.address);
  }

  /** @throws ENOTCONN before the connection is established, or after it has ended */
  get peerAddress(): SocketAddress {
    this.check(this.io.peerAddress(this.handle), 'getpeername');
    return readAddress(this.io.address);
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
