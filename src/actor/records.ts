/**
 * Records: what home knows of the actors that it has placed in threads, so that
 * they can live again when their shard dies. Those that a shard spawned of a
 * class are not among them: a class cannot leave its thread.
 */
import type { ActorRef } from './actor-ref.js';
import type { Restored } from './home-api.js';
import type { ResolvedSpawnOptions } from './options.js';
import type { ParentAddress } from './parent.js';
import { Supervisor } from './supervision.js';

/** What an actor was spawned of, and by whom. */
export interface Origin {
  readonly href: string;
  readonly options: ResolvedSpawnOptions;
  readonly parent: ParentAddress | null;
  /** A child belongs to the instance that spawned it; that one has died. */
  isOrphan: boolean;
}

interface ActorRecord extends Origin {
  readonly actor: ActorRef;
  /** Counts the deaths of the shard only; crashes are counted there. */
  supervisor: Supervisor | null;
}

/** What becomes of the actors of a shard that has died. */
export interface Fates {
  readonly restored: Restored[];
  readonly lost: LostActor[];
}

export interface LostActor {
  readonly actor: ActorRef;
  readonly parent: ParentAddress | null;
  readonly escalates: boolean;
}

export class Records {
  /** By shard, then by the actor's reference. */
  readonly #shards: Map<ActorRef, ActorRecord>[];

  constructor(shards: number) {
    this.#shards = Array.from({ length: shards }, () => new Map());
  }

  add(actor: ActorRef, origin: Origin): void {
    this.#shards[actor.shard].set(actor, { actor, ...origin, supervisor: null });
  }

  delete(actor: ActorRef): void {
    this.#shards[actor.shard]?.delete(actor);
  }

  /** The parents in this shard have died, wherever their children live. */
  orphan(shard: number): void {
    for (const records of this.#shards) {
      for (const record of records.values()) {
        if (record.parent?.[0].shard === shard) record.isOrphan = true;
      }
    }
  }

  /** Decides over all of a shard. The lost are forgotten. */
  decide(shard: number, nowMs: number): Fates {
    const restored: Restored[] = [];
    const lost: LostActor[] = [];
    for (const record of this.#shards[shard].values()) {
      const fate = decide(record, nowMs);
      if (fate !== null) {
        restored.push(fate);
        continue;
      }
      const { actor, parent, options } = record;
      const escalates = options.supervision.onCrash === 'escalate';
      lost.push({ actor, parent, escalates });
      this.delete(actor);
    }
    return { restored, lost };
  }

  /** The shard will not be started any more. */
  loseAll(shard: number): LostActor[] {
    const records = [...this.#shards[shard].values()];
    this.#shards[shard].clear();
    return records.map(({ actor, parent }) => ({ actor, parent, escalates: false }));
  }
}

/** Null: it stays dead. */
function decide(record: ActorRecord, nowMs: number): Restored | null {
  const { actor, href, options, parent } = record;
  // What was moved to the thread has gone with it.
  if (record.isOrphan || options.moved.length > 0) return null;
  const { supervision } = options;
  // Nothing is left that could resume.
  const policy =
    supervision.onCrash === 'resume'
      ? { ...supervision, onCrash: 'restart' as const }
      : supervision;
  record.supervisor ??= new Supervisor(policy);
  const decision = record.supervisor.decide(nowMs);
  if (decision.action !== 'restart') return null;
  const { slot, generation } = actor.place();
  const { attempt, delayMs } = decision;
  return { slot, generation, href, options, parent, attempt, delayMs };
}
