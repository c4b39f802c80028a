import { invalidType, systemError } from '../errors.js';
import { SOCKET_BUFFER_BYTES_MAX } from '../limits.js';
import { currentDriver } from '../poll/current-driver.js';
import { UdpOption } from '../poll/datagram-io.js';
import { type Driver, type Handle, RECV_TRUNCATED } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import { Source } from '../poll/source.js';
import { acquire, type SourceHandle, type SourceKind } from '../poll/source-handle.js';
import { requireBoolean, requireInteger, requireOptions, requirePart } from '../validate.js';
import { type AddressLike, readAddress, type SocketAddress, writeAddress } from './address.js';
import { DatagramBatch } from './datagram-batch.js';
import { interfaceOf, type MulticastInterface, writeMembership } from './multicast.js';

/** Options of `UdpSocket.bind()`. */
export interface UdpSocketOptions {
  /** Lets several sockets bind the address, as multicast receivers do. @default false */
  reuseAddress?: boolean;
  /** Lets several sockets share the address; the kernel spreads datagrams. @default false */
  reusePort?: boolean;
  /**
   * What may wait to be received; the system may take less, or more. 0 to 2^30;
   * 0: the system's default. @default 0
   */
  recvBufferSizeBytes?: number;
  /** What may wait to be sent, likewise. @default 0 */
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

/** One byte in the header of IP. */
const TTL_MAX = 255;

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

