/** Listening at addresses and connecting to them, whichever kind they are of. */
import { statSync, unlinkSync } from 'node:fs';
import { enterDriver } from '../poll/current-driver.js';
import type { Driver } from '../poll/driver.js';
import { readAddress, writeAddress } from '../socket/address.js';
import { TcpListener } from '../socket/tcp-listener.js';
import { TcpStream } from '../socket/tcp-stream.js';
import { encodePath, pathOf } from '../socket/unix-address.js';
import { UnixListener } from '../socket/unix-listener.js';
import { UnixStream } from '../socket/unix-stream.js';
import { nativeDriver } from '../poll/native-driver.js';
import type { NetAddressLike } from './config.js';

export type NetListener = TcpListener | UnixListener;
export type NetStream = TcpStream | UnixStream;

export function isUnix(address: unknown): address is { path: string } {
  return typeof address === 'object' && address !== null && 'path' in address;
}

/** A copy of the address, found good. */
export function requireNetAddress(address: unknown): NetAddressLike {
  if (isUnix(address)) {
    const path = pathOf(address);
    encodePath(path);
    return { path };
  }
  const words = new Uint32Array(nativeDriver.io.address.length);
  writeAddress(words, address as string);
  const { address: host, port } = readAddress(words);
  return { host, port };
}

/** On the loop's own driver, also outside of its ticks. */
export function listenAt(
  driver: Driver,
  address: NetAddressLike,
  { reusePort }: { reusePort: boolean },
): NetListener {
  return on(driver, () =>
    isUnix(address) ? UnixListener.bind(address) : TcpListener.bind(address, { reusePort }),
  );
}

export function connectTo(driver: Driver, address: NetAddressLike): NetStream {
  return on(driver, () =>
    isUnix(address) ? UnixStream.connect(address) : TcpStream.connect(address),
  );
}

export function applyOptions(
  stream: NetStream,
  { noDelay, keepAliveMs }: { noDelay: boolean; keepAliveMs: number },
): void {
  if (!(stream instanceof TcpStream)) return;
  // Both are off in a new socket.
  if (noDelay) stream.setNoDelay(true);
  if (keepAliveMs > 0) stream.setKeepAlive(keepAliveMs);
}

/**
 * The file that a Unix listener has made. It outlives its socket, and would be
 * in the way of the next one, so who bound it removes it; but not what
 * somebody else has put in its place meanwhile.
 */
export class SocketFile {
  readonly #path: string;
  /** Device and number, as text. */
  readonly identity: string | null;

  /** To be made right after the bind, unless it is known which file that has made. */
  constructor(path: string, identity: string | null = identityOf(path)) {
    this.#path = path;
    this.identity = identity;
  }

  remove(): void {
    if (this.identity === null || identityOf(this.#path) !== this.identity) return;
    try {
      unlinkSync(this.#path);
    } catch {
      // Its directory may not be ours to change: the file stays.
    }
  }
}

/** Null for what is no file: a name in the abstract namespace, another driver's. */
function identityOf(path: string): string | null {
  if (path.startsWith('\0')) return null;
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined || !stats.isSocket() ? null : `${stats.dev}:${stats.ino}`;
}

function on<R>(driver: Driver, action: () => R): R {
  const previous = enterDriver(driver);
  try {
    return action();
  } finally {
    enterDriver(previous);
  }
}
