import { constants } from 'node:os';
import { systemError } from '../errors.js';
import { BACKLOG_MAX, DEFAULT_BACKLOG } from '../limits.js';
import { currentDriver } from '../poll/current-driver.js';
import type { Driver, Handle } from '../poll/driver.js';
import { Interest } from '../poll/interest.js';
import { Source } from '../poll/source.js';
import { requireBoolean, requireInteger, requireOptions } from '../validate.js';
import { type AddressLike, readAddress, type SocketAddress, writeAddress } from './address.js';
import { TcpStream } from './tcp-stream.js';

export interface TcpListenerOptions {
  /** Connections that may wait to be accepted. 1 to 65535. @default 1024 */
  backlog?: number;
  /** Lets several listeners share the address; the kernel spreads connections. @default false */
  reusePort?: boolean;
  /** Keeps an IPv6 wildcard address from taking IPv4 as well. @default false */
  ipv6Only?: boolean;
}

const { EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno;

/** What accept(2) says when a connection waits and the means to take it are missing. */
const EXHAUSTION = new Set([-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM]);

/** A listening TCP socket. Readable when a connection waits. */
export class TcpListener extends Source {
  /** Set while descriptors are short, so that they are probed for before an accept. */
  #scarce = false;

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
   * Takes one waiting connection; null when none waits.
   *
   * When the process or the system has run out of descriptors (or memory for
   * sockets), a registered listener answers null, falls silent, and becomes
   * readable again by itself once there are some: the waiting connections stay
   * in the backlog, and nothing spins. A listener that is not registered
   * throws the system error (EMFILE ...), since nobody would wake it.
   *
   * @throws a system error; ERR_SOURCE_CLOSED
   */
  accept(): TcpStream | null {
    if (this.#scarce && this.#suspendIfExhausted(this.io.probe())) return null;
    const handle = this.io.tcpAccept(this.handle);
    if (handle >= 0) return new TcpStream(this.driver, handle);
    if (this.#suspendIfExhausted(handle)) return null;
    this.#scarce = false;
    return this.refused(handle, 'accept', Interest.READABLE);
  }

  /** Where it listens, with the port that the system chose. */
  get localAddress(): SocketAddress {
    this.check(this.io.localAddress(this.handle), 'getsockname');
    return readAddress(this.io.address);
  }

  #suspendIfExhausted(result: number): boolean {
    if (result >= 0 || !EXHAUSTION.has(result)) return false;
    const { registration } = this;
    if (registration === null) throw this.failure(result, 'accept');
    this.#scarce = true;
    registration.registry.suspend(registration, this.driver.now());
    return true;
  }
}
