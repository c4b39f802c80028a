/**
 * Errors that cross threads whole (rule A8). Structured cloning keeps of an
 * error its message, its stack and one of seven classes; `code`, `errno` and
 * all else is lost, and an own field that cannot be cloned makes it fail.
 *
 * A value is packed before it is posted: errors in it, at any depth, are
 * replaced by plain records, which are also listed beside it. A clone keeps
 * identity, so the receiver knows a record by being one of the list, and no
 * value of a user can be taken for one.
 *
 * Looked into are arrays, plain objects, maps, sets, and errors themselves.
 */
import { types } from 'node:util';
import { MillraceError } from '../errors.js';

/** What is posted in place of a value. */
export interface Packed {
  /** The records that stand for errors in the value, and in each other's fields. */
  errors: readonly PackedError[];
  value: unknown;
}

interface PackedError {
  /** One of {@link CLASSES}, or DOMException. */
  className: string;
  name: string;
  message: string;
  stack: string | undefined;
  /** Own fields that are enumerable, and those that are not, such as `cause`. */
  fields: Record<string, unknown>;
  hidden: Record<string, unknown>;
}

const CLASSES: Readonly<Record<string, { readonly prototype: Error }>> = {
  AggregateError,
  Error,
  EvalError,
  MillraceError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

const CLASS_NAMES = new Map<object, string>([
  ...Object.entries(CLASSES).map(([name, { prototype }]) => [prototype, name] as const),
  [DOMException.prototype, 'DOMException'],
]);

export function pack(value: unknown): Packed {
  // Most values hold no error. They are not copied.
  if (isEveryLeaf(value, (leaf) => !isError(leaf))) return { errors: [], value };
  const packing: Packing = { copies: new Map(), errors: new Map() };
  const copy = packedCopy(value, packing);
  // Fields may hold further errors, which then are visited too.
  for (const [error, packed] of packing.errors) packFields(error, packed, packing);
  // The last found first, and all before the value: so the clone of a long
  // chain of causes meets each as one that it knows, and does not go deep.
  return { errors: [...packing.errors.values()].toReversed(), value: copy };
}

/** The inverse of {@link pack}, on the clone. Changes the clone in place. */
export function unpack({ value, errors }: Packed): unknown {
  if (errors.length === 0) return value;
  const revived = new Map<unknown, Error>(errors.map((packed) => [packed, bareError(packed)]));
  const seen = new Set<object>();
  const revive = (part: unknown): unknown => {
    const error = revived.get(part);
    if (error !== undefined) return error;
    if (isContainer(part) && !seen.has(part)) {
      seen.add(part);
      replaceParts(part, revive);
    }
    return part;
  };
  for (const packed of errors) {
    const error = revived.get(packed) as Error;
    for (const [key, field] of Object.entries(packed.fields)) {
      define(error, key, revive(field), true);
    }
    for (const [key, field] of Object.entries(packed.hidden)) {
      define(error, key, revive(field), false);
    }
  }
  return revive(value);
}

interface Packing {
  copies: Map<object, Container>;
  errors: Map<Error, PackedError>;
}

/** The value with records in place of errors. What holds none is shared with the original. */
function packedCopy(value: unknown, packing: Packing): unknown {
  if (isError(value)) {
    const packed = packing.errors.get(value) ?? packedError(value);
    packing.errors.set(value, packed);
    return packed;
  }
  if (!isContainer(value)) return value;
  const known = packing.copies.get(value);
  if (known !== undefined) return known;
  const copy = shallowCopy(value);
  packing.copies.set(value, copy);
  replaceParts(copy, (part) => packedCopy(part, packing));
  return copy;
}

/** Without its fields, which may lead back to it. */
function packedError(error: Error): PackedError {
  return {
    className: classNameOf(error),
    name: textOf(error, 'name') ?? 'Error',
    message: textOf(error, 'message') ?? '',
    stack: textOf(error, 'stack'),
    fields: {},
    hidden: {},
  };
}

function packFields(error: Error, packed: PackedError, packing: Packing): void {
  for (const [key, { enumerable }] of Object.entries(Object.getOwnPropertyDescriptors(error))) {
    if (key === 'message' || key === 'stack') continue;
    try {
      const field: unknown = Reflect.get(error, key);
      if (!isEveryLeaf(field, canBeCloned)) continue;
      define(enumerable ? packed.fields : packed.hidden, key, packedCopy(field, packing), true);
    } catch {
      // A getter that throws has no value to send.
    }
  }
}

/**
 * The nearest class that the other side has as well, so that a user's subclass
 * of TypeError is a TypeError there. An error of another realm goes by its name.
 */
function classNameOf(error: Error): string {
  let prototype: unknown = Object.getPrototypeOf(error);
  while (typeof prototype === 'object' && prototype !== null) {
    const name = CLASS_NAMES.get(prototype);
    if (name !== undefined) return name;
    prototype = Object.getPrototypeOf(prototype);
  }
  const name = textOf(error, 'name') ?? '';
  return Object.hasOwn(CLASSES, name) ? name : 'Error';
}

function bareError({ className, name, message, stack }: PackedError): Error {
  const error = className === 'DOMException' ? new DOMException(message, name) : new Error(message);
  const known = CLASSES[className];
  // Made as an Error and moved, since constructors want arguments of many kinds.
  if (known !== undefined) Object.setPrototypeOf(error, known.prototype);
  define(error, 'stack', stack, false);
  if (error.name !== name) define(error, 'name', name, false);
  return error;
}

type Container = unknown[] | Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

/** What is looked into, and copied where it holds errors. */
function isContainer(value: unknown): value is Container {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value) || types.isMap(value) || types.isSet(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function shallowCopy(value: Container): Container {
  if (types.isMap(value)) return new Map(value);
  if (types.isSet(value)) return new Set(value);
  const copy: Container = Array.isArray(value) ? [] : {};
  // Holes stay holes.
  if (Array.isArray(value)) copy.length = value.length;
  for (const [key, part] of Object.entries(value)) define(copy, key, part, true);
  return copy;
}

/** Each part for what is made of it, in place and in order. */
function replaceParts(value: Container, replacement: (part: unknown) => unknown): void {
  if (types.isMap(value)) {
    const entries = [...value];
    value.clear();
    for (const [key, part] of entries) value.set(replacement(key), replacement(part));
  } else if (types.isSet(value)) {
    const parts = [...value];
    value.clear();
    for (const part of parts) value.add(replacement(part));
  } else {
    for (const [key, part] of Object.entries(value)) define(value, key, replacement(part), true);
  }
}

/** Whether the test holds for all that is in the value and is no container. */
function isEveryLeaf(value: unknown, test: (leaf: unknown) => boolean): boolean {
  const seen = new Set<unknown>();
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (!isContainer(next)) {
      if (!test(next)) return false;
    } else if (!seen.has(next)) {
      seen.add(next);
      for (const part of partsOf(next)) left.push(part);
    }
  }
  return true;
}

function partsOf(value: Container): Iterable<unknown> {
  if (types.isMap(value)) return [...value].flat(1);
  return types.isSet(value) ? value : Object.values(value);
}

function canBeCloned(leaf: unknown): boolean {
  if (isError(leaf)) return true;
  if (typeof leaf === 'function' || typeof leaf === 'symbol') return false;
  if (typeof leaf !== 'object') return true;
  try {
    structuredClone(leaf);
    return true;
  } catch {
    return false;
  }
}

function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

/** A getter may throw, or give something else than text. */
function textOf(error: Error, key: 'name' | 'message' | 'stack'): string | undefined {
  try {
    const value: unknown = error[key];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Not by assignment, which a key named `__proto__` or a getter of a class would catch. */
function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true });
}
