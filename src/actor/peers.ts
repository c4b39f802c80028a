/**
 * Peers: the shards of a system as one thread of it sees them. Its own shard,
 * a link to each of the others, and what comes in from them.
 *
 *   RemoteMailbox ─> Link ─ lane ─> channel of the other loop ─> Peers.receive() ─> Cell
 */
import { registerCarrier } from '../channel/codec/carriers.js';
import { DEFAULT_STOP_TIMEOUT_MS } from '../limits.js';
import { type Dispatch, methodsOf } from '../thread/control-link.js';
import { actorStopped, shardIsDown } from './actor-errors.js';
import { ActorRef, type RefAddress } from './actor-ref.js';
import type { Cell } from './cell.js';
import type { Place } from './cell-table.js';
import type { Deadlines } from './deadlines.js';
import { Link, type PeerAddress } from './link.js';
import { Mail, MailKind, senderOf, shardOf } from './mail.js';
import { type Parent, type ParentAddress, RemoteParent } from './parent.js';
import { RemoteRequest } from './remote-request.js';
import type { RefusalReason } from './reports.js';
import type { Shard } from './shard.js';
import { StoppedMailbox } from './stopped-mailbox.js';
import type { StopReason } from './stop-reason.js';
import type { TaskDesk } from './task-desk.js';

/** Numbers of questions of one incarnation of a shard; those of the next one are larger. */
const IDS_MAX = 2 ** 40;

/** Those of this thread, by the id of the system. */
const present = new Map<string, Peers>();

export interface PeersOptions {
  /** How often the shard was started before. */
  incarnation: number;
  /** The shards of the system, this one included. */
  count: number;
  /** What other shards may call here. */
  api: object;
}

export class Peers {
  readonly system: string;
  /** The number of this thread's own shard. */
  readonly shard: number;
  /** What its mail is marked with. */
  readonly from: number;
  readonly #shard: Shard;
  readonly #links: Link[];
  readonly #serve: Dispatch;
  /** Of home: takes the tasks of other shards. */
  desk: TaskDesk | null = null;
  #id: number;

  constructor(shard: Shard, { incarnation, count, api }: PeersOptions) {
    this.system = shard.host.id;
    this.shard = shard.number;
    this.#shard = shard;
    this.#serve = methodsOf(api);
    this.from = senderOf(this.shard, incarnation);
    this.#id = incarnation * IDS_MAX;
    this.#links = Array.from({ length: count }, (_, number) => new Link(number, this));
    shard.peers = this;
    present.set(this.system, this);
  }

  /** Where this shard can be reached. */
  get address(): PeerAddress {
    const { loop, places } = this.#shard;
    const { shard, from } = this;
    return { shard, from, handle: loop.channel().transfer(), places: places!.buffer };
  }

  /** Whether the system stops, as far as this thread knows. */
  get isClosing(): boolean {
    return this.#shard.isClosing;
  }

  get deadlines(): Deadlines {
    return this.#shard.deadlines;
  }

  nextId(): number {
    this.#id += 1;
    return this.#id;
  }

  link(shard: number): Link {
    return this.#links[shard];
  }

  /** The others. */
  get others(): Link[] {
    return this.#links.filter(({ shard }) => shard !== this.shard);
  }

  // --- Life and death of the others --------------------------------------

  connect(address: PeerAddress): void {
    if (address.shard !== this.shard) this.link(address.shard).connect(address);
  }

  up(shard: number): void {
    if (shard !== this.shard) this.link(shard).up();
  }

  /** Children belong to the instance that spawned them, which has gone with its shard. */
  down(shard: number, error: unknown): void {
    const link = this.link(shard);
    link.down(error);
    this.#reconcile(link);
    for (const cell of this.#shard.cells.all()) {
      if (cell.parent instanceof RemoteParent && cell.parent.link === link) {
        void cell.stop({ kind: 'parent' }, DEFAULT_STOP_TIMEOUT_MS);
      }
    }
  }

