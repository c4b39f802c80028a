/**
 * Errors (rule A8), which structuredClone reduces to message and stack: here
 * they keep their class and every own field that can be cloned.
 */
import { ERROR_CLASSES, errorClassOf } from './error-classes.js';
import * as tag from './tags.js';
import { writeText } from './texts.js';
import type { Writer } from './writer.js';

export function writeError(writer: Writer, error: Error, at: number): number {
  const index = errorClassOf(error);
  let to = writer.byte(index, writer.byte(tag.ERROR, at));
  to = writeText(writer, stringOf(error, 'message'), to);
  to = writeText(writer, stringOf(error, 'name'), to);
  for (const key of Object.getOwnPropertyNames(error)) to = writeErrorField(writer, error, key, to);
  // A subclass of the user's has its name on its prototype, which stays behind.
  const name = stringOf(error, 'name');
  if (!Object.hasOwn(error, 'name') && name !== ownNameOf(index, error)) {
    to = writeText(writer, name, writer.byte(0, writeText(writer, 'name', to)));
  }
  return writer.byte(tag.END, to);
}

/** Drops the field again if it turns out that it cannot be cloned, or read. */
function writeErrorField(writer: Writer, error: Error, key: string, at: number): number {
  const mark = writer.mark(at);
  try {
    const isEnumerable = Object.prototype.propertyIsEnumerable.call(error, key);
    const value = (error as unknown as Record<string, unknown>)[key];
    const to = writer.byte(isEnumerable ? 1 : 0, writeText(writer, key, at));
    return writer.value(value, to);
  } catch (problem) {
    if (problem === writer.overflow) throw problem;
    return writer.dropTo(mark);
  }
}

function ownNameOf(index: number, error: Error): string {
  const { name } = ERROR_CLASSES[index] ?? {};
  // That of a DOMException is told to its constructor.
  return name === 'DOMException' || name === undefined ? stringOf(error, 'name') : name;
}

/** A field may hold anything, or be a getter that throws. */
function stringOf(error: Error, key: 'message' | 'name'): string {
  try {
    const text: unknown = error[key];
    return typeof text === 'string' ? text : '';
  } catch {
    return '';
  }
}
