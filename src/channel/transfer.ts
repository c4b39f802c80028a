import { invalidType } from '../errors.js';

/** What a message moves, until it was sent. */
const movedBy = new WeakMap<object, ReadonlySet<unknown>>();

/**
 * Messages noted and not yet sent, so that nothing is looked up where
 * nothing is ever moved.
 */
let notedCount = 0;

/**
 * Names what a message moves to the receiving thread instead of copying it,
 * as the transfer list of `postMessage()` does: `sender.send(transfer(message,
 * [message.buffer]))`. Once the message is taken, an `ArrayBuffer` in the
 * list is empty here. A message that is refused moves nothing, and may be sent
 * again. Between loops of one thread a message passes by reference, and
 * nothing is moved.
 *
 * Between the threads of an actor system the list may name whatever
 * `postMessage()` can move: a `MessagePort`, a `FileHandle`, a stream. To a
 * thread with which this one shares no more than a sender, only an
 * `ArrayBuffer` can be moved: `send()` throws a `DataCloneError` for the rest.
 *
 * @returns the message itself
 * @throws TypeError ERR_INVALID_ARG_TYPE
 */
export function transfer<M extends object>(message: M, list: readonly object[]): M {
  if ((typeof message !== 'object' && typeof message !== 'function') || message === null) {
    throw invalidType('message', 'an object', message);
  }
  if (!Array.isArray(list)) throw invalidType('list', 'an array of transferable objects', list);
  for (const value of list) {
    if (typeof value !== 'object' || value === null) {
      throw invalidType('list', 'an array of transferable objects', list);
    }
  }
  if (!movedBy.has(message)) notedCount += 1;
  movedBy.set(message, new Set(list));
  return message;
}

/** The arguments of a call move what each of them moves. */
export function transferWithEach(args: unknown[]): unknown[] {
  if (notedCount === 0) return args;
  const moved = args.flatMap((each) => [...(movedWith(each) ?? [])] as object[]);
  return moved.length === 0 ? args : transfer(args, moved);
}

/** What this message moves. */
export function movedWith(message: unknown): ReadonlySet<unknown> | undefined {
  if (notedCount === 0 || typeof message !== 'object' || message === null) return undefined;
  return movedBy.get(message);
}

/** The message was sent: should it be sent again, it moves nothing. */
export function forgetMoved(message: unknown): void {
  if (movedBy.delete(message as object)) notedCount -= 1;
}
