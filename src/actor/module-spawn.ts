/** Spawning an actor of a module on the thread that it is to run on. */
import { discard } from '../channel/side-channel.js';
import { actorStopped, systemStopped } from './actor-errors.js';
import type { ActorRef } from './actor-ref.js';
import { importHandlerClass } from './handler-class.js';
import type { ResolvedSpawnOptions } from './options.js';
import type { Parent } from './parent.js';
import type { Shard } from './shard.js';

export async function spawnOfModule(
  shard: Shard,
  href: string,
  options: ResolvedSpawnOptions,
  parent: Parent | null,
): Promise<ActorRef> {
  const HandlerClass = await importHandlerClass(new URL(href), options.export);
  // The system, or the parent, may have stopped during the import.
  if (shard.isClosing) throw systemStopped(shard.host.name);
  if (parent?.isEnding) throw actorStopped(parent.ref);
  return shard.spawn({ HandlerClass, options }, parent);
}

/** For another thread: what it moved here for an actor that there will not be is nobody's. */
export async function orDiscard(
  { moved }: ResolvedSpawnOptions,
  spawn: () => Promise<ActorRef>,
): Promise<ActorRef> {
  try {
    return await spawn();
  } catch (error) {
    discard(moved);
    throw error;
  }
}
