import { systemError } from '../errors.js';
import { SOCKET_BUFFER_BYTES_MAX } from '../limits.js';
import { currentDriver } from '../poll/current-driver.js';
import { type Driver, type Handle, RECV_TRUNCATED } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import { Source } from '../poll/source.js';
import { requireBoolean, requireInteger, requireOptions } from '../validate.js';
import { type AddressLike, readAddress, type SocketAddress, writeAddress } from './address.js';

export interface UdpSocketOptions {
  /** Lets several sockets bind the address, as multicast receivers do. @default false */
  reuseAddress?: boolean;
  /** Lets several sockets share the address; the kernel spreads datagrams. @default false */
  reusePort?: boolean;
  /** @default the system's */
  recvBufferSizeBytes?: number;
  /** @default the system's */
  sendBufferSizeBytes?: number;
}

/** A datagram, as {@link UdpSocket.recvFrom} describes it. */
export interface Datagram {
  /** Bytes in the caller's buffer. */
  size: number;
  /** Where it came from. */
  address: SocketAddress;
  /** Whether it was longer than the buffer, and its rest is lost. */
  truncated: boolean;
}

const OPTION_NAMES = [
  'reuseAddress',
  'reusePort',
  'recvBufferSizeBytes',
  'sendBufferSizeBytes',
] as const;

/** A UDP socket. Readable when a datagram waits. */
export class UdpSocket extends Source {
  private constructor(driver: Driver, handle: Handle) {
    super(driver, handle);
  }

  /**
   * Binds to an address, on port 0 at a free port.
   *
   * @throws a system error (EADDRINUSE ...); TypeError ERR_INVALID_ADDRESS,
   * ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  static override bind(address: AddressLike, options?: UdpSocketOptions): UdpSocket {
    const {
      reuseAddress = false,
      reusePort = false,
      recvBufferSizeBytes = 0,
      sendBufferSizeBytes = 0,
    } = requireOptions('options', options, OPTION_NAMES);
    requireBoolean('reuseAddress', reuseAddress);
    requireBoolean('reusePort', reusePort);
    const sizes = { min: 0, max: SOCKET_BUFFER_BYTES_MAX };
    requireInteger('recvBufferSizeBytes', recvBufferSizeBytes, sizes);
    requireInteger('sendBufferSizeBytes', sendBufferSizeBytes, sizes);
    const driver = currentDriver();
    writeAddress(driver.io.address, address);
    const endpoint = readAddress(driver.io.address);
    const handle = driver.io.udpBind(
      reuseAddress,
      reusePort,
      recvBufferSizeBytes,
      sendBufferSizeBytes,
    );
    if (handle < 0) throw systemError(handle, 'bind', endpoint);
    return new UdpSocket(driver, handle);
  }

  /** Fixes the peer: {@link send} goes there, and only its datagrams are received. */
  connect(address: AddressLike): void {
    writeAddress(this.io.address, address);
    const endpoint = readAddress(this.io.address);
    const result = this.io.udpConnect(this.handle);
    if (result < 0) throw this.failure(result, 'connect', endpoint);
  }

  /**
   * Receives one datagram into `buffer`; null when none waits.
   *
   * @throws a system error (ECONNREFUSED on a connected socket ...);
   * ERR_SOURCE_CLOSED; TypeError ERR_INVALID_ARG_TYPE
   */
  recvFrom(buffer: Uint8Array): Datagram | null {
    const result = this.io.recvFrom(this.handle, buffer);
    if (result < 0) return this.refused(result, 'recvfrom', Interest.READABLE);
    return {
      size: result & ~RECV_TRUNCATED,
      address: readAddress(this.io.address),
      truncated: (result & RECV_TRUNCATED) !== 0,
    };
  }

  /**
   * Sends `buffer` as one datagram. Returns its size; null when the system has
   * no room for it now.
   *
   * @throws a system error (EMSGSIZE, ENETUNREACH ...); ERR_SOURCE_CLOSED;
   * TypeError ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  sendTo(buffer: Uint8Array, address: AddressLike): number | null {
    writeAddress(this.io.address, address);
    const result = this.io.sendTo(this.handle, buffer);
    return result >= 0 ? result : this.refused(result, 'sendto', Interest.WRITABLE);
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

  get localAddress(): SocketAddress {
    this.check(this.io.localAddress(this.handle), 'getsockname');
    return readAddress(this.io.address);
  }
}
