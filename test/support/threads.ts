/** Threads at the entry point of shards, with the module of tests in them. */
import type { ShardData } from '../../workers/shard.js';
import { WorkerThread, type WorkerThreadOptions } from '../../src/thread/worker-thread.js';
import type { ThreadApi, ThreadMainData } from '../fixtures/thread-main.js';

/** From `dist/test/support/`. */
export const ENTRY = new URL('../../workers/shard.js', import.meta.url);
export const MODULE = new URL('../fixtures/thread-main.js', import.meta.url);

export function startShard(
  data: ThreadMainData = {},
  options: WorkerThreadOptions = {},
): Promise<WorkerThread<ThreadApi>> {
  const shardData: ShardData = { module: MODULE.href, data };
  return WorkerThread.start<ThreadApi>(ENTRY, shardData, options);
}
