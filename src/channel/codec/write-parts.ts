/** What several kinds of objects are written with. */
import * as tag from './tags.js';
import { writeText } from './texts.js';
import type { Writer } from './writer.js';

/** Keys, each with its value. */
export function writeProperties(
  writer: Writer,
  object: object,
  keys: readonly string[],
  at: number,
): number {
  let to = writer.count(keys.length, at);
  for (const key of keys) {
    to = writeText(writer, key, to);
    const value = (object as Record<string, unknown>)[key];
    to = value === undefined ? writer.undefinedOf(object, key, to) : writer.value(value, to);
  }
  return to;
}

/** Something that travels beside the frame. */
export function writeForeign(writer: Writer, value: object, at: number): number {
  return writer.count(writer.addForeign(value), writer.byte(tag.FOREIGN, at));
}
