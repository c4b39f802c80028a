/**
 * An actor that hashes passwords, and never keeps anybody waiting for it: the
 * work is done by the compute pool of its system, one for all shards.
 *
 * Actor and task stand in one module, which their threads load for themselves.
 */
import { scryptSync } from 'node:crypto';
import { isMainThread } from 'node:worker_threads';
import { type ActorContext, ActorSystem, Handler, TaskPriority } from 'millrace';

const MODULE = new URL(import.meta.url);

/** The task: it keeps a processor busy for some 50 ms. */
export function hash(password: string, salt: string): string {
  return scryptSync(password, salt, 32).toString('hex');
}

/** Answers a password with its hash, and `null` with how many it was asked for. */
export class Hasher extends Handler<string | null> {
  #asked = 0;

  override notify(context: ActorContext<string | null>, password: string | null): unknown {
    if (password === null) return this.#asked;
    this.#asked += 1;
    const tasks = context.compute.module<{ hash: typeof hash }>(MODULE);
    return tasks.with({ priority: TaskPriority.High }).hash(password, `salt ${this.#asked}`);
  }
}

if (isMainThread) {
  const system = await ActorSystem.start({ shards: 1, compute: { threads: 2 } });
  const hasher = await system.spawn<string | null>(MODULE, { shard: 0 });
  const hashes = ['swordfish', 'open sesame', 'swordfish'].map((each) => hasher.ask<string>(each));
  console.log(`${await hasher.ask<number>(null)} under way`);
  const [first, second, third] = await Promise.all(hashes);
  console.log(`${first.length} digits, ${new Set([first, second, third]).size} different`);
  const { tasksCompleted, tasksFailed } = system.compute.metrics();
  console.log(`${tasksCompleted} done, ${tasksFailed} failed`);
  await system.stop();
}
