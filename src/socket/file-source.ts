/**
 * Byte sources that need not be sockets: they go through read(2) and write(2),
 * which take any descriptor.
 */
import { requirePart } from '../validate.js';
import { ByteSource } from './byte-source.js';

export abstract class FileSource extends ByteSource {
  /** @internal */
  protected override readPart(buffer: Uint8Array, start?: number, end?: number): number {
    if (start === undefined && end === undefined) return this.io.fileRead(this.handle, buffer);
    const part = requirePart(buffer, start, end);
    return this.io.fileRead(this.handle, buffer, part.start, part.end);
  }

  /** @internal */
  protected override writePart(buffer: Uint8Array, start?: number, end?: number): number {
    if (start === undefined && end === undefined) return this.io.fileWrite(this.handle, buffer);
    const part = requirePart(buffer, start, end);
    return this.io.fileWrite(this.handle, buffer, part.start, part.end);
  }

  /** @internal */
  protected override gather(buffers: readonly Uint8Array[]): number {
    return this.io.fileWritev(this.handle, buffers);
  }
}
