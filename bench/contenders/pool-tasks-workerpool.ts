/** The tasks as workerpool loads them: its worker registers them itself. */
import { Transfer, worker } from 'workerpool';
import { next, spin, stamped } from './pool-tasks.js';

function stampedAndMoved(bytes: Uint8Array<ArrayBuffer>): unknown {
  return new Transfer(stamped(bytes), [bytes.buffer]);
}

worker({ next, spin, stampedAndMoved });
