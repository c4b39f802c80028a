/**
 * Which driver `bind()` and `connect()` use: that of the loop being run on
 * this thread, so that handlers open their sockets in the same world they are
 * called from; outside of any loop, the native one.
 */
import { invalidType } from '../errors.js';
import type { Driver } from './driver.js';
import { nativeDriver } from './native-driver.js';

let current: Driver = nativeDriver;

export function currentDriver(): Driver {
  return current;
}

/** Makes a driver current and returns the one to be put back afterwards. */
export function enterDriver(driver: Driver): Driver {
  const previous = current;
  current = driver;
  return previous;
}

/** @throws TypeError ERR_INVALID_ARG_TYPE for what has not even the outline of a driver */
export function requireDriver(name: string, value: unknown): Driver {
  const { openPoller, now, io } = (value ?? {}) as Partial<Driver>;
  const isDriver =
    typeof openPoller === 'function' && typeof now === 'function' && typeof io === 'object';
  if (!isDriver) throw invalidType(name, 'a Driver', value);
  return value as Driver;
}