  /**
   * The socket that {@link transfer} of a `UdpSocket` gave away, on whichever thread:
   * it belongs to the calling thread from now on. A handle is good for one call.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle,
   * ERR_INVALID_ARG_VALUE for one of another class; MillraceError
   * ERR_HANDLE_SPENT, ERR_DRIVER_MISMATCH
   */
  static from(handle: SourceHandle): UdpSocket {
    const acquired = acquire('UdpSocket', handle);
    return new UdpSocket(acquired.driver, acquired.handle);
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
   * Sends `buffer`, or its part from `start` to `end`, as one datagram. Returns
   * its size; null when the system has no room for it now.
   *
   * @throws a system error (EMSGSIZE, ENETUNREACH ...); ERR_SOURCE_CLOSED;
   * TypeError ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  sendTo(buffer: Uint8Array, address: AddressLike, start?: number, end?: number): number | null {
    writeAddress(this.io.address, address);
    const result = this.#sendPart(buffer, start, end);
    if (result >= 0) return result;
    return this.refused(result, 'sendto', Interest.WRITABLE, readAddress(this.io.address));
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

  /**
   * Receives the datagrams that wait into `batch`, as many as it holds, with
   * one system call. Returns `batch.count`; 0 when none waits. Fewer than its
   * capacity: no more waited, and one that comes now is a new edge.
   *
   * @throws a system error (ECONNREFUSED on a connected socket ...);
   * ERR_SOURCE_CLOSED; ERR_DRIVER_MISMATCH; TypeError ERR_INVALID_ARG_TYPE,
   * ERR_INVALID_ARG_VALUE
   */
  recvMany(batch: DatagramBatch): number {
    const result = requireBatch(batch).receiveOn(this.io, this.handle);
    if (result === batch.capacity) return result;
    if (result < 0) this.refused(result, 'recvmmsg', Interest.READABLE);
    else this.registration?.rearm(Interest.READABLE);
    return batch.count;
  }

  /**
   * Sends the datagrams of `batch` from number `start` on, in order, with one
   * system call. Returns how many were sent: fewer than there are mean that
   * the system has no room now. When the socket is writable again,
   * `sendMany(batch, start + sent)` goes on.
   *
   * Datagrams that `recvMany()` left in the batch go back to where they came
   * from. Cheapest are datagrams of one size to one address in a row, which
   * Linux handles as one until they arrive.
   *
   * @param start 0 to `batch.count`
   * @throws the system error (EMSGSIZE, ENETUNREACH ...) of the first that
   * could not be sent, whose property `sent` counts those before it: go on
   * with `start + sent + 1` to leave it out; otherwise as {@link recvMany}
   */
  sendMany(batch: DatagramBatch, start = 0): number {
    const { count } = requireBatch(batch);
    requireInteger('start', start, { min: 0, max: count });
    // With nothing to send the driver would not notice.
    if (this.closed) throw this.failure(0, 'sendMany');
    const sent = batch.sendOn(this.io, this.handle, start);
    if (sent === count - start) return sent;
    if (sent < 0) throw Object.assign(this.failure(sent, 'sendmmsg'), { sent: batch.sentCount });
    this.registration?.rearm(Interest.WRITABLE);
    return sent;
  }

  /**
   * Receives what is sent to a group. Bind to its port (and with
   * `reuseAddress`, where others do the same).
   *
   * @param group an IPv4 or IPv6 multicast address; `'ff02::1%eth0'` names the
   * interface as well
   * @param iface the interface to listen on: for IPv4 one of its addresses,
   * for IPv6 its index or name, see {@link MulticastInterface}. Absent: the
   * system chooses
   * @throws a system error (EINVAL for no multicast address, ENODEV,
   * EADDRINUSE when joined already ...); ERR_SOURCE_CLOSED; TypeError
   * ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  joinMulticast(group: string, iface?: MulticastInterface): void {
    this.#setMembership(true, group, iface);
  }

  /** Ends {@link joinMulticast}, whose arguments and errors it has. EADDRNOTAVAIL: not joined. */
  leaveMulticast(group: string, iface?: MulticastInterface): void {
    this.#setMembership(false, group, iface);
  }

  /**
   * The interface by which datagrams to groups leave: an IPv4 address for an
   * IPv4 socket, an index or name for an IPv6 socket; `'0.0.0.0'` or 0 leaves
   * it to the system. Errors as {@link joinMulticast}.
   */
  setMulticastInterface(iface: MulticastInterface): void {
    const chosen = interfaceOf(this.io, iface);
    const result = this.io.udpMulticastInterface(this.handle, chosen.family, chosen.iface);
    this.check(result, 'setsockopt');
  }

  /** Whether datagrams to groups come back to this machine's own members. The system: on. */
  setMulticastLoop(on = true): void {
    requireBoolean('on', on);
    this.#setOption(UdpOption.MULTICAST_LOOP, on ? 1 : 0);
  }

  /**
   * How far datagrams to groups may go, 0 to 255: 0 stays on this machine, 1
   * (the system's default) on the local network.
   */
  setMulticastTtl(ttl: number): void {
    this.#setOption(UdpOption.MULTICAST_TTL, requireInteger('ttl', ttl, { min: 0, max: TTL_MAX }));
  }

  /** Whether sending to broadcast addresses is allowed (EACCES otherwise). The system: off. */
  setBroadcast(on = true): void {
    requireBoolean('on', on);
    this.#setOption(UdpOption.BROADCAST, on ? 1 : 0);
  }

  /** How far all other datagrams may go: the routers they pass and one, 1 to 255. */
  setTtl(ttl: number): void {
    this.#setOption(UdpOption.TTL, requireInteger('ttl', ttl, { min: 1, max: TTL_MAX }));
  }

  /** Where it is bound, with the port that the system chose. @throws ERR_SOURCE_CLOSED */
  get localAddress(): SocketAddress {
    this.check(this.io.localAddress(this.handle), 'getsockname');
    return readAddress(this.io.address);
  }

  /** @internal */
  protected override get kind(): SourceKind {
    return 'UdpSocket';
  }

  #sendPart(buffer: Uint8Array, start?: number, end?: number): number {
    if (start === undefined && end === undefined) return this.io.sendTo(this.handle, buffer);
    const part = requirePart(buffer, start, end);
    return this.io.sendTo(this.handle, buffer, part.start, part.end);
  }

  #setMembership(join: boolean, group: string, iface: MulticastInterface | undefined): void {
    if (this.closed) throw this.failure(0, join ? 'joinMulticast' : 'leaveMulticast');
    const index = writeMembership(this.io, group, iface);
    const result = this.io.udpMembership(this.handle, join, index);
    if (result < 0) throw this.failure(result, 'setsockopt', { address: group });
  }

  #setOption(option: UdpOption, value: number): void {
    this.check(this.io.udpSetOption(this.handle, option, value), 'setsockopt');
  }
}

function requireBatch(batch: unknown): DatagramBatch {
  if (!DatagramBatch.isBatch(batch)) throw invalidType('batch', 'a DatagramBatch', batch);
  return batch;
}
