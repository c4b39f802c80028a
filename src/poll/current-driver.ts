/**
 * Which driver `bind()` and `connect()` use: that of the loop being run on
 * this thread, so that handlers open their sockets in the same world they are
 * called from; outside of any loop, the native one.
 */
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