  /**
   * The shard may have died between taking a place and sending the message for
   * it. That message is the only one which it noted and which never comes.
   */
  #reconcile(link: Link): void {
    const unsent = this.#shard.places?.unsent(link.shard) ?? null;
    if (unsent === null) return;
    const check = () => {
      if (link.heard !== unsent.sent) return;
      this.#shard.places?.release(unsent.slot);
      this.#shard.cells.at(unsent.slot)?.stir();
    };
    this.afterMail(check);
  }

  /** Calls `errand` when all that other shards have sent until now was received. */
  afterMail(errand: () => void): void {
    // What is in its lane is let in with the next tick at the latest, so that
    // the second errand comes after all of it.
    this.#errand(() => this.#errand(errand));
  }

  #errand(errand: () => void): void {
    this.#shard.post(new Mail(MailKind.ERRAND, this.from, 0, 0, 0, null, errand));
  }

  /** The shard will not be started any more. */
  giveUp(shard: number, error: unknown): void {
    this.link(shard).close({ kind: 'shardExit', error }, shardIsDown(shard, error));
  }

  /** The system stops: nothing is sent to that shard or answered by it any more. */
  closeLink(shard: number): void {
    const error = actorStopped({ id: `the actor of ${this.system}` });
    this.link(shard).close({ kind: 'system' }, error);
  }

  /** Nor to any other. */
  close(): void {
    for (const { shard } of this.others) this.closeLink(shard);
    present.delete(this.system);
  }

  // --- References --------------------------------------------------------

  static of(system: string): Peers | null {
    return present.get(system) ?? null;
  }

  refTo(shard: number, place: Place, name: string | null): ActorRef {
    if (shard !== this.shard) return this.link(shard).refTo(place, name);
    const cell = this.#shard.cells.find(place.slot, place.generation);
    return cell?.ref ?? this.#stoppedRef(place, name);
  }

  #stoppedRef(place: Place, name: string | null = null): ActorRef {
    const { system, shard } = this;
    const identity = { system, shard, serial: place.generation, name };
    const reason = this.#shard.exitOf(place) ?? { kind: 'stopped' };
    return new StoppedMailbox(identity, place, reason, this).ref;
  }

  /** A parent that was named by its own thread; null if that was this one, and it has gone. */
  parentAt(address: ParentAddress): Parent | null {
    const [ref, , thread] = address;
    if (ref.shard !== this.shard) return new RemoteParent(this.link(ref.shard), address);
    const { slot, generation } = ref.place();
    return thread === this.from ? this.#shard.cells.find(slot, generation) : null;
  }

  /**
   * As {@link parentAt}, for a child that is yet to be.
   *
   * @throws MillraceError ERR_ACTOR_STOPPED
   */
  livingParentAt(address: ParentAddress | null): Parent | null {
    if (address === null) return null;
    const parent = this.parentAt(address);
    if (parent === null || parent.isEnding) throw actorStopped(address[0]);
    return parent;
  }

  refuse(actor: ActorRef, reason: RefusalReason, message: unknown): void {
    this.#shard.refuse(actor, reason, message);
  }

  /** As {@link refuse}, of a message that nobody has any more. */
  lose(actor: ActorRef, reason: RefusalReason, message: unknown): void {
    this.#shard.lose(actor, reason, message);
  }

  closeFlights(message: unknown): void {
    this.#shard.closeFlights(message);
  }

  inform(watcher: (reason: StopReason) => unknown, reason: StopReason): void {
    this.#shard.inform(watcher, reason);
  }

  // --- What comes in -----------------------------------------------------

  receive(mail: Mail): void {
    if (mail.kind === MailKind.ERRAND) {
      (mail.payload as () => void)();
      return;
    }
    this.#sender(mail).hear(mail.from);
    switch (mail.kind) {
      case MailKind.MESSAGE:
      case MailKind.ASK:
        this.#deliver(mail);
        return;
      case MailKind.ANSWER:
      case MailKind.FAILURE:
        this.#sender(mail).answered(mail);
        return;
      case MailKind.STOPPED:
        this.#sender(mail).stopped(mail);
        return;
      case MailKind.UNWATCH:
        this.#sender(mail).removeWatcher(mail.id);
        return;
      case MailKind.REPORT:
        this.#sender(mail).reported(mail);
        return;
      case MailKind.TASK:
        this.desk?.submit(this.#sender(mail), mail);
        return;
      case MailKind.TASK_ABORT:
        this.desk?.abort(this.#sender(mail), mail);
        return;
      case MailKind.CALL:
        void this.#answer(mail);
        return;
      case MailKind.NOTE:
        this.#serve(mail.method as string, mail.payload as unknown[]);
        return;
      default:
        this.#instruct(mail);
    }
  }

  #sender({ from }: Mail): Link {
    return this.link(shardOf(from));
  }

  #deliver(mail: Mail): void {
    const { kind, slot, generation, payload } = mail;
    const request = kind === MailKind.ASK ? new RemoteRequest(this.#sender(mail), mail) : null;
    const cell = this.#shard.cells.find(slot, generation);
    if (cell !== null) {
      cell.receive(payload, request);
      return;
    }
    this.#shard.places?.release(slot);
    const ref = this.#stoppedRef(mail);
    this.lose(ref, 'stopped', payload);
    request?.fail(actorStopped(ref));
  }

  async #answer(mail: Mail): Promise<void> {
    const { method, payload } = mail;
    const request = new RemoteRequest(this.#sender(mail), mail);
    try {
      request.answer(await this.#serve(method as string, payload as unknown[]));
    } catch (error) {
      request.fail(error);
    }
  }

  /** What the runtime says to an actor. */
  #instruct(mail: Mail): void {
    const cell = this.#shard.cells.find(mail.slot, mail.generation);
    const { kind, id, payload } = mail;
    if (kind === MailKind.STOP || kind === MailKind.WATCH) {
      if (cell === null) this.#tellStopped(mail, this.#shard.exitOf(mail));
      else if (kind === MailKind.WATCH) this.#watch(cell, mail);
      else void this.#stop(cell, mail);
    } else if (kind === MailKind.ROOM) {
      cell?.stir();
    } else if (kind === MailKind.CHILD_STOPPED) {
      cell?.childStopped(payload as ActorRef);
    } else if (kind === MailKind.CHILD_CRASHED && cell?.instance === id) {
      cell.childCrashed(payload);
    }
  }

  async #stop(cell: Cell, mail: Mail): Promise<void> {
    const { reason, timeoutMs } = mail.payload as { reason: StopReason; timeoutMs: number };
    await cell.stop(reason, timeoutMs);
    this.#tellStopped(mail, cell.exit);
  }

  #watch(cell: Cell, mail: Mail): void {
    const link = this.#sender(mail);
    const unwatch = cell.watch((reason) => {
      link.removeWatcher(mail.id);
      this.#tellStopped(mail, reason);
    });
    link.addWatcher(mail.id, unwatch);
  }

  #tellStopped(mail: Mail, reason: StopReason | null): void {
    this.#sender(mail).postAnyway(MailKind.STOPPED, mail, mail.id, reason);
  }
}

/** Its number among what crosses threads as itself. */
const REF_CARRIER = 1;

registerCarrier<ActorRef>({
  id: REF_CARRIER,
  type: ActorRef,
  fields: ['refAddress'],
  create: (address) => {
    const [system, shard, slot, generation, name] = address as RefAddress;
    const place = { slot, generation };
    const peers = Peers.of(system);
    if (peers !== null) return peers.refTo(shard, place, name);
    // It came late, from a system that has stopped.
    const identity = { system, shard, serial: generation, name };
    return new StoppedMailbox(identity, place, { kind: 'system' }, null).ref;
  },
});
