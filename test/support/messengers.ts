/** Messages from another thread, for tests that need a few of them. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { EventLoop } from '../../src/index.js';
import type { Errand } from '../fixtures/messenger.js';

/** From `dist/test/support/`. */
const MESSENGER = new URL('../fixtures/messenger.js', import.meta.url);

/** Resolves when the thread that has sent them has ended, whether or not the loop runs. */
export async function sendFromThread<M>(loop: EventLoop<M>, messages: readonly M[]): Promise<void> {
  const errand: Errand = { handle: loop.channel().transfer(), messages };
  await once(new Worker(MESSENGER, { workerData: errand }), 'exit');
}
