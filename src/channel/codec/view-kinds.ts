/** The classes of views on a buffer, by the byte that stands for them. */

type ViewClass = new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => ArrayBufferView;

/** Newer engines have further ones; they are added at the end. */
export const VIEW_CLASSES: readonly ViewClass[] = [
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  ...newerClasses(),
];

const NAMES = VIEW_CLASSES.map(({ name }) => name);

// What a view is made of tells its class, also where a prototype was exchanged.
// oxlint-disable-next-line typescript/unbound-method -- called on the view
const nameOfTypedArray = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined;

export function viewKindOf(view: ArrayBufferView): number {
  const kind = NAMES.indexOf(nameOfTypedArray.call(view) ?? 'DataView');
  if (kind < 0) throw new TypeError(`no view class ${String(nameOfTypedArray.call(view))}`);
  return kind;
}

export function elementSizeOf(kind: number): number {
  const { BYTES_PER_ELEMENT = 1 } = VIEW_CLASSES[kind] as { BYTES_PER_ELEMENT?: number };
  return BYTES_PER_ELEMENT;
}

function newerClasses(): ViewClass[] {
  const { Float16Array } = globalThis as { Float16Array?: ViewClass };
  return Float16Array === undefined ? [] : [Float16Array];
}
