/**
 * What to do with an object that is neither plain nor an array nor bytes. Its
 * prototype tells, after one object with it was looked at closely.
 */
import { types } from 'node:util';
import { carrierCount, carrierOfPrototype } from './carriers.js';
import { asCloneError, cloneError } from './uncloneable.js';
import { writeBuffer, writeView } from './write-binary.js';
import {
  writeBoxed,
  writeCarrier,
  writeDate,
  writeMap,
  writeRegExp,
  writeSet,
} from './write-builtin.js';
import { writeError } from './write-error.js';
import { writeForeign } from './write-parts.js';
import type { Writer } from './writer.js';

/** As a method, so that each may ask for objects of its own kind. */
type ObjectWriter = {
  write(writer: Writer, value: object, at: number): number;
}['write'];

/** A kind of object; the engine knows it by what it is made of, not by its prototype. */
interface Kind {
  is(value: unknown): boolean;
  /** Null: as a plain object. */
  readonly write: ObjectWriter | null;
}

const refuse: ObjectWriter = (_, value) => {
  throw cloneError(value);
};

const PLAIN: Kind = { is: (value) => !types.isProxy(value), write: null };
const FOREIGN: Kind = { is: () => true, write: writeForeign };
const DOM_EXCEPTION: Kind = { is: (value) => value instanceof DOMException, write: writeError };

/** The likelier ones first, since a proxy or a promise is an error anyway. */
const KINDS: readonly Kind[] = [
  { is: types.isMap, write: writeMap },
  { is: types.isSet, write: writeSet },
  { is: types.isDate, write: writeDate },
  { is: types.isNativeError, write: writeError },
  { is: (value) => ArrayBuffer.isView(value), write: writeView },
  { is: types.isArrayBuffer, write: writeBuffer },
  { is: types.isRegExp, write: writeRegExp },
  { is: types.isBoxedPrimitive, write: writeBoxed },
  { is: types.isSharedArrayBuffer, write: writeForeign },
  { is: types.isProxy, write: refuse },
  { is: types.isPromise, write: refuse },
  { is: types.isWeakMap, write: refuse },
  { is: types.isWeakSet, write: refuse },
  { is: types.isGeneratorObject, write: refuse },
  { is: types.isMapIterator, write: refuse },
  { is: types.isSetIterator, write: refuse },
  { is: types.isModuleNamespaceObject, write: refuse },
  { is: types.isArgumentsObject, write: refuse },
  { is: types.isExternal, write: refuse },
];

let decided = new WeakMap<object, Kind>();
let decidedWithCarriers = 0;

/** How to write the object; null if as a plain one. */
export function writerOf(value: object, prototype: object | null): ObjectWriter | null {
  // These have many kinds of objects below them, and are rare here.
  if (prototype === null || prototype === Object.prototype) return builtInKind(value).write;
  if (decidedWithCarriers !== carrierCount()) {
    decidedWithCarriers = carrierCount();
    decided = new WeakMap();
  }
  const known = decided.get(prototype);
  if (known === undefined) return decide(value, prototype).write;
  return known.is(value) ? known.write : builtInKind(value).write;
}

function builtInKind(value: object): Kind {
  return KINDS.find((kind) => kind.is(value)) ?? PLAIN;
}

function decide(value: object, prototype: object): Kind {
  const kind = kindOf(value, prototype);
  if (kind !== null) decided.set(prototype, kind);
  return kind ?? PLAIN;
}

/** Null for a plain one that does not prove it. */
function kindOf(value: object, prototype: object): Kind | null {
  // A proxy shows the prototype of its target, and must not speak for it.
  if (types.isProxy(value)) return refuseOnce(value);
  const carrier = carrierOfPrototype(prototype);
  if (carrier !== undefined) {
    const write = (writer: Writer, object: object, at: number) =>
      writeCarrier(writer, object, carrier, at);
    return { is: () => true, write };
  }
  if (DOM_EXCEPTION.is(value)) return DOM_EXCEPTION;
  const builtIn = builtInKind(value);
  return builtIn === PLAIN ? platformKind(value) : builtIn;
}

function refuseOnce(value: object): never {
  throw cloneError(value);
}

/**
 * A class of the user's or an object of the platform, such as a Blob? What
 * structuredClone makes of one object answers for all of the prototype.
 */
function platformKind(value: object): Kind | null {
  try {
    const clone: unknown = structuredClone(value);
    return Object.getPrototypeOf(clone) === Object.prototype ? PLAIN : FOREIGN;
  } catch (error) {
    const refusal = asCloneError(error);
    // A refusal may be of the object itself or of something inside it.
    if (refusal !== null && isCloneable({ ...value })) throw refusal;
    return null;
  }
}

function isCloneable(value: object): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
