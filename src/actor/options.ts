/** What can be set on a system and on an actor: names, ranges, defaults. */
import type { ResourceLimits } from 'node:worker_threads';
import { movedWith } from '../channel/transfer.js';
import {
  type ComputePoolOptions,
  resolvePoolOptions,
  type ResolvedPoolOptions,
} from '../compute/options.js';
import { invalidType, invalidValue, outOfRange } from '../errors.js';
import {
  DEFAULT_ASK_TIMEOUT_MS,
  DEFAULT_MAILBOX_CAPACITY,
  DEFAULT_SHARDS,
  DEFAULT_SLOW_HANDLER_MS,
  DEFAULT_STOP_TIMEOUT_MS,
  MAILBOX_CAPACITY_MAX,
  SHARDS_MAX,
} from '../limits.js';
import { type EventLoopConfig, resolveConfig } from '../loop/config.js';
import { requireResourceLimits } from '../thread/resource-limits.js';
import {
  requireBoolean,
  requireDuration,
  requireInteger,
  requireOptions,
  requirePeriod,
} from '../validate.js';
import { CRASH_ACTIONS, type SupervisionOptions, type SupervisionPolicy } from './supervision.js';

/** Options of `ActorSystem.start()`. */
export interface SystemOptions {
  /**
   * Worker threads with a loop each, numbered from 0; the thread that starts
   * the system is the shard after the last of them. 0 to 256. 0: everything
   * runs on the calling thread. @default one less than the processors, at least 1
   */
  shards?: number;
  /** Appears in ids and metrics. @default 'millrace' */
  name?: string;
  /**
   * For the loop of each shard. Its `notifyCapacity` is that of every mailbox
   * for which `spawn()` names no other. `driver` with `shards: 0` only: code does
   * not cross threads.
   */
  loop?: EventLoopConfig;
  /**
   * Callbacks that take longer than this, in milliseconds, are published on
   * the diagnostics channel `millrace:slow-handler`. Above 0. @default 50
   */
  slowHandlerMs?: number;
  /** Of the thread of each shard, as for Node's Worker. @default Node's own */
  resourceLimits?: ResourceLimits;
  /** For the compute pool that all actors share. */
  compute?: ComputePoolOptions;
}

/** What happens to a message for a full mailbox (rule A10). */
export type Overflow = 'refuse' | 'dropOldest' | 'dropNewest';

/** How an actor's mailbox holds messages, and what it does when it is full. */
export interface MailboxOptions {
  /** Messages that may wait; exact. 1 to 2^24. @default 4096 */
  capacity?: number;
  /**
   * 'refuse': `send()` returns false. 'dropOldest', 'dropNewest': it returns
   * true, and the mailbox drops one. @default 'refuse'
   */
  overflow?: Overflow;
  /**
   * Holds later messages until the promise of the one before has settled; not
   * I/O, and not timeouts. @default false
   */
  serial?: boolean;
}

/** Options of `spawn()`. They are kept, and count again at each restart. */
export interface SpawnOptions {
  /** The module's export to be spawned. @default its only Handler class */
  export?: string;
  /** For `lookup()`; unique in the system for as long as the actor lives. @default none */
  name?: string;
  /**
   * For the constructor. What `transfer(args, list)` names is moved to the thread of the actor,
   * which then cannot be spawned again should that thread die. @default []
   */
  args?: unknown[];
  /**
   * The shard's number, or 'auto': the worker thread in which the fewest
   * actors live or are about to. @default 'auto'
   */
  shard?: number | 'auto';
  /** @default 4096 messages, refusing more, not serial */
  mailbox?: MailboxOptions;
  /** @default restart, at most 3 times in 5 s, after 100 ms that double up to 5 s */
  supervision?: SupervisionOptions;
}

