/**
 * Unix sockets, pipes and foreign descriptors: their part of the Driver
 * contract. Results are values or `-errno`, as everywhere in it.
 */
import type { Handle } from './driver.js';

/** Added to the size that {@link UnixIo.recvDescriptor} returns. */
export const RECV_LOST = 0x40000000;

/** Bytes that a path needs where one is returned: its size in the first, then the path. */
export const PATH_ROOM = 128;

/** Paths go in as their bytes, of which a first 0 marks an abstract name. */
export interface UnixIo {
  unixListen(path: Uint8Array, backlog: number): number;
  /** Connects at once, or not at all. */
  unixConnect(path: Uint8Array): number;
  /** Binds to the path, if there is one. */
  unixDatagramOpen(path?: Uint8Array): number;
  unixDatagramConnect(handle: Handle, path: Uint8Array): number;
  unixSendTo(handle: Handle, buffer: Uint8Array, path: Uint8Array): number;
  /** As `SocketIo.recvFrom()`; writes the sender's path. */
  unixRecvFrom(handle: Handle, buffer: Uint8Array, path: Uint8Array): number;
  /** Writes the path, of size 0 for a socket without one. */
  unixLocalPath(handle: Handle, path: Uint8Array): number;
  unixPeerPath(handle: Handle, path: Uint8Array): number;

  /** Two connected sockets; writes both handles. */
  unixPair(isDatagram: boolean, handles: Int32Array): number;
  /** Writes the handles of the reading and the writing end. */
  pipe(handles: Int32Array): number;

  /** Sends bytes and a duplicate of `passed` with them. */
  sendDescriptor(handle: Handle, buffer: Uint8Array, passed: Handle): number;
  /**
   * The size, plus {@link RECV_LOST} if a descriptor came that could not be
   * kept; writes its handle, or -1 where none came.
   */
  recvDescriptor(handle: Handle, buffer: Uint8Array, handles: Int32Array): number;

  /** Takes over a descriptor that was opened elsewhere; returns its handle. */
  adopt(fd: number): number;
  /** `SocketIo.read()` for what need not be a socket; so are the others. */
  fileRead(handle: Handle, buffer: Uint8Array, start?: number, end?: number): number;
  fileWrite(handle: Handle, buffer: Uint8Array, start?: number, end?: number): number;
  fileWritev(handle: Handle, buffers: readonly Uint8Array[]): number;
}
