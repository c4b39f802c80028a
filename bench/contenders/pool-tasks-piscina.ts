/** The tasks as piscina loads them: what is moved, not copied, has to be marked. */
import { move } from 'piscina';
import { stamped } from './pool-tasks.js';

export { next, spin } from './pool-tasks.js';

export function stampedAndMoved(bytes: Uint8Array<ArrayBuffer>): unknown {
  return move(stamped(bytes));
}