/** Options of `ref.ask()`. */
export interface AskOptions {
  /** How long to wait for the answer, in milliseconds. Finite, at least 0. @default 5000 */
  timeoutMs?: number;
  /** Gives up waiting; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of `system.stop()` and `ref.stop()`. */
export interface StopOptions {
  /**
   * How long mailboxes may drain and promises settle before the actors are
   * stopped as they are, in milliseconds from the call. Finite, at least 0.
   * @default 5000
   */
  timeoutMs?: number;
}

/** What each shard needs of them. */
export interface ResolvedShardOptions {
  readonly loop: EventLoopConfig;
  readonly slowHandlerMs: number;
}

export interface ResolvedSystemOptions extends ResolvedShardOptions {
  readonly name: string;
  readonly shards: number;
  readonly resourceLimits: ResourceLimits | undefined;
  readonly compute: ResolvedPoolOptions;
}

export type MailboxPolicy = Readonly<Required<MailboxOptions>>;

export interface ResolvedSpawnOptions {
  readonly export: string | null;
  readonly name: string | null;
  readonly args: readonly unknown[];
  /** What of the arguments moves to another thread, and so is not there for a second start. */
  readonly moved: readonly object[];
  readonly shard: number | 'auto';
  readonly mailbox: MailboxPolicy;
  readonly supervision: SupervisionPolicy;
}

export interface ResolvedAskOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const OVERFLOWS: readonly Overflow[] = ['refuse', 'dropOldest', 'dropNewest'];

const DEFAULT_MAILBOX: MailboxPolicy = Object.freeze({
  capacity: DEFAULT_MAILBOX_CAPACITY,
  overflow: 'refuse',
  serial: false,
});

const DEFAULT_SUPERVISION: SupervisionPolicy = Object.freeze({
  onCrash: 'restart',
  maxRestarts: 3,
  withinMs: 5000,
  backoffMs: 100,
  backoffMaxMs: 5000,
});

const NO_ARGS: readonly unknown[] = Object.freeze([]);

const DEFAULT_SPAWN: ResolvedSpawnOptions = Object.freeze({
  export: null,
  name: null,
  args: NO_ARGS,
  moved: [],
  shard: 'auto',
  mailbox: DEFAULT_MAILBOX,
  supervision: DEFAULT_SUPERVISION,
});

const DEFAULT_ASK: ResolvedAskOptions = Object.freeze({
  timeoutMs: DEFAULT_ASK_TIMEOUT_MS,
  signal: undefined,
});

export function resolveSystemOptions(options: SystemOptions | undefined): ResolvedSystemOptions {
  const known = ['shards', 'name', 'loop', 'slowHandlerMs', 'resourceLimits', 'compute'];
  const given = requireOptions('options', options, known);
  const { shards = DEFAULT_SHARDS } = given;
  requireInteger('options.shards', shards, { min: 0, max: SHARDS_MAX });
  const loop: EventLoopConfig = requireOptions('options.loop', given.loop, LOOP_OPTIONS);
  const slowHandlerMs = given.slowHandlerMs ?? DEFAULT_SLOW_HANDLER_MS;
  // Shards of other threads check it when it is too late to say which option it was.
  resolveConfig(loop);
  if (shards > 0 && loop.driver !== undefined) {
    throw invalidValue('options.loop.driver', 'left out unless shards is 0', loop.driver);
  }
  return {
    name: requireName('options.name', given.name ?? 'millrace'),
    shards,
    resourceLimits: requireResourceLimits('options.resourceLimits', given.resourceLimits),
    loop,
    compute: resolvePoolOptions('options.compute', given.compute),
    slowHandlerMs: requirePeriod('options.slowHandlerMs', slowHandlerMs),
  };
}

/** Those of a loop, which checks their values. */
const LOOP_OPTIONS = [
  'notifyCapacity',
  'messagesPerTick',
  'eventsCapacity',
  'timerTickMs',
  'timerWheelSize',
  'timerCapacity',
  'poller',
  'tickBudgetMs',
  'fullPollsMax',
  'spinUs',
  'driver',
];

/** What `spawn()` takes for granted in a system with such loops. */
export function spawnDefaults({ notifyCapacity }: EventLoopConfig): ResolvedSpawnOptions {
  if (notifyCapacity === undefined) return DEFAULT_SPAWN;
  const mailbox = Object.freeze({ ...DEFAULT_MAILBOX, capacity: notifyCapacity });
  return Object.freeze({ ...DEFAULT_SPAWN, mailbox });
}

/** Without options the result is `defaults` itself: actors by the million share it. */
export function resolveSpawnOptions(
  options: SpawnOptions | undefined,
  defaults = DEFAULT_SPAWN,
): ResolvedSpawnOptions {
  if (options === undefined) return defaults;
  const known = ['export', 'name', 'args', 'shard', 'mailbox', 'supervision'];
  const given = requireOptions('options', options, known);
  const { args = NO_ARGS, shard = 'auto' } = given;
  if (!Array.isArray(args)) throw invalidType('options.args', 'an array', args);
  if (shard !== 'auto') requireInteger('options.shard', shard, { min: 0, max: SHARDS_MAX });
  return {
    export: given.export === undefined ? null : requireName('options.export', given.export),
    name: given.name === undefined ? null : requireName('options.name', given.name),
    // A copy, because a restart passes the same again.
    args: args.length === 0 ? NO_ARGS : [...args],
    moved: [...(movedWith(args) ?? [])] as object[],
    shard,
    mailbox: resolveMailbox(given.mailbox, defaults.mailbox),
    supervision: resolveSupervision(given.supervision),
  };
}

export function resolveAskOptions(options: AskOptions | undefined): ResolvedAskOptions {
  if (options === undefined) return DEFAULT_ASK;
  const { timeoutMs, signal } = requireOptions('options', options, ['timeoutMs', 'signal']);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidType('options.signal', 'an AbortSignal', signal);
  }
  return {
    timeoutMs: requireDuration('options.timeoutMs', timeoutMs ?? DEFAULT_ASK_TIMEOUT_MS),
    signal,
  };
}

