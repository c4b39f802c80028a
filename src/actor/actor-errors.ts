import { MillraceError } from '../errors.js';

/** A reference, as far as messages need it. */
interface Named {
  readonly id: string;
}

export function actorStopped(ref: Named): MillraceError {
  return new MillraceError(
    'ERR_ACTOR_STOPPED',
    `${ref.id} has stopped, or was restarted before it had answered; watch() tells when it stops`,
  );
}

export function mailboxFull(ref: Named, capacity: number): MillraceError {
  return new MillraceError(
    'ERR_MAILBOX_FULL',
    `the mailbox of ${ref.id} is full (capacity ${capacity}); ` +
      'await sendAsync(), or raise mailbox.capacity',
  );
}

export function shardExited(ref: Named, cause: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_EXITED', `the shard of ${ref.id} has ended`, { cause });
}

/** Of what was asked of the shard itself. */
export function shardIsDown(shard: number, cause: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_EXITED', `shard ${shard} has ended`, { cause });
}

export function systemStopped(name: string): MillraceError {
  return new MillraceError(
    'ERR_SYSTEM_STOPPED',
    `the actor system "${name}" was stopped; start another one`,
  );
}

export function notInActor(operation: string): MillraceError {
  return new MillraceError(
    'ERR_NOT_IN_ACTOR',
    `${operation} is for loops of one's own; an actor shares its loop, and ends with stop()`,
  );
}

/** The pool belongs to the system. */
export function poolNotOwned(): MillraceError {
  return new MillraceError(
    'ERR_NOT_IN_ACTOR',
    'an actor cannot close the compute pool, which all actors share; system.stop() does',
  );
}

export function nameTaken(name: string): MillraceError {
  return new MillraceError(
    'ERR_NAME_TAKEN',
    `another actor is called "${name}"; lookup() finds it, and its stop frees the name`,
  );
}

export function notTransferable(ref: Named): MillraceError {
  return new MillraceError(
    'ERR_NOT_TRANSFERABLE',
    `${ref.id} works in the threads of its own system only; send it in a message to an actor there`,
  );
}
