/**
 * Mail: what the shards of a system send each other. One class for all of it,
 * so that it is one shape for the engine, and the envelope of the codec.
 *
 *   to an actor   MESSAGE  ASK  STOP  WATCH  UNWATCH  ROOM  CHILD_CRASHED  CHILD_STOPPED
 *   to a shard    ANSWER  FAILURE  REPORT  STOPPED (by id)   CALL  NOTE (of its own methods)
 *   to home       TASK  TASK_ABORT   for the pool of the system
 *
 * Only messages and asks take places in a mailbox; whatever the runtime has to
 * say is exempt from the capacity.
 */
import { registerEnvelope } from '../channel/codec/envelopes.js';

export const MailKind = {
  MESSAGE: 1,
  ASK: 2,
  /** To an ask or a call, of which `id` is the number. */
  ANSWER: 3,
  FAILURE: 4,
  /** Of which STOPPED is the answer, as to a watch. */
  STOP: 5,
  WATCH: 6,
  UNWATCH: 7,
  STOPPED: 8,
  /** A place was given back unused; somebody may wait for it. */
  ROOM: 9,
  CHILD_CRASHED: 10,
  CHILD_STOPPED: 11,
  CALL: 12,
  NOTE: 13,
  /** Within a thread: a function to be called in the order of messages. */
  ERRAND: 14,
  /** Of which ANSWER or FAILURE is the end, and REPORT tells how far it is. */
  TASK: 15,
  TASK_ABORT: 16,
  REPORT: 17,
} as const;
export type MailKind = (typeof MailKind)[keyof typeof MailKind];

/** Numbers of shards are below. */
const SHARD_BITS = 9;

/** A shard and its incarnation, in one number. */
export function senderOf(shard: number, incarnation: number): number {
  return shard + incarnation * 2 ** SHARD_BITS;
}

export function shardOf(sender: number): number {
  return sender % 2 ** SHARD_BITS;
}

export class Mail {
  /** Tells mail from whatever else may be a message. */
  readonly #isMail = true;
  readonly kind: MailKind;
  /** Who sent it: see {@link senderOf}. */
  readonly from: number;
  readonly slot: number;
  readonly generation: number;
  readonly id: number;
  readonly method: string | null;
  readonly payload: unknown;

  constructor(
    kind: MailKind,
    from: number,
    slot: number,
    generation: number,
    id: number,
    method: string | null,
    payload: unknown,
  ) {
    this.kind = kind;
    this.from = from;
    this.slot = slot;
    this.generation = generation;
    this.id = id;
    this.method = method;
    this.payload = payload;
  }

  static is(object: object): object is Mail {
    return #isMail in object;
  }
}

registerEnvelope<Mail>({
  is: (object) => Mail.is(object),
  contentOf: (mail) => mail.payload,
  writeHeader(writer, mail, at) {
    let to = writer.number(mail.kind, at);
    to = writer.number(mail.from, to);
    to = writer.number(mail.slot, to);
    to = writer.number(mail.generation, to);
    if (mail.kind === MailKind.MESSAGE) return to;
    return writer.value(mail.method, writer.number(mail.id, to));
  },
  read(reader) {
    const kind = reader.number() as MailKind;
    const from = reader.number();
    const slot = reader.number();
    const generation = reader.number();
    const isMessage = kind === MailKind.MESSAGE;
    const id = isMessage ? 0 : reader.number();
    const method = isMessage ? null : (reader.value() as string | null);
    return new Mail(kind, from, slot, generation, id, method, reader.content());
  },
});
