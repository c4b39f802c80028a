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

/**
 * The engine copies into and out of shared memory a word at a time if source
 * and target are aligned, and else a byte at a time: 64 of them take 20 ns more.
 */
const WORD = 8;
/** Of fewer bytes nothing is gained. */
const ALIGNED_MIN = 2 * WORD;

/** A Uint8Array or a Buffer. One that has its buffer for itself needs no more than its bytes. */
export function writeByteArray(writer: Writer, array: Uint8Array, at: number): number {
  const { buffer, length } = array;
  const isWhole =
    length > 0 &&
    length === buffer.byteLength &&
    buffer instanceof ArrayBuffer &&
    !(buffer as Resizable).resizable;
  if (!isWhole || writer.transfer?.has(buffer) || writer.references.meet(buffer) >= 0) {
    return writeView(writer, array, at);
  }
  const to = writer.count(length, writer.byte(tag.BYTES, at));
  const gap = length < ALIGNED_MIN ? 0 : -(to + 1) & (WORD - 1);
  return writer.copy(array, writer.byte(gap, to) + gap);
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
