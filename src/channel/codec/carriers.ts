/**
 * Classes of our own that cross threads as themselves: references to actors,
 * senders, sockets. Each is taken apart into fields and put together again by
 * a function that knows what the fields mean on the other side.
 */
import { outOfRange, typeErrorWith } from '../../errors.js';

const ID_MAX = 255;

export interface Carrier<T> {
  /** 0 to 255, the same in all threads. */
  readonly id: number;
  readonly type: abstract new (...args: never[]) => T;
  /** What travels. A field must not lead back to the object itself. */
  readonly fields: readonly (keyof T & string)[];
  /**
   * With the values of the fields in their order. Must not throw: the rest of
   * the frame, and what it defines, would be lost.
   */
  create(...values: unknown[]): T;
}

const carriers = new Map<number, Carrier<unknown>>();

/** In every thread, before the first message with such an object. */
export function registerCarrier<T>(carrier: Carrier<T>): void {
  const { id } = carrier;
  if (!Number.isInteger(id) || id < 0 || id > ID_MAX) {
    throw outOfRange('carrier.id', `a whole number from 0 to ${ID_MAX}`, id);
  }
  const present = carriers.get(id);
  if (present !== undefined && present.type !== carrier.type) {
    const message = `carrier ${id} is taken by ${present.type.name}; choose another number`;
    throw typeErrorWith('ERR_INVALID_ARG_VALUE', message);
  }
  carriers.set(id, carrier as Carrier<unknown>);
}

/** How many there are; changes when what was decided about a class may be wrong. */
export function carrierCount(): number {
  return carriers.size;
}

export function carrierWithId(id: number): Carrier<unknown> | undefined {
  return carriers.get(id);
}

/** The carrier of objects with this prototype, own or inherited. */
export function carrierOfPrototype(prototype: object): Carrier<unknown> | undefined {
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at)) {
    for (const carrier of carriers.values()) if (carrier.type.prototype === at) return carrier;
  }
  return undefined;
}
