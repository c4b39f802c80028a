/**
 * Handles of sources in flight: what `source.transfer()` returns, and how
 * `from()` of each class gets a source back.
 */
import { constants } from 'node:os';
import { invalidType, invalidValue, MillraceError, systemError } from '../errors.js';
import { currentDriver } from './current-driver.js';
import type { Driver, Handle } from './driver.js';

const ENOENT = -constants.errno.ENOENT;

/** Descriptors are C ints. */
const FD_MAX = 2 ** 31 - 1;

/** By their place here the driver knows them; both ends of a flight have the same list. */
const SOURCE_KINDS = [
  'TcpListener',
  'TcpStream',
  'UdpSocket',
  'UnixListener',
  'UnixStream',
  'UnixDatagram',
  'PipeReader',
  'PipeWriter',
  'FdSource',
] as const;

/** The class whose `from()` takes the handle. */
export type SourceKind = (typeof SOURCE_KINDS)[number];

/**
 * What `source.transfer()` returns and `from()` takes, once: plain values, so
 * that it can be sent in any message, inside others too. It means nothing to
 * other processes.
 */
export interface SourceHandle {
  readonly millrace: 'source';
  readonly kind: SourceKind;
  /** The name of the driver that it was opened on. */
  readonly driver: string;
  /** What the driver calls it: a file descriptor on `native`. */
  readonly fd: Handle;
  /** Tells it from whatever had this number before, or will have it. */
  readonly generation: number;
}

/** @internal */
export function numberOf(kind: SourceKind): number {
  return SOURCE_KINDS.indexOf(kind);
}

/**
 * Takes over what is in flight, for a source of this kind.
 *
 * @internal
 */
export function acquire(kind: SourceKind, given: unknown): { driver: Driver; handle: Handle } {
  // A copy, so that what is checked is what is used.
  const flight = { ...(given as SourceHandle) };
  if (!isSourceHandle(flight)) {
    throw invalidType('handle', `what transfer() of a ${kind} returned`, given);
  }
  if (flight.kind !== kind) {
    throw invalidValue('handle', `of a ${kind} (use ${flight.kind}.from())`, given);
  }
  const driver = currentDriver();
  if (flight.driver !== driver.name) throw otherDriver(flight, driver);
  const handle = driver.io.acquire(flight.fd, flight.generation, numberOf(kind));
  if (handle === ENOENT) throw notInFlight(kind);
  if (handle < 0) throw systemError(handle, 'from');
  return { driver, handle };
}

/**
 * Closes what is in flight under this handle; nothing if it was taken. For
 * whoever knows that nobody else will ever take it.
 *
 * @internal
 */
export function closeFlight({ name, io }: Driver, flight: SourceHandle): void {
  if (flight.driver !== name) return;
  const handle = io.acquire(flight.fd, flight.generation, numberOf(flight.kind));
  if (handle >= 0) io.close(handle);
}

/** @internal */
export function isSourceHandle(value: object): value is SourceHandle {
  // Before the others, which in any object may be getters.
  if ((value as Partial<SourceHandle>).millrace !== 'source') return false;
  const { kind, driver, fd, generation } = value as Partial<SourceHandle>;
  return (
    SOURCE_KINDS.includes(kind as SourceKind) &&
    typeof driver === 'string' &&
    isWhole(fd, 0, FD_MAX) &&
    isWhole(generation, 1, Number.MAX_SAFE_INTEGER)
  );
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function notInFlight(kind: SourceKind): MillraceError {
  return new MillraceError(
    'ERR_HANDLE_SPENT',
    `no ${kind} is in flight under this handle; it is good for one from(), in the process of ` +
      'the transfer()',
  );
}

function otherDriver(flight: SourceHandle, driver: Driver): MillraceError {
  return new MillraceError(
    'ERR_DRIVER_MISMATCH',
    `this ${flight.kind} was opened on the driver "${flight.driver}", from() was called on ` +
      `"${driver.name}"; call it in a callback of a loop of that driver`,
  );
}
