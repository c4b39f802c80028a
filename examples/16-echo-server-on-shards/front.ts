/** The actor that accepts connections, and hands each to the server that has the fewest. */
import {
  type ActorContext,
  type ActorRef,
  type AddressLike,
  Handler,
  type SocketAddress,
  TcpListener,
  TcpStream,
} from 'millrace';
import type { Work } from './echo-server.js';

/** Level-triggered: what is left is reported again, after the others had their turn. */
const ACCEPTS_PER_EVENT = 64;

interface Server {
  readonly actor: ActorRef<Work>;
  /** Connections that it has, and that it was ever given. */
  open: number;
  given: number;
}

/** Its messages are the servers whose connections have ended. */
export class Front extends Handler<ActorRef> {
  readonly #listener: TcpListener;
  readonly #servers: readonly Server[];

  constructor(address: AddressLike, servers: readonly ActorRef<Work>[]) {
    super();
    this.#listener = TcpListener.bind(address);
    this.#servers = servers.map((actor) => ({ actor, open: 0, given: 0 }));
  }

  address(): SocketAddress {
    return this.#listener.localAddress;
  }

  given(): number[] {
    return this.#servers.map(({ given }) => given);
  }

  override started(context: ActorContext<ActorRef>): void {
    context.register(this.#listener, context.nextToken());
  }

  override readable(context: ActorContext<ActorRef>): void {
    for (let count = 0; count < ACCEPTS_PER_EVENT; count++) {
      const stream = this.#listener.accept();
      if (stream === null) return;
      this.#handOver(stream, context.self);
    }
  }

  override notify(_: ActorContext<ActorRef>, actor: ActorRef): void {
    const server = this.#servers.find((each) => each.actor === actor);
    if (server !== undefined) server.open -= 1;
  }

  override stopped(): void {
    this.#listener.close();
  }

  #handOver(stream: TcpStream, front: ActorRef<ActorRef>): void {
    const server = this.#servers.reduce((least, each) => (each.open < least.open ? each : least));
    const handle = stream.transfer();
    if (server.actor.send({ handle, front })) {
      server.open += 1;
      server.given += 1;
    } else {
      // Its mailbox is full, or its thread down: the connection is ours again.
      TcpStream.from(handle).close();
    }
  }
}
