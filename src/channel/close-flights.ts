/**
 * What becomes of sources that move in a message which nobody will handle: a
 * dead letter, an answer that came too late. Its handles lead nobody to them any
 * more, so they are closed, and their peers learn it.
 *
 * A thread that ends needs none of this: what is entrusted to it is closed with
 * it (`native/core/in_flight.h`), in whichever queue of it the message was.
 */
import { types } from 'node:util';
import { FLIGHT_SEARCH_MAX } from '../limits.js';
import type { Driver } from '../poll/driver.js';
import { Source } from '../poll/source.js';
import { closeFlight, isSourceHandle } from '../poll/source-handle.js';

/**
 * Closes what is still in flight under a handle in `message`, however deep. What
 * was taken has its owner, and is left to it. Calls no code of the message.
 */
export function closeFlights(driver: Driver, message: unknown): void {
  if (!isObject(message) || driver.io.countInFlight() === 0) return;
  // Grows while it is gone through, so that what lies near the top comes first.
  const objects = new Set<object>([message]);
  for (const object of objects) {
    if (types.isProxy(object)) continue;
    if (isSourceHandle(object)) closeFlight(driver, object);
    for (const part of partsOf(object)) {
      if (objects.size === FLIGHT_SEARCH_MAX) break;
      if (isObject(part)) objects.add(part);
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** What a clone of it would have, without what a getter would have to be asked for. */
function partsOf(object: object): Iterable<unknown> {
  if (types.isMap(object)) return [...object].flat();
  if (types.isSet(object)) return object;
  const isBytes = ArrayBuffer.isView(object) || types.isAnyArrayBuffer(object);
  if (isBytes || Source.isSource(object)) return [];
  // Those of errors are not all enumerable; of other objects only such are cloned.
  const names = types.isNativeError(object)
    ? Object.getOwnPropertyNames(object)
    : Object.keys(object);
  return names.map((name) => Object.getOwnPropertyDescriptor(object, name)?.value as unknown);
}
