/**
 * Moving bytes, for every source that carries a stream of them. Which of the
 * methods users see is for the subclasses to say: a pipe has two ends that can
 * do half of it each.
 */
import { invalidType, outOfRange } from '../errors.js';
import { Interest } from '../poll/interest.js';
import { Source } from '../poll/source.js';
import { requireBytes } from '../validate.js';

export abstract class ByteSource extends Source {
  /** @internal */
  protected readBytes(buffer: Uint8Array, start?: number, end?: number): number | null {
    const result = this.readPart(buffer, start, end);
    if (result > 0) return result;
    if (result < 0) return this.refused(result, 'read', Interest.READABLE);
    requireRoom((end ?? buffer.length) - (start ?? 0));
    return 0;
  }

  /** @internal */
  protected writeBytes(buffer: Uint8Array, start?: number, end?: number): number | null {
    const result = this.writePart(buffer, start, end);
    return result >= 0 ? result : this.refused(result, 'write', Interest.WRITABLE);
  }

  /** @internal */
  protected writeAll(buffers: readonly Uint8Array[]): number | null {
    if (!Array.isArray(buffers)) throw invalidType('buffers', 'an array of Uint8Array', buffers);
    for (const buffer of buffers) requireBytes('buffers', buffer);
    const result = this.gather(buffers);
    return result >= 0 ? result : this.refused(result, 'writev', Interest.WRITABLE);
  }

  /** @internal */
  protected gather(buffers: readonly Uint8Array[]): number {
    return this.io.writev(this.handle, buffers);
  }
}

/** Refuses a buffer without room, for which 0 would not mean the end. */
export function requireRoom(roomBytes: number): void {
  if (roomBytes === 0) throw outOfRange('room in buffer', 'at least 1 byte (0 means the end)', 0);
}
