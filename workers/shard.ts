/**
 * The thread of a shard: serves what the module that it is given makes of the
 * thread. The module's `main` is a `ThreadMain`.
 */
import { serveThread, type ThreadMain } from '../src/thread/worker-side.js';

export interface ShardData {
  /** The URL of the module. */
  module: string;
  /** For the module. */
  data: unknown;
}

await serveThread(async ({ module, data }: ShardData, owner) => {
  const { main } = (await import(module)) as { main: ThreadMain };
  return main(data, owner);
});
