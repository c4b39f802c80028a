import { MillraceError } from '../errors.js';
import type { ActorRef } from './actor-ref.js';

export function actorStopped(ref: ActorRef): MillraceError {
  return new MillraceError(
    'ERR_ACTOR_STOPPED',
    `${ref.id} has stopped, or was restarted before it had answered; watch() tells when it stops`,
  );
}

export function mailboxFull(ref: ActorRef, capacity: number): MillraceError {
  return new MillraceError(
    'ERR_MAILBOX_FULL',
    `the mailbox of ${ref.id} is full (capacity ${capacity}); ` +
      'await sendAsync(), or raise mailbox.capacity',
  );
}

export function shardExited(ref: ActorRef, cause: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_EXITED', `the shard of ${ref.id} has ended`, { cause });
}

export function notTransferable(ref: ActorRef): MillraceError {
  return new MillraceError(
    'ERR_NOT_TRANSFERABLE',
    `${ref.id} runs in a system of one thread, whose references cannot leave it`,
  );
}
