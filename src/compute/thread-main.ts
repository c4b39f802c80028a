/** What a thread of a pool runs; `workers/compute.ts` starts it there. */
import { sharedMemory } from '../channel/shared-memory.js';
import { UNBOUNDED } from '../limits.js';
import { provideCrossing } from '../loop/crossing.js';
import { EventLoop } from '../loop/event-loop.js';
import { Sender } from '../loop/sender.js';
import type { ServedThread } from '../thread/worker-side.js';
import { Claims } from './claims.js';
import type { Call, ComputeThreadApi, ComputeThreadData, Definition } from './messages.js';
import { TaskRunner } from './task-runner.js';

export function main({ thread, pool, claims }: ComputeThreadData): ServedThread {
  provideCrossing(sharedMemory);
  // The pool bounds what it sends: see claims.ts.
  const loop = new EventLoop<Call | Definition>({}, UNBOUNDED);
  const runner = new TaskRunner({
    thread,
    claims: new Claims(claims),
    pool: Sender.from(pool),
  });
  const running = loop.run(runner);
  const api: ComputeThreadApi = { address: () => loop.channel().transfer() };
  return {
    api,
    stop: async () => {
      loop.shutdown();
      await running;
      loop.close();
    },
  };
}
