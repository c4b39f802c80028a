/** A thread of a ComputePool. */
import { main } from '../src/compute/thread-main.js';
import { serveThread } from '../src/thread/worker-side.js';

await serveThread(main);
