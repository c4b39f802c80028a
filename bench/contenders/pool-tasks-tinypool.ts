/** The tasks as tinypool loads them: what is moved, not copied, has to be marked. */
import { Tinypool } from 'tinypool';
import { stamped } from './pool-tasks.js';

export { next, spin } from './pool-tasks.js';

export function stampedAndMoved(bytes: Uint8Array<ArrayBuffer>): unknown {
  return Tinypool.move(stamped(bytes));
}