/** The time that a stop may take. */
export function resolveStopOptions(options: StopOptions | undefined): number {
  const { timeoutMs } = requireOptions('options', options, ['timeoutMs']);
  return requireDuration('options.timeoutMs', timeoutMs ?? DEFAULT_STOP_TIMEOUT_MS);
}

function resolveMailbox(
  options: MailboxOptions | undefined,
  defaults: MailboxPolicy,
): MailboxPolicy {
  if (options === undefined) return defaults;
  const given = requireOptions('options.mailbox', options, ['capacity', 'overflow', 'serial']);
  const policy = { ...defaults, ...withoutUndefined(given) };
  const range = { min: 1, max: MAILBOX_CAPACITY_MAX };
  requireInteger('options.mailbox.capacity', policy.capacity, range);
  requireOneOf('options.mailbox.overflow', policy.overflow, OVERFLOWS);
  requireBoolean('options.mailbox.serial', policy.serial);
  return policy;
}

function resolveSupervision(options: SupervisionOptions | undefined): SupervisionPolicy {
  if (options === undefined) return DEFAULT_SUPERVISION;
  const known = Object.keys(DEFAULT_SUPERVISION);
  const given = requireOptions('options.supervision', options, known);
  const policy = { ...DEFAULT_SUPERVISION, ...withoutUndefined(given) };
  requireOneOf('options.supervision.onCrash', policy.onCrash, CRASH_ACTIONS);
  requireInteger('options.supervision.maxRestarts', policy.maxRestarts, { min: 0 });
  requirePeriod('options.supervision.withinMs', policy.withinMs);
  requireDuration('options.supervision.backoffMs', policy.backoffMs);
  requireDuration('options.supervision.backoffMaxMs', policy.backoffMaxMs);
  if (given.backoffMaxMs === undefined && policy.backoffMs > policy.backoffMaxMs) {
    return { ...policy, backoffMaxMs: policy.backoffMs };
  }
  if (policy.backoffMaxMs < policy.backoffMs) {
    const name = 'options.supervision.backoffMaxMs';
    throw outOfRange(name, `at least backoffMs, which is ${policy.backoffMs}`, policy.backoffMaxMs);
  }
  return policy;
}

function withoutUndefined<T extends object>(options: T): { [K in keyof T]: NonNullable<T[K]> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: NonNullable<T[K]> };
}

export function requireName(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidType(name, 'a string', value);
  if (value === '') throw invalidValue(name, 'a string that is not empty', value);
  return value;
}

function requireOneOf(name: string, value: unknown, known: readonly string[]): void {
  const expected = known.map((each) => `'${each}'`).join(', ');
  if (typeof value !== 'string') throw invalidType(name, `one of ${expected}`, value);
  if (!known.includes(value)) throw invalidValue(name, `one of ${expected}`, value);
}
