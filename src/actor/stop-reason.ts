/**
 * Why an actor stopped: what its `stopped()` and those who watch it are told.
 * `restart` is for `stopped()` alone: the actor lives on in a new instance.
 */
export type StopReason =
  /** Asked for, by `ref.stop()` or `context.stop()`. */
  | { readonly kind: 'stopped' }
  /** The actor that spawned it stopped, or was restarted. */
  | { readonly kind: 'parent' }
  /** `system.stop()`. */
  | { readonly kind: 'system' }
  /** It crashed, and supervision stopped it. */
  | { readonly kind: 'crashed'; readonly error: unknown }
  /** It crashed, and is restarted. */
  | { readonly kind: 'restart'; readonly error: unknown }
  /** The shard that it ran in has ended. */
  | { readonly kind: 'shardExit'; readonly error: unknown };
