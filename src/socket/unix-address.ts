/**
 * Addresses of Unix sockets: what users write, what they get back, and the
 * bytes in which they travel to and from the driver.
 */
import { invalidType, rangeErrorWith, shown, typeErrorWith } from '../errors.js';
import { UNIX_PATH_BYTES } from '../limits.js';
import { PATH_ROOM } from '../poll/unix-io.js';

/**
 * A path, or an object that has one. On Linux a path that begins with `'\0'`
 * is a name in the abstract namespace, which no file stands for.
 */
export type UnixAddressLike = string | { path: string } | UnixAddress;

/** What Unix sockets answer. */
export interface UnixAddress {
  /** Null for a socket without a name: a client, one of a pair. */
  readonly path: string | null;
}

/** As for IP addresses: programs send to few peers many times. */
const ENCODED_MAX = 1024;
const encoded = new Map<string, Uint8Array>();

/** Where the driver writes paths, one at a time: its size, then its bytes. */
export const pathRoom: Uint8Array = Buffer.alloc(PATH_ROOM);
const pathBytes = Buffer.from(pathRoom.buffer, pathRoom.byteOffset + 1, PATH_ROOM - 1);

/** The path that the driver has just written; null for no name. */
export function readPath(): string | null {
  const size = pathRoom[0];
  return size === 0 ? null : pathBytes.toString('utf8', 0, size);
}

/** The path of a user's address. */
export function pathOf(address: unknown): string {
  const isObject = typeof address === 'object' && address !== null;
  const path = isObject ? (address as { path?: unknown }).path : address;
  if (typeof path === 'string') return path;
  if (path === null && isObject) throw invalidPath(address, 'it is of a socket without a name');
  if (!isObject) throw invalidType('address', 'a path or { path }', address);
  throw invalidType('address.path', 'a string', path);
}

/**
 * The bytes of a path.
 *
 * @throws TypeError ERR_INVALID_ADDRESS; RangeError ERR_INVALID_ADDRESS for
 * one that is too long
 */
export function encodePath(path: string): Uint8Array {
  const known = encoded.get(path);
  if (known !== undefined) return known;
  const bytes = Buffer.from(path, 'utf8');
  const isAbstract = bytes[0] === 0;
  if (bytes.length === 0) throw invalidPath(path, 'it is empty');
  if (isAbstract && process.platform !== 'linux') {
    throw invalidPath(path, 'abstract names are known to Linux alone');
  }
  if (!isAbstract && bytes.includes(0)) throw invalidPath(path, 'it has a null byte in it');
  // The kernel wants a null byte behind a path; a name may take all there is.
  const sizeMax = isAbstract ? UNIX_PATH_BYTES : UNIX_PATH_BYTES - 1;
  if (bytes.length > sizeMax) {
    throw rangeErrorWith(
      'ERR_INVALID_ADDRESS',
      `the path of a Unix socket takes at most ${sizeMax} bytes, this one ${bytes.length}: ` +
        `${shown(path)}; choose a shorter one, or a relative one`,
    );
  }
  if (encoded.size >= ENCODED_MAX) encoded.clear();
  encoded.set(path, bytes);
  return bytes;
}

function invalidPath(value: unknown, reason: string): TypeError {
  return typeErrorWith(
    'ERR_INVALID_ADDRESS',
    `cannot use ${shown(value)} as the path of a Unix socket: ${reason}`,
  );
}
