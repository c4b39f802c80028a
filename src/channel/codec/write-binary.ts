/** ArrayBuffers and the views on them. */
import * as tag from './tags.js';
import { cloneError } from './uncloneable.js';
import { elementSizeOf, viewKindOf } from './view-kinds.js';
import { writeForeign } from './write-parts.js';
import type { Writer } from './writer.js';

/** In the type library from ES2024 on. */
interface Resizable {
  readonly resizable?: boolean;
  readonly growable?: boolean;
}

const BUFFER_PROTOTYPE = ArrayBuffer.prototype;

/** A Uint8Array or a Buffer. One that has its buffer for itself needs no more than its bytes. */
export function writeByteArray(writer: Writer, array: Uint8Array, at: number): number {
  const { buffer, length } = array;
  const isWhole =
    length > 0 &&
    length === buffer.byteLength &&
    Object.getPrototypeOf(buffer) === BUFFER_PROTOTYPE &&
    !(buffer as Resizable).resizable;
  if (!isWhole || writer.transfer?.has(buffer) || writer.references.meet(buffer) >= 0) {
    return writeView(writer, array, at);
  }
  return writer.copy(array, writer.count(length, writer.byte(tag.BYTES, at)));
}

export function writeView(writer: Writer, view: ArrayBufferView, at: number): number {
  // Whether a view follows the length of its buffer is known to the engine alone.
  if (canChangeLength(view.buffer)) return writeForeign(writer, view, at);
  const kind = viewKindOf(view);
  let to = writer.byte(kind, writer.byte(tag.VIEW, at));
  to = writer.count(view.byteOffset, to);
  to = writer.count(view.byteLength / elementSizeOf(kind), to);
  return writer.value(view.buffer, to);
}

/** Not a shared one. */
export function writeBuffer(writer: Writer, buffer: ArrayBuffer, at: number): number {
  if (canChangeLength(buffer)) return writeForeign(writer, buffer, at);
  if (buffer.byteLength === 0 && isDetached(buffer)) throw cloneError(buffer);
  const to = writer.count(buffer.byteLength, writer.byte(tag.BUFFER, at));
  return writer.copy(new Uint8Array(buffer), to);
}

function canChangeLength(buffer: ArrayBufferLike): boolean {
  const { resizable, growable } = buffer as Resizable;
  return resizable === true || growable === true;
}

function isDetached(buffer: ArrayBuffer): boolean {
  try {
    return new Uint8Array(buffer).length > 0;
  } catch {
    return true;
  }
}
