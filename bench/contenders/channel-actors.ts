/** Two actors, one on the main thread and one on a shard, each with a reference to the other. */
import { isMainThread } from 'node:worker_threads';
import { type ActorRef, ActorSystem, Handler } from 'millrace';
import {
  type End,
  type RemoteSide,
  type Side,
  type SideReport,
  type Sink,
  serveSides,
  sideOf,
} from './channel-ends.js';
import { type Kind, messageAt, messagesOf } from './channel-protocol.js';

export class Peer extends Handler implements End, Side {
  readonly #side = sideOf(this);
  #sink: Sink = () => {};
  #other: ActorRef | null = null;

  override notify(_: unknown, message: unknown): void {
    this.#sink(message);
  }

  // --- From the benchmark, by its proxy ----------------------------------

  connect(other: ActorRef): void {
    this.#other = other;
  }

  isReady(): boolean {
    return this.#side.isReady();
  }

  receive(kind: Kind, count: number): Promise<SideReport> {
    return this.#side.receive(kind, count);
  }

  send(kind: Kind, count: number): Promise<SideReport> {
    return this.#side.send(kind, count);
  }

  /** What comes is sent back. */
  answer(): void {
    this.#sink = (question) => this.#post(question);
  }

  // --- An end ------------------------------------------------------------

  deliverTo(sink: Sink): void {
    this.#sink = sink;
  }

  /** Refused for lack of room, a message is sent again and waited for. */
  async stream(kind: Kind, count: number): Promise<void> {
    const other = this.#other!;
    const messages = messagesOf(kind);
    for (let place = 0; place < count; place++) {
      const message = messageAt(messages, place);
      if (!other.send(message)) await other.sendAsync(message);
    }
  }

  ask(question: number, answered: Sink): void {
    this.#sink = answered;
    this.#post(question);
  }

  #post(message: unknown): void {
    if (!this.#other!.send(message)) throw new Error('no room for a message');
  }
}

if (isMainThread) await start();

async function start(): Promise<void> {
  const system = await ActorSystem.start({ shards: 1 });
  const ends: Peer[] = [];
  /** The actor of this thread, which is called directly as well. */
  class OwnPeer extends Peer {
    constructor() {
      super();
      ends.push(this);
    }
  }
  const here = await system.spawn(OwnPeer);
  const there = await system.spawn(new URL(import.meta.url), { export: 'Peer', shard: 0 });
  await here.proxy<Peer>().connect(there);
  await there.proxy<Peer>().connect(here);
  serveSides(ends[0], here.proxy<RemoteSide>(), there.proxy<RemoteSide>());
}
