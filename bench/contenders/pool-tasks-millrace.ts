/** The tasks as Millrace's pool loads them: what is moved, not copied, has to be marked. */
import { transfer } from 'millrace';
import { stamped } from './pool-tasks.js';

export { next, spin } from './pool-tasks.js';

export function stampedAndMoved(bytes: Uint8Array<ArrayBuffer>): unknown {
  return transfer(stamped(bytes), [bytes.buffer]);
}
