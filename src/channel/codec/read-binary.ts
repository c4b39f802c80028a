/** ArrayBuffers and the views on them. */
import { Malformed, type Reader } from './reader.js';
import { VIEW_CLASSES } from './view-kinds.js';

export function readBytes(reader: Reader): Uint8Array {
  const length = reader.count();
  reader.skip(reader.byte());
  const at = reader.skip(length);
  const array = reader.bytes.slice(at, at + length);
  if (reader.table !== null) reader.table.push(array, array.buffer);
  return array;
}

export function readBuffer(reader: Reader): ArrayBuffer {
  const length = reader.count();
  const at = reader.skip(length);
  const { buffer } = reader.bytes.slice(at, at + length);
  reader.table?.push(buffer);
  return buffer;
}

export function readView(reader: Reader): ArrayBufferView {
  const View = VIEW_CLASSES[reader.byte()];
  if (View === undefined) throw new Malformed('no such view');
  const byteOffset = reader.count();
  const length = reader.count();
  const { table } = reader;
  // The view has begun before its buffer, and cannot be made before it is there.
  const place = (table?.push(undefined) ?? 0) - 1;
  const buffer = reader.value();
  if (!(buffer instanceof ArrayBuffer || buffer instanceof SharedArrayBuffer)) {
    throw new Malformed('a view of no buffer');
  }
  const view = new View(buffer, byteOffset, length);
  if (table !== null) table[place] = view;
  return view;
}
